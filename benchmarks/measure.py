"""Timing for a machine that is busy with other things: contenders take turns, and what counts is a turn's ratio."""

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Spent:
    """What one turn took: wall-clock and processor time in seconds, and peak memory in MiB (0 where not measured)."""

    seconds: float
    cpu_seconds: float
    peak_mib: float = 0.0


@dataclass
class Section:
    """What a row of the benchmark found, as it stands in the results file.

    Attributes:
        title: What was done.
        table: Rows of cells, the header first.
        verdicts: What was wanted, what was found, and whether that is enough (None: nothing to compare with).
        notes: Sentences below the table.
        skipped: Peers that took no part, and why.
        curves: Points by name of a plot and of a line in it: [x, y].
    """

    title: str
    table: list[list[str]] = field(default_factory=list)
    verdicts: list[tuple[str, str, bool | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    curves: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """How a row is run.

    Attributes:
        scratch: A folder for what it makes; kept, so that eventlogs and models are made once.
        eventlogs: Where real eventlogs are, or None for the usual place.
        quick: Small sizes and few rounds: to see that it works, not to quote.
    """

    scratch: Path
    eventlogs: Path | None
    quick: bool

    def pick(self, full: int, quick: int) -> int:
        """Return the size to use."""
        return quick if self.quick else full


def take_turns(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[Spent]]:
    """Return what each contender took in each round; they take turns within a round, after one to warm up."""
    spent: dict[str, list[Spent]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            once = timed(work)
            if number > 0:
                spent[name].append(once)
        progress(f"round {number} of {rounds}")
    return spent


def timed(work: Callable[[], object]) -> Spent:
    """Do some work in this process and return what it took."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - processor)


def timed_command(arguments: Sequence[str], folder: Path, **environment: str) -> tuple[Spent, str]:
    """Run a command and return what it took, its children included, and what it printed.

    Raises:
        RuntimeError: It failed.
    """
    output = folder / ".bench-output"
    started = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen(
            list(arguments), cwd=folder, env=os.environ | environment, stdout=file, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    said = output.read_text("utf-8", "replace")
    output.unlink()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {process.returncode}\n{said[-2000:]}")
    return Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), said


def ratio(peer: Sequence[Spent], ours: Sequence[Spent]) -> float:
    """Return how many times longer the peer took: the median of the rounds' ratios."""
    return median(theirs.seconds / mine.seconds for theirs, mine in zip(peer, ours, strict=True))


def ratio_of_minima(peer: Sequence[Spent], ours: Sequence[Spent]) -> float:
    """Return how many times longer the peer's best round took than ours: what other load disturbs least."""
    return min(entry.seconds for entry in peer) / min(entry.seconds for entry in ours)


def turns_table(spent: Mapping[str, Sequence[Spent]], ours: str, unit: str, count: int) -> list[list[str]]:
    """Return a table of contenders: medians, minima, and how each compares with `ours`.

    Args:
        spent: From `take_turns`.
        ours: Which of them is ours.
        unit: What is counted, such as `texts`.
        count: How many of them a round handles.
    """
    header = [
        "", f"{unit}/s (median)", "(best)", "seconds (median)", "its time / ours (median)", "(best)",
        "CPU s (median)", "its CPU / ours",
    ]  # fmt: skip
    rows = [
        [
            name,
            number(count / median(entry.seconds for entry in found)),
            number(count / min(entry.seconds for entry in found)),
            number(median(entry.seconds for entry in found)),
            f"{ratio(found, spent[ours]):.2f}",
            f"{ratio_of_minima(found, spent[ours]):.2f}",
            number(median(entry.cpu_seconds for entry in found)),
            f"{median(t.cpu_seconds / m.cpu_seconds for t, m in zip(found, spent[ours], strict=True)):.2f}",
        ]
        for name, found in spent.items()
    ]
    return [header, *rows]


def number(value: float) -> str:
    """Return a number with three digits that count, or all of them before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-3 or not value else f"{value:.1e}"


def peak_mib() -> float:
    """Return the largest resident size of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def thread_count() -> int:
    """Return how many threads contenders may use: what `--threads` said."""
    return int(os.environ.get(THREAD_VARIABLES[0], len(os.sched_getaffinity(0))))


def progress(text: str) -> None:
    """Say how far it is."""
    print(f"  {text}", flush=True)


def json_lines(text: str) -> list[dict[str, float | str]]:
    """Return the lines of a command's output that are JSON objects."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
