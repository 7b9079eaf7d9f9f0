"""The other side of `commands.py`: imports the program once, then forks a process for each command that is asked for.

A forked process runs the real command line (`patina_assets.cli.main`) under the faults that the request names. Requests
and answers are lines of JSON on stdin and stdout.
"""

import base64
import ctypes
import errno
import json
import os
import resource
import signal
import sqlite3
import sys
import time
import traceback
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from root import ROOT

# Imported for what a run would import: a forked process then has it.
import patina_assets.commands.run  # noqa: F401 - Dagster with it, which takes two seconds
import patina_resources.materialize.run
import patina_resources.models.add.hub
import patina_resources.onnx.write.bert
from patina_assets.cli import main
from patina_resources.models.add import hub
from patina_resources.store import files

HUNG_SECONDS = 1800.0
# Audit events (PEP 578) of Python's own calls that change the file system.
OPERATIONS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CRASHED = 120
END_OF_COMMAND = "\x1e"  # followed by the exit code, on stdout and on stderr


class Operations:
    """Counts what a process does to files and databases; at the n-th operation it is killed, or a file is swapped."""

    def __init__(self, path: str, kill_at: int | None, swap: dict[str, Any] | None) -> None:
        self.done, self._kill_at, self._swap = 0, kill_at, swap
        self._record = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)

    def count(self, name: str) -> None:
        """Count one operation; the process ends here if it is the one to end at."""
        self.done += 1
        if self._swap is not None and self.done >= self._swap["at"]:
            swap, self._swap = self._swap, None
            Path(swap["source"]).replace(swap["target"])
        if self.done == self._kill_at:
            self.tell(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, name: str) -> None:
        """Leave for the server how many operations there were, and the last."""
        os.pwrite(self._record, f"{self.done} {name}".encode(), 0)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if event in OPERATIONS:
            self.count(f"{event} {arguments[0]!r}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self.count(f"open {arguments[0]!r}")


def watch(operations: Operations) -> None:
    """Count file operations, fsync, and the writing statements of every SQLite file."""
    sys.addaudithook(operations.audit)
    really_sync, really_connect = os.fsync, sqlite3.connect

    def fsync(descriptor: Any) -> None:
        operations.count("fsync")
        really_sync(descriptor)

    class Connection(sqlite3.Connection):
        def commit(self) -> None:
            operations.count("COMMIT")
            super().commit()

    def connect(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        if database == ":memory:":
            return really_connect(database, *arguments, **options)
        connection = really_connect(database, *arguments, **{"factory": Connection, **options})
        connection.set_trace_callback(trace)
        return connection

    def trace(statement: str) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "WITH", "--")):
            operations.count(f"SQL {statement[:60]!r}")

    os.fsync, sqlite3.connect = fsync, connect


def refuse_links(event: str, _: tuple[Any, ...]) -> None:
    """Behave like a file system without hard links."""
    if event == "os.link":
        raise OSError(errno.EPERM, "no hard links here")


def shift_clock(seconds: float) -> None:
    """Let time.time, and the product's idea of now, be off by so much."""
    really = time.time
    time.time = lambda: really() + seconds
    time.time_ns = lambda: int((really() + seconds) * 1e9)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=seconds)

    files.datetime = Shifted  # type: ignore[misc]


def obey_permissions() -> None:
    """Let the superuser write only where the permissions let it: give up CAP_DAC_OVERRIDE (capabilities(7))."""
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        sets[0] &= ~(1 << 1)
        libc.capset(header, sets)


def run(request: dict[str, Any]) -> int:
    """Run the request's steps in this process, under its faults; return the exit code of the last command."""
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    hub.RETRY_WAITS = ()
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
    operations = Operations(request["operations"], request.get("kill_at"), request.get("swap"))
    if "shift_seconds" in request:
        shift_clock(request["shift_seconds"])
    if "file_bytes" in request:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if request.get("no_links"):
        sys.addaudithook(refuse_links)
    if request.get("obey_permissions"):
        obey_permissions()
    watch(operations)
    signal.setitimer(signal.ITIMER_REAL, request.get("kill_after", HUNG_SECONDS))
    code = 0
    for step in request["steps"]:
        if step["command"] == "write":
            operations.tell(f"{step['name']} written to {step['path']}")
            Path(step["path"]).write_bytes(base64.b64decode(step["content"]))
            continue
        code = command(step["arguments"])
        for stream in (sys.stdout, sys.stderr):
            stream.write(f"{END_OF_COMMAND}{code}\n")
            stream.flush()
    signal.setitimer(signal.ITIMER_REAL, 0)
    operations.tell("end")
    return code


def command(arguments: list[str]) -> int:
    """Run one command of `patina` in this process, and return its exit code."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return CRASHED


def end_with_parent() -> None:
    """Let the kernel end this process with the one that started it (prctl(2), PR_SET_PDEATHSIG); Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def start(request: dict[str, Any]) -> int:
    """Fork a process for a request; return its id."""
    process = os.fork()
    if process:
        return process
    code = CRASHED
    try:
        end_with_parent()
        # SIGALRM ends a process at once, as SIGKILL does.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        code = run(request)
    finally:
        os._exit(code)


def wait(process: int) -> dict[str, Any]:
    """Return how a process ended."""
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return {"code": None, "signal": os.WTERMSIG(status)}
    return {"code": os.WEXITSTATUS(status), "signal": None}


def serve() -> None:
    """Answer requests until stdin ends."""
    end_with_parent()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        request = json.loads(line)
        answer = wait(request["wait"]) if "wait" in request else {"process": start(request)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    assert Path(patina_resources.__file__).parents[1] == ROOT, "not this repository's program"
    serve()
