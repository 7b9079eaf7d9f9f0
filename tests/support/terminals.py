"""Commands on a terminal of their own, with somebody who types."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import patina_assets


def on_a_terminal(root: Path, arguments: list[str], answer: str, **variables: str) -> str:
    """Run a command on a terminal of its own, type an answer, and return what it showed."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    command = [sys.executable, "-m", "patina_assets.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(patina_assets.__file__).parents[1]), **variables}
    subprocess.run(command, cwd=root, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65_536)
        except OSError:  # the end of a terminal on Linux
            break
        if not block:
            break
        shown += block
    os.close(ours)
    return shown.decode()
