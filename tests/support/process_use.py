"""What a process uses of the machine, and how fast a figure grows."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Use:
    """What a process uses at a moment.

    Attributes:
        resident: Resident memory, MiB.
        proportional: The same, with its part of what it shares with others (PSS), MiB.
        own: What of it is of no file (RssAnon), MiB.
        threads: Threads.
        handles: Open files, sockets and pipes.
        databases: Those of them that are SQLite files.
    """

    resident: float
    proportional: float
    own: float
    threads: int
    handles: int
    databases: int


def use_of(number: int) -> Use:
    """Return what a process uses now."""
    folder = Path("/proc") / str(number)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    memory = dict(line.split(":", 1) for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
    resident, proportional, own = (
        int(kibibytes.split()[0]) / 1024 for kibibytes in (memory["Rss"], memory["Pss"], status["RssAnon"])
    )
    opened = list((folder / "fd").iterdir())
    return Use(resident, proportional, own, int(status["Threads"]), len(opened), sum(map(_is_database, opened)))


def _is_database(handle: Path) -> bool:
    with suppress(OSError):  # closed meanwhile
        name = str(handle.readlink())
        return name.endswith((".db", ".db-wal", ".db-shm"))
    return False


def slope(values: Sequence[float]) -> tuple[float, float]:
    """Return by how much values grow from one to the next (least squares), and the standard error of that."""
    line, covariance = np.polyfit(np.arange(len(values)), np.asarray(values, dtype=np.float64), 1, cov=True)
    return float(line[0]), float(covariance[0, 0] ** 0.5)
