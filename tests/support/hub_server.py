"""A model hub on loopback: HEAD and GET with ranges, etags, redirects to storage, and faults on request."""

import hashlib
import json
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"
LFS_FROM_BYTES = 20_000
BLOCK = 8_192


@dataclass
class Request:
    """What a client asked."""

    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Hub:
    """The state of the server, set and read by tests.

    Attributes:
        repositories: Files by repository.
        token: What a client must send, where it is set.
        cuts: For each of the next downloads, after how many bytes the connection is reset.
        statuses: For each of the next requests, the status it is answered with.
        wrong_bytes: Files whose bytes are sent changed, the length kept.
        pause: Called between blocks of a download.
        ignore_ranges: Answer every range with the whole file.
        requests: What was asked.
    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    token: str | None = None
    cuts: deque[int] = field(default_factory=deque)
    statuses: deque[int] = field(default_factory=deque)
    wrong_bytes: set[str] = field(default_factory=set)
    pause: threading.Event | None = None
    ignore_ranges: bool = False
    requests: list[Request] = field(default_factory=list)

    def add_folder(self, repository: str, folder: Path) -> None:
        """Publish every file of a folder."""
        files = (path for path in folder.rglob("*") if path.is_file())
        self.repositories[repository] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    def downloads(self, name: str) -> list[Request]:
        """Return the GET requests that were answered with bytes of a file."""
        return [request for request in self.requests if request.method == "GET" and request.path.endswith(name)]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve a hub until the block ends."""
    hub = Hub()

    class Handler(_Handler):
        state = hub

    server = _Server(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that was killed or gave up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        hub, path = self.state, unquote(urlsplit(self.path).path)
        login = self.headers.get("Authorization")
        hub.requests.append(Request(self.command, path, self.headers.get("Range"), login))
        if path.startswith("/storage/"):
            _, _, repository, name = path.split("/", 3)
            self._send_file(hub.repositories[repository.replace("--", "/")][name], name)
        elif hub.statuses:
            self._refuse(hub.statuses.popleft())
        elif hub.token is not None and login != f"Bearer {hub.token}":
            self._refuse(401, "RepoNotFound")
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._send_listing(match[1], match[2])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(match[1], match[2], match[3])
        else:
            self._refuse(404)

    def _send_listing(self, repository: str, revision: str | None) -> None:
        files = self.state.repositories.get(repository)
        if files is None:
            return self._refuse(404, "RepoNotFound")
        if revision not in (None, "main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        body = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
        return self._send(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _resolve(self, repository: str, revision: str, name: str) -> None:
        files = self.state.repositories.get(repository)
        if files is None:
            return self._refuse(401, "RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        if name not in files:
            return self._refuse(404, "EntryNotFound")
        data = files[name]
        if len(data) < LFS_FROM_BYTES:
            return self._send_file(data, name)
        digest = hashlib.sha256(data).hexdigest()
        headers = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data))}
        # Another host name: the client must not send its token there.
        storage = self.state.url.replace("127.0.0.1", "localhost")
        headers["Location"] = f"{storage}/storage/{repository.replace('/', '--')}/{name}?signature=secret"
        return self._send(302, headers, b"")

    def _send_file(self, data: bytes, name: str) -> None:
        hub = self.state
        sha1 = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
        headers = {"ETag": f'"{sha1}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if name in hub.wrong_bytes:
            data = bytes(255 - byte for byte in data)
        status, start = 200, 0
        if (wanted := self.headers.get("Range")) and not hub.ignore_ranges:
            status, start = 206, int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(status, headers, data[start:])

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        cut = self.state.cuts.popleft() if self.state.cuts and len(body) >= LFS_FROM_BYTES else None
        for start in range(0, len(body), BLOCK):
            end = min(start + BLOCK, len(body)) if cut is None else min(start + BLOCK, len(body), cut)
            self.wfile.write(body[start:end])
            if end == cut:
                return self._reset()
            if self.state.pause is not None:
                self.state.pause.wait()
        return None

    def _reset(self) -> None:
        self.wfile.flush()
        # Linger 0: the connection ends with a reset, not with an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _refuse(self, status: int, code: str | None = None) -> None:
        headers = {"X-Error-Code": code} if code else {}
        self._send(status, headers, b"")
