"""Commits as the pair types that learn from history read them: the SQL of a live commit, and its fields."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from patina_assets.pairs.files import Files
from patina_assets.pairs.items import Item
from patina_resources.eventlog.live import FULLEST_FIRST, LIVE
from patina_resources.eventlog.normal_forms import current_path, utc_time
from patina_resources.eventlog.payloads import parsed
from patina_resources.eventlog.reader import CommonTable, Row, Source

# One row for each commit, as the event has it that tells most. `files` is JSON.
LIVE_COMMITS = f"""
WITH event AS MATERIALIZED (
    SELECT timestamp, source_id, data
    FROM eventlog
    WHERE event_type = 'git.commit' AND {LIVE}
), found AS (
    SELECT timestamp, data, COALESCE(json_extract(data, '$.sha'), source_id) AS sha,
           CASE json_type(data, '$.message') WHEN 'text' THEN json_extract(data, '$.message') END AS message,
           CASE json_type(data, '$.body') WHEN 'text' THEN json_extract(data, '$.body') END AS body,
           CASE json_type(data, '$.parsed.type') WHEN 'text' THEN json_extract(data, '$.parsed.type') END AS kind,
           -- An e-mail address knows a person under several names.
           lower(COALESCE(json_extract(data, '$.author_email'), json_extract(data, '$.author_name'),
                          json_extract(data, '$.author'))) AS author,
           COALESCE(json_extract(data, '$.recorded_author'),
                    json_extract(data, '$.author_name') || ' <' || json_extract(data, '$.author_email') || '>')
               AS recorded,
           CASE 'array' WHEN json_type(data, '$.files') THEN json_extract(data, '$.files')
                        WHEN json_type(data, '$.files_changed') THEN json_extract(data, '$.files_changed') END AS files
    FROM event
), ranked AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY sha ORDER BY {FULLEST_FIRST}) AS place
    FROM found
    WHERE files IS NOT NULL
), git_commit AS (
    SELECT timestamp, sha, message, body, kind, author, recorded, files
    FROM ranked
    WHERE place = 1
)
"""
COMMIT_TABLE = CommonTable("git_commit", LIVE_COMMITS)
COMMITS_SQL = f"""{LIVE_COMMITS}
SELECT timestamp, sha, files, message, body, kind
FROM git_commit
WHERE message IS NOT NULL
ORDER BY sha
"""
GIT_COMMITS = Source("git.commits", COMMITS_SQL, COMMIT_TABLE)

# A commit of more files is a move, a formatting run or an import.
MOST_FILES = 50
# A module is a folder, of which no more than this many levels count.
MODULE_LEVELS = 3
# As many commits are kept while a history is read.
MOST_TOLD = 16_384
_TRAILER_KEY = re.compile(r"[A-Za-z0-9-]+")
_PREFIX = re.compile(r"([A-Za-z]+)(\([^)]*\))?!?:")


class ChangedPath(NamedTuple):
    """What a commit did to one file: its path, `added`, `modified`, ..., and the number of lines added and removed."""

    path: str
    kind: str
    lines: int


@dataclass(frozen=True)
class ChangeSet:
    """One commit.

    Attributes:
        moment: Its time in UTC and its sha, sortable: an import of many commits may give all of them one time.
        sha: Its sha.
        changes: What it did, sorted by path, each path once.
    """

    moment: str
    sha: str
    changes: tuple[ChangedPath, ...]

    @property
    def paths(self) -> list[str]:
        """The files that it touched, sorted."""
        return [change.path for change in self.changes]


def read_commit(row: Row, files: Files) -> ChangeSet:
    """Return the commit of a row that begins with timestamp, sha and files; its files have their newest names."""
    timestamp, sha, listed = row[:3]
    told = (timestamp, type(sha), sha, listed)
    # Each pair type that learns from history reads the same commits.
    found = files.told.get(told)
    if found is None:
        found = _change_set(files, timestamp, sha, listed)
        if len(files.told) < MOST_TOLD:
            files.told[told] = found
    return found


def _change_set(files: Files, timestamp: str, sha: object, listed: str) -> ChangeSet:
    time = utc_time(timestamp)
    changes: dict[str, ChangedPath] = {}
    for change in map(_change, parsed(listed)):
        if change is not None:
            name = files.name(time, change.path)
            changes[name] = change if name == change.path else change._replace(path=name)
    return ChangeSet(f"{time} {sha}", str(sha), tuple(changes[path] for path in sorted(changes)))


def commit_item(commit: ChangeSet, message: str, body: str | None) -> Item:
    """Return a commit as an item. Its text is what it says, and not what it touched: that is to be predicted."""
    return Item(kind="commit", text=_commit_text(message, body), commit=commit.sha)


# Several pair types tell of the same commits.
@lru_cache(maxsize=16_384)
def _commit_text(message: str, body: str | None) -> str:
    told = without_trailers(body or "")
    return f"Commit: {_subject(message)}" + (f"\n\n{told}" if told else "")


def without_trailers(body: str) -> str:
    """Return a message's body without a last paragraph of `Signed-off-by: ...` and the like."""
    told, _, last = body.strip("\n").rpartition("\n\n")
    keys = [line.partition(": ")[0] for line in last.split("\n")]
    is_trailers = all(_TRAILER_KEY.fullmatch(key) for key in keys) and any("-" in key for key in keys)
    return told.strip("\n") if is_trailers else body.strip("\n")


def has_subject(message: str) -> bool:
    """Return whether a commit message says anything."""
    return bool(_subject(message))


def commit_kind(message: str, parsed: str | None) -> str:
    """Return the kind of a commit: as parsed, else the prefix of its subject (`feat(scope): ...`), else `other`."""
    prefix = _PREFIX.match(message)
    return (parsed or (prefix.group(1) if prefix else "other")).lower()


@lru_cache(maxsize=65_536)
def module_of(path: str) -> str:
    """Return the folder of a file, no more than MODULE_LEVELS deep; `.` for a file outside of all folders."""
    return "/".join(PurePosixPath(path).parts[:-1][:MODULE_LEVELS]) or "."


@lru_cache(maxsize=16_384)
def _subject(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


def _change(entry: object) -> ChangedPath | None:
    """Return what an entry of a commit's files says; None where it names no file."""
    if isinstance(entry, dict):
        path = entry.get("path", entry.get("file_path"))
        kind = entry.get("change_type")
        lines = 0
        for count in (entry.get("lines_added"), entry.get("lines_removed")):
            if type(count) is int and count > 0:
                lines += count
        if isinstance(path, str) and path:
            return ChangedPath(current_path(path), kind if isinstance(kind, str) else "modified", lines)
    elif isinstance(entry, str) and entry:
        return ChangedPath(current_path(entry), "modified", 0)
    return None
