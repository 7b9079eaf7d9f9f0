"""Scripts in a process of their own, and what is in a folder afterwards."""

import subprocess
import sys
import textwrap
from pathlib import Path

from root import ROOT


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a Python script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
