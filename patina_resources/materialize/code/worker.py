"""Reads source files in a process of its own, with bounded memory and time.

A parser is native code, and some content makes it use gigabytes or crash: 16 kB of `@a<@a<@a<...` are 400 MB for the
grammar of C#. Such a file ends the worker. The next worker reads it without what is repeated in it; where that is of
no help, the file is reported. Then comes the next file.
"""

import json
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

MEMORY_BYTES = 1 << 30
# Of processor time, so that a busy machine leaves out what an idle one does; the clock ends only what no longer moves.
# In proportion to the file: so are all files together to the size of the repository.
PROCESSOR_SECONDS = 2
PROCESSOR_SECONDS_PER_MEBIBYTE = 8
CLOCK_SECONDS_PER_FILE = 300.0
LENGTH = struct.Struct(">I")
# How much of a file is parsed.
WHOLE = b"whole"
UNREPEATED = b"unrepeated"
START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"


class UnreadableSourceError(Exception):
    """The parser did not survive a file; the text says how it ended."""


class CodeWorker:
    """The other process, seen from here. It starts with the first file; use as a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def read(
        self, language: str, content: bytes, default_name: str = "default"
    ) -> tuple[list[tuple[str, str, dict[str, Any]]], int]:
        """Return a file's facts as (event type, key, fields), and how many bytes of it could not be parsed.

        Raises:
            UnreadableSourceError: The parser crashed, or needed more memory or time than a file of this size may, and
                again without what is repeated in it, if anything is.
        """
        question = language.encode(), default_name.encode(), content
        answer = self._ask(*question, WHOLE)
        if not answer:
            status = self._stop()
            answer = self._ask(*question, UNREPEATED)
            if not answer:
                self._stop()
                raise UnreadableSourceError(_ending(status))
        document = json.loads(answer)
        return [(kind, key, fields) for kind, key, fields in document["facts"]], int(document["unread_bytes"])

    def _ask(self, *question: bytes) -> bytes:
        """Return the answer; b"" where the process ended without one."""
        process = self._process or self._start()
        timer = threading.Timer(CLOCK_SECONDS_PER_FILE, process.kill)
        timer.start()
        try:
            for part in question:
                _send(process.stdin, part)
            return _receive(process.stdout)
        except (OSError, EOFError):
            return b""
        finally:
            timer.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        package_root = str(Path(__file__).resolve().parents[3])
        path = [package_root, *(entry for entry in sys.path if Path(entry).is_absolute())]
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, isolated from the working folder
            [sys.executable, "-I", "-c", START.format(module=__name__), json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        return self._process

    def _stop(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            return process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def serve() -> None:
    """Answer on standard output what standard input asks, until it is closed."""
    # Imported late: who starts this process reads nothing itself.
    from patina_resources.materialize.characters import characters
    from patina_resources.materialize.code.facts import read_facts
    from patina_resources.materialize.code.languages.languages import BY_NAME, relevant_nodes
    from patina_resources.materialize.code.parsing import repetitions

    with suppress(OSError, ValueError):  # not every system can limit it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    while True:
        try:
            language, default_name, content, extent = (_receive(sys.stdin.buffer) for _ in range(4))
        except EOFError:
            return
        chosen = BY_NAME[language.decode()]
        relevant_nodes(chosen.name)  # what is done once for a language is no file's own time
        _limit_processor_time(len(content))
        content = characters(content).encode()
        left_out = repetitions(content) if extent == UNREPEATED else []
        if extent == UNREPEATED and not left_out:
            return
        found = read_facts(chosen, content, default_name.decode(), left_out)
        facts = [(fact.event_type, fact.key, fact.fields) for fact in found.facts]
        _send(answers, json.dumps({"facts": facts, "unread_bytes": found.unread_bytes}).encode())


def _limit_processor_time(size: int) -> None:
    """Have this process ended with SIGXCPU when a file of `size` bytes takes too long (setrlimit(2))."""
    seconds = PROCESSOR_SECONDS + math.ceil(PROCESSOR_SECONDS_PER_MEBIBYTE * size / (1 << 20))
    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, most))


def _send(pipe: IO[bytes] | None, data: bytes) -> None:
    if pipe is not None:
        pipe.write(LENGTH.pack(len(data)) + data)
        pipe.flush()


def _receive(pipe: IO[bytes] | None) -> bytes:
    """Return the next message.

    Raises:
        EOFError: The other side is gone.
    """
    head = pipe.read(LENGTH.size) if pipe is not None else b""
    data = pipe.read(LENGTH.unpack(head)[0]) if pipe is not None and len(head) == LENGTH.size else b""
    if len(head) < LENGTH.size or len(data) < LENGTH.unpack(head)[0]:
        raise EOFError
    return data


def _ending(status: int) -> str:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return "the parser needed more time than a file of its size explains"
    return f"the parser failed or needed more than {MEMORY_BYTES >> 20} MiB"
