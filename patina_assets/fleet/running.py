"""Builds what is due of a fleet on one machine: so many at once, each in a process that may die alone."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue, SimpleQueue
from threading import Thread

from patina_assets.fleet.memory import FleetMemory
from patina_resources.fleet.model import Fleet
from patina_resources.store.child_environment import child_environment

# What a process has loaded and cached is given back after so many repositories.
BUILDS_OF_A_PROCESS = 100


@dataclass(frozen=True)
class Ended:
    """How the build of one repository ended.

    Attributes:
        name: The repository.
        built: How many stages were built.
        seconds: How long it took, by the clock.
        failure: Why it failed; empty where it did not.
        notice: What went wrong beside it, in one sentence; empty for nothing.
    """

    name: str
    built: int = 0
    seconds: float = 0.0
    failure: str = ""
    notice: str = ""


class _Builder:
    """A thread with a process of its own, which takes repositories from a queue until that is empty."""

    def __init__(
        self, fleet: Fleet, memory: FleetMemory, due: "SimpleQueue[tuple[str, str]]", ended: "Queue[Ended | None]"
    ) -> None:
        self._fleet, self._memory, self._due, self._ended = fleet, memory, due, ended
        self._process: subprocess.Popen[str] | None = None
        self._builds = 0
        self._stops = False
        self.thread = Thread(target=self._work, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End the process; what it was building goes on at the next run."""
        self._stops = True
        process = self._process
        if process is not None:
            process.kill()

    def _work(self) -> None:
        try:
            while not self._stops:
                name, wanted = self._due.get_nowait()
                done = self._build(name, wanted)
                if not self._stops:
                    self._ended.put(done)
        except Empty:
            pass
        finally:
            self._end_process()
            self._ended.put(None)

    def _build(self, name: str, wanted: str) -> Ended:
        if self._builds >= BUILDS_OF_A_PROCESS:
            self._end_process()
        if self._process is None:
            self._process, self._builds = _started(self._fleet), 0
        self._builds += 1
        process, line = self._process, ""
        with suppress(OSError):
            if process.stdin is not None and process.stdout is not None:
                process.stdin.write(f"{name}\n")
                process.stdin.flush()
                line = process.stdout.readline()
        if line:
            return Ended(name, **json.loads(line))
        code = self._end_process()
        how = f"by signal {-code}" if code < 0 else f"with {code}"
        failure = f"the process that built it ended {how}: too little memory, as a rule: try [fleet] workers = 1"
        if not self._stops:
            self._memory.note_failed(name, wanted, failure, 0.0)
        return Ended(name, failure=failure)

    def _end_process(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        return process.wait()


def build_due(fleet: Fleet, memory: FleetMemory, due: Mapping[str, str], workers: int) -> Iterator[Ended]:
    """Build repositories, and yield each when it has ended. Where one fails, the others go on.

    Args:
        fleet: The fleet.
        memory: Where outcomes are noted.
        due: The wanted builds, by repository, in the order of building.
        workers: How many are built at once.
    """
    waiting: SimpleQueue[tuple[str, str]] = SimpleQueue()
    ended: Queue[Ended | None] = Queue()
    for name, wanted in due.items():
        waiting.put((name, wanted))
    builders = [_Builder(fleet, memory, waiting, ended) for _ in range(min(workers, len(due)))]
    try:
        working = len(builders)
        while working:
            done = ended.get()
            if done is None:
                working -= 1
            else:
                yield done
    finally:
        for builder in builders:
            builder.stop()
        for builder in builders:
            builder.thread.join()


def _started(fleet: Fleet) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - this program, with a path
        [sys.executable, "-P", "-m", "patina_assets.fleet.worker", str(fleet.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
        text=True,
        start_new_session=True,  # Ctrl-C is for the process that started it
    )
