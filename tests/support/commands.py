"""Runs `patina` in forked processes, under faults, and says how each ended."""

import base64
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from root import ROOT

TESTS = Path(__file__).parent
END_OF_COMMAND = "\x1e"
Step = dict[str, Any]
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code; None where a signal ended it.
        signal: That signal.
        out: What it printed.
        err: What it printed to stderr.
        operations: How many file operations it did.
        last: The last of them, where it was killed there.
    """

    code: int | None
    signal: int | None
    out: str
    err: str
    operations: int
    last: str

    @property
    def killed(self) -> bool:
        """Tell whether it ended by the kill that was asked for."""
        return self.signal in (signal.SIGKILL, signal.SIGALRM)

    @property
    def sentences(self) -> list[str]:
        """Return the lines that tell the user what is wrong."""
        return [line for line in self.err.splitlines() if line.startswith("patina: ")]


@dataclass(frozen=True)
class Running:
    """A process that was started."""

    server: "Commands"
    process: int
    files: Path

    def wait(self) -> Ended:
        """Return how its last command ended, once it has."""
        return self.wait_for_all()[-1]

    def wait_for_all(self) -> list[Ended]:
        """Return how each of its commands ended; the last one with the end of the process."""
        answer = self.server.ask({"wait": self.process})
        out, err, operations = (
            path.read_text("utf-8", "replace") if path.exists() else ""
            for path in (self.files.with_suffix(f".{name}") for name in ("out", "err", "operations"))
        )
        count, _, last = operations.partition(" ")
        outs, errs = _by_command(out), _by_command(err)
        if answer["signal"] is None:
            outs, errs = outs[:-1], errs[:-1]  # nothing follows the last command
        return [
            Ended(
                answer["code"] if code is None else code,
                answer["signal"] if code is None else None,
                text,
                errs[number][0] if number < len(errs) else "",
                int(count or 0),
                last,
            )
            for number, (text, code) in enumerate(outs)
        ]


def run_step(arguments: list[str]) -> Step:
    """Return the step that runs one command of `patina`."""
    return {"command": "patina", "arguments": arguments}


def write_step(path: Path, content: bytes, name: str) -> Step:
    """Return the step that writes a file; `name` says in a report which."""
    return {"command": "write", "path": str(path), "content": base64.b64encode(content).decode(), "name": name}


def _by_command(text: str) -> list[tuple[str, int | None]]:
    """Return what each command printed, and its exit code; None for the last, which did not come to its end."""
    first, *others = text.split(END_OF_COMMAND)
    parts: list[tuple[str, int | None]] = []
    for other in others:
        code, _, following = other.partition("\n")
        parts.append((first, int(code)))
        first = following
    return [*parts, (first, None)]


class Commands:
    """A process that has imported the program, and forks one for each command. Close it when done."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        Path(self._folder.name).chmod(0o777)  # a command may run as another user
        self._numbers = itertools.count()
        self._environment = environment
        inherited = {
            name: value for name, value in os.environ.items() if name not in {"PATINA_PROJECT", "DAGSTER_HOME"}
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # One thread each: a fork must not find a lock of another thread's held.
            env={**inherited, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **environment},
        )

    def start(self, folder: Path, *commands: list[str] | Step, **faults: Any) -> Running:
        """Start a process that takes steps one after the other in `folder`; see `fork_server.run` for the faults."""
        files = Path(self._folder.name) / str(next(self._numbers))
        places = {name: str(files.with_suffix(f".{name}")) for name in ("out", "err", "operations")}
        environment = faults.pop("environment", {})
        steps = [command if isinstance(command, dict) else run_step(command) for command in commands]
        request = {"folder": str(folder), "steps": steps, "environment": environment, **places, **faults}
        return Running(self, self.ask(request)["process"], files)

    def run(self, folder: Path, *arguments: str, **faults: Any) -> Ended:
        """Run one command in `folder`, and return how it ended."""
        return self.start(folder, list(arguments), **faults).wait()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one line to the server, and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the server."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()
