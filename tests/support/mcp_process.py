"""`patina mcp` as an editor starts it, spoken to in raw JSON-RPC."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from root import ROOT

COMMAND = (sys.executable, "-P", "-m", "patina_assets.cli", "mcp")
SECONDS = 120.0


def environment() -> dict[str, str]:
    """Return the environment in which an installed Patina would be found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


class McpProcess:
    """A running server."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._next = 0

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request and return the answer to it; every line that comes is JSON-RPC."""
        self._next += 1
        self.send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params})
        while True:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, "the server has ended"
            message: dict[str, Any] = json.loads(line)
            assert message["jsonrpc"] == "2.0"
            if message.get("id") == self._next:
                return message

    def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def initialize(self, version: str) -> dict[str, Any]:
        """Begin as a client of a version of the protocol does; return what the server says of itself."""
        about = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
        result: dict[str, Any] = self.ask("initialize", **about)["result"]
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return result

    def call(self, tool: str, **arguments: Any) -> tuple[bool, str]:
        """Call a tool; return whether it failed, and its text."""
        result = self.ask("tools/call", name=tool, arguments=arguments)["result"]
        (content,) = result["content"]
        return bool(result.get("isError")), content["text"]


@contextmanager
def mcp_process(folder: Path, *arguments: str, command: tuple[str, ...] = COMMAND) -> Iterator[McpProcess]:
    """Yield a server that was started in a folder; at the end it must be gone, and have printed nothing else."""
    with subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield McpProcess(process)
            assert process.stdin is not None
            if not process.stdin.closed:
                process.stdin.close()
            assert process.stdout is not None
            assert process.stdout.read() == ""
            process.wait(SECONDS)
        finally:
            process.kill()
