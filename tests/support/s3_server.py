"""An S3 server on loopback, which forgets everything when it ends; tests skip where it is not installed."""

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

REASON = "an S3 server for tests: pip install 'patina-assets[cache,cache-test]'"
BUCKET = "team"
SERVER = """
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
input()
"""


@dataclass(frozen=True)
class S3Server:
    """A server.

    Attributes:
        url: Where it is.
        process: It.
    """

    url: str
    process: "subprocess.Popen[str]"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to reach the server."""
        given = {"ENDPOINT_URL": self.url, "ALLOW_HTTP": "true", "REGION": "us-east-1"}
        login = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}
        return {f"AWS_{name}": value for name, value in (given | login).items()}

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Answer nothing until the block ends: who connects waits."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def require_s3() -> None:
    """Skip where a library is missing."""
    for library in ("nacl", "obstore", "moto", "flask"):
        pytest.importorskip(library, reason=REASON)


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """Serve an empty bucket until the block ends."""
    command = [sys.executable, "-c", SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout is not None
        server = S3Server(f"http://127.0.0.1:{process.stdout.readline().strip()}", process)
        for _ in range(200):
            with suppress(OSError):
                request = urllib.request.Request(f"{server.url}/{BUCKET}", method="PUT")
                urllib.request.urlopen(request, timeout=5).close()
                break
            time.sleep(0.05)
        yield server
        process.communicate("\n", timeout=10)
