"""What a newer eventlog of a project has beyond an older one, in steps of equally many commits.

A log may hold code events of one moment only, that of a scan. Such a file is taken to be scanned at one of its commits.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from patina_assets.pairs.splits import hash_share

READ = "SELECT event_type, timestamp, source_id, source_file, data FROM eventlog ORDER BY seq"
APPEND = "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) VALUES (?, ?, ?, ?, ?)"

Row = tuple[str, str, str, str | None, str]


def append_rows(root: Path, rows: Sequence[Row]) -> None:
    """Append events to the eventlog of a project."""
    with closing(sqlite3.connect(root / ".patina" / "data" / "patina.db")) as connection, connection:
        connection.executemany(APPEND, rows)


def batches_of(old: Path, new: Path, steps: int) -> Iterator[list[Row]]:
    """Yield what is there at first, and then what is new in each step."""
    start = max(_moment(row[1]) for row in _rows(old) if row[0] == "git.commit")
    rows = list(_rows(new))
    commits = sorted(_moment(row[1]) for row in rows if row[0] == "git.commit" and _moment(row[1]) > start)
    ends = [commits[len(commits) * step // steps - 1] for step in range(1, steps + 1)]
    scans = sorted({row[1] for row in rows if row[0].startswith("code.")})
    times = _commit_times(rows, start)
    dated = []
    for row in rows:
        moment = _moment(row[1])
        if row[0].startswith("code."):
            moment = start if row[1] == scans[0] else _scanned(row[3] or "", times, commits)
        dated.append((moment, row))
    yield [row for moment, row in dated if moment <= start]
    for first, last in zip([start, *ends], ends, strict=False):
        yield [row for moment, row in dated if first < moment <= last]


def _commit_times(rows: Sequence[Row], start: float) -> dict[str, list[float]]:
    """Return the times of each path's commits after `start`."""
    times: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row[0] == "git.commit" and _moment(row[1]) > start:
            for file in json.loads(row[4]).get("files") or ():
                times[file["path"]].append(_moment(row[1]))
    return times


def _scanned(file: str, times: dict[str, list[float]], commits: Sequence[float]) -> float:
    """Return when a file is taken to be scanned: at one of its commits, or at any where none touches it."""
    moments = times.get(file.removeprefix("./")) or commits
    return moments[int(hash_share(file) * len(moments))]


def _rows(path: Path) -> Iterator[Row]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield from connection.execute(READ)


def _moment(timestamp: str) -> float:
    """Return seconds since 1970; 0 for what is no time, which is there from the beginning."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return 0.0
