"""One name for each file over its whole history: the newest one. Renames are followed from the newest commit back."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patina_resources.eventlog.live import FULLEST_FIRST, LIVE
from patina_resources.eventlog.normal_forms import current_path, utc_time

# What commits say of paths, and what `git.file` events say beside that. A path that is added and stays needs no row, so
# most commits change nothing here; neither does one that is written anew with its old time.
PATHS_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT event_type, timestamp, source_id, data
    FROM eventlog
    WHERE event_type IN ('git.commit', 'git.file') AND {LIVE}
), found AS (
    SELECT timestamp, COALESCE(json_extract(data, '$.sha'), source_id) AS sha, data
    FROM event
    WHERE event_type = 'git.commit' AND json_type(data, '$.files') = 'array'
), ranked AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY sha ORDER BY {FULLEST_FIRST}) AS age FROM found
), change AS (
    SELECT json_extract(file.value, '$.change_type') AS change_type,
           CASE json_type(file.value, '$.path') WHEN 'text' THEN json_extract(file.value, '$.path') END AS path,
           CASE json_type(file.value, '$.old_path') WHEN 'text' THEN json_extract(file.value, '$.old_path') END
               AS other,
           ranked.timestamp AS time
    FROM ranked, json_each(ranked.data, '$.files') AS file
    WHERE age = 1 AND file.type = 'object'
          AND json_extract(file.value, '$.change_type') IN ('added', 'deleted', 'renamed')
), told AS (
    SELECT change_type, path, other, time
    FROM change
    WHERE change_type <> 'added' OR path IN (SELECT path FROM change WHERE change_type = 'deleted'
                                             UNION SELECT other FROM change WHERE change_type = 'renamed')
    UNION
    SELECT 'file', json_extract(data, '$.path'),
           CASE json_type(data, '$.now') WHEN 'text' THEN json_extract(data, '$.now') END, NULL
    FROM event
    WHERE event_type = 'git.file' AND json_type(data, '$.path') = 'text'
)
SELECT change_type, path, other, time FROM told WHERE path <> '' ORDER BY 4, 1, 2, 3
"""

# A time in UTC, and on which side of the commits of that time.
Moment = tuple[str, int]
BEFORE, AFTER = 0, 1


@dataclass(frozen=True)
class PathChange:
    """A path that appears, vanishes, or is given to another file.

    Attributes:
        time: In UTC, sortable.
        change_type: `added`, `deleted` or `renamed`.
        path: The path after the commit, or of what it deleted.
        old_path: The path before, of what was renamed.
    """

    time: str
    change_type: str
    path: str
    old_path: str | None = None


@dataclass(frozen=True)
class FileNames:
    """The newest name of every path at every time, as the commits tell it.

    Attributes:
        steps: By path, ascending: until a moment it means the file that has this name now.
        last: By newest name: whether the last that commits tell of it leaves it there.
        moved: By path: the name that the newest commit to rename it gave it.
    """

    steps: Mapping[str, Sequence[tuple[Moment, str]]]
    last: Mapping[str, bool]
    moved: Mapping[str, str]

    def name(self, time: str, path: str) -> str:
        """Return the newest name of the file that a commit of a time (in UTC) knows as `path`."""
        steps = self.steps.get(path, ())
        until = bisect_right(steps, (time, BEFORE), key=lambda step: step[0])
        return steps[until][1] if until < len(steps) else path

    def told_as_there(self, name: str) -> bool:
        """Return whether commits leave a file of this name behind; True where they do not say."""
        return self.last.get(name, True)


def read_paths(rows: Iterable[Sequence[Any]]) -> tuple[list[PathChange], dict[str, str | None]]:
    """Return the path changes of all commits, and what `git.file` events say, from the rows of PATHS_SQL."""
    changes: list[PathChange] = []
    said: dict[str, str | None] = {}
    for kind, path, other, time in rows:
        old = current_path(other) if other else None
        if kind == "file":
            said[current_path(path)] = old
        else:
            changes.append(PathChange(utc_time(time), kind, current_path(path), old if kind == "renamed" else None))
    return changes, said


def follow(changes: Iterable[PathChange]) -> FileNames:
    """Return the newest name of every path at every time."""
    commits: dict[str, list[PathChange]] = defaultdict(list)
    for change in changes:
        commits[change.time].append(change)
    steps: dict[str, list[tuple[Moment, str]]] = defaultdict(list)
    last: dict[str, bool] = {}
    moved: dict[str, str] = {}
    now: dict[str, str] = {}
    for time in sorted(commits, reverse=True):
        before: dict[str, str] = {}
        for change in commits[time]:
            if change.change_type != "deleted":
                last.setdefault(now.get(change.path, change.path), True)
            if change.old_path is not None:
                before[change.old_path] = now.get(change.path, change.path)
                moved.setdefault(change.old_path, change.path)
        for change in commits[time]:
            if change.change_type == "deleted":
                last.setdefault(now.get(change.path, change.path), False)
            elif change.old_path is not None:
                last.setdefault(change.old_path, False)
            if change.change_type != "deleted" and change.path not in before:
                # An older file of this path is another one, and has the path for its name.
                _step(steps[change.path], (time, BEFORE), change.path)
                now[change.path] = change.path
        for path, name in before.items():
            _step(steps[path], (time, AFTER), name)
        now |= before
    return FileNames({path: found[::-1] for path, found in steps.items()}, last, moved)


def _step(steps: list[tuple[Moment, str]], moment: Moment, name: str) -> None:
    if not steps or steps[-1] != (moment, name):
        steps.append((moment, name))


def untold_names(names: FileNames, touched: Mapping[str, bool], there: Collection[str]) -> dict[str, str | None]:
    """Return what commits tell wrongly of the files that are there, because merges do not tell what they changed.

    Args:
        names: What the commits tell.
        touched: All paths that commits changed, and whether one of them added it.
        there: The paths at HEAD.

    Returns:
        By name: itself for a file that is there and told as gone; the name that it was given, or None, for one that is
        gone and told as there. It was given one of the same letters in another case where no commit brought that file.
    """
    told = {name: names.told_as_there(name) for name in (*touched, *names.last)}
    found: dict[str, str | None] = {}
    for name in told:
        _find_end(name, names.moved, there, found)
    own = {name for name, is_added in touched.items() if is_added and told[name]}.union(names.moved.values())
    cases = {name.casefold(): name for name in sorted(there) if name not in own}
    gone = {
        name: found[name] or cases.get(name.casefold())
        for name, is_there in told.items()
        if is_there and name not in there
    }
    return gone | {name: name for name, is_there in told.items() if not is_there and name in there}


def _find_end(start: str, moved: Mapping[str, str], there: Collection[str], found: dict[str, str | None]) -> None:
    """Add to `found`, for `start`, which is not there, and the names after it, the first name after them that is."""
    passed: dict[str, None] = {}  # in order
    name = start
    while name not in passed and name not in found and name not in there:
        passed[name] = None
        name = moved.get(name, name)
    end = None if name in passed else found.get(name, name)
    found.update(dict.fromkeys(passed, end))
