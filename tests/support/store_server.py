"""A web server on loopback over the files of a store, with faults on request."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

Fault = Literal[
    "",
    "stall",
    "drip",
    "endless",
    "slow head",
    "cut",
    "always cut",
    "wrong",
    "short",
    "page",
    "bomb",
    "500",
    "redirect",
]
PAGE = b"<!doctype html><title>Welcome</title>Log in to go on."
# 256 MiB of zeros, for whoever unpacks it.
BOMB = gzip.compress(bytes(1 << 20)) * 256


@dataclass
class StoreServer:
    """The state of the server, set and read by tests.

    Attributes:
        folder: The files that it serves.
        fault: What is wrong with what it sends.
        only: Part of the names that the fault is about.
        elsewhere: Where `redirect` leads.
        url: Where it is.
        asked: The names that were asked for, each with its range.
        ended: Ends what stalls.
    """

    folder: Path
    fault: Fault = ""
    only: str = ""
    elsewhere: str = "http://127.0.0.1:9/elsewhere"
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running_store(folder: Path) -> Iterator[StoreServer]:
    """Serve a folder until the block ends."""
    state = StoreServer(folder)

    class Handler(_Handler):
        store = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    store: StoreServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a file, or a part of it."""
        store, name = self.store, self.path.lstrip("/")
        asked = self.headers.get("Range", "")
        store.asked.append((name, asked))
        fault = store.fault if store.only in name else ""
        path = store.folder / name
        if fault in ("500", "redirect"):
            self._answer(500 if fault == "500" else 302, b"", {"Location": store.elsewhere})
        elif fault in ("page", "bomb"):  # it answers whatever is asked for
            self._answer(200, *((PAGE, {}) if fault == "page" else (BOMB, {"Content-Encoding": "gzip"})))
        elif not path.is_file():
            self._answer(404, b"", {})
        else:
            with suppress(OSError):  # the client has gone
                self._send(path.read_bytes(), asked, fault)

    def _send(self, data: bytes, asked: str, fault: Fault) -> None:
        if fault == "wrong":
            data = bytes(byte ^ 1 for byte in data)
        if fault == "short":
            data = data[:-1]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        data = data[start:]
        if fault in ("stall", "drip", "endless"):
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
            pause = {"stall": 60, "drip": 0.02, "endless": 0}[fault]
            while not self.store.ended.wait(pause):
                self.wfile.write(b"x" * (1 if fault == "drip" else 1 << 16))
            self.close_connection = True
        elif fault == "slow head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self.store.ended.wait(0.02):
                self.wfile.write(b"x")
            self.close_connection = True
        elif fault == "always cut" or (fault == "cut" and not asked):
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        else:
            self._answer(206 if asked else 200, data, {})

    def _answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
