"""A loopback server that keeps the JSON documents that are posted to it, and the user's word that it is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from patina_resources.store.mothership import mothership


@dataclass
class Webhook:
    """Where it listens, and what it received."""

    url: str
    received: list[dict[str, Any]] = field(default_factory=list)


def choose_webhook(url: str, root: Path | None = None) -> None:
    """Write into the user's settings who is told of failures of a project; None for all projects."""
    mothership().home.mkdir(parents=True, exist_ok=True)
    table = "[automation]" if root is None else f'[projects."{root}"]'
    mothership().settings.write_text(f'{table}\nwebhook = "{url}"\n')


@contextmanager
def running_webhook(redirection: str = "") -> Iterator[Webhook]:
    """Yield a server that listens until the end.

    Args:
        redirection: Where it sends whoever posts to it; "" for nowhere.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(307 if redirection else 200)
            if redirection:
                self.send_header("Location", redirection)
            self.end_headers()

        def do_GET(self) -> None:
            hook.received.append({})  # a redirection that was followed as a GET
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    hook = Webhook(f"http://127.0.0.1:{server.server_port}/secret-part")
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
