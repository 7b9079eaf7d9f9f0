"""Commits as the pair types that learn from history read them: the SQL of a live commit, and its fields."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from patina_assets.pairs.code_text import normal_path
from patina_assets.pairs.relations import Item
from patina_resources.eventlog.payloads import EVENT_DATA, parsed
from patina_resources.eventlog.reader import NOT_RETRACTED, Row, Source

# One row for each commit, as its latest event has it, at the place where it was first seen. `files` is JSON.
LIVE_COMMITS = f"""
WITH event AS MATERIALIZED (
    SELECT seq, timestamp, source_id, {EVENT_DATA} AS data
    FROM eventlog
    WHERE event_type = 'git.commit' AND {NOT_RETRACTED}
), found AS (
    SELECT seq, timestamp, COALESCE(json_extract(data, '$.sha'), source_id) AS sha,
           CASE json_type(data, '$.message') WHEN 'text' THEN json_extract(data, '$.message') END AS message,
           CASE json_type(data, '$.parsed.type') WHEN 'text' THEN json_extract(data, '$.parsed.type') END AS kind,
           -- An e-mail address knows a person under several names.
           lower(COALESCE(json_extract(data, '$.author_email'), json_extract(data, '$.author_name'),
                          json_extract(data, '$.author'))) AS author,
           CASE 'array' WHEN json_type(data, '$.files') THEN json_extract(data, '$.files')
                        WHEN json_type(data, '$.files_changed') THEN json_extract(data, '$.files_changed') END AS files
    FROM event
), ranked AS (
    SELECT *, MIN(seq) OVER (PARTITION BY sha) AS first_seq,
           ROW_NUMBER() OVER (PARTITION BY sha ORDER BY seq DESC) AS age
    FROM found
    WHERE files IS NOT NULL
), git_commit AS (
    SELECT first_seq AS seq, timestamp, sha, message, kind, author, files
    FROM ranked
    WHERE age = 1
)
"""
COMMITS_SQL = f"""{LIVE_COMMITS}
SELECT seq, timestamp, sha, files, message, kind
FROM git_commit
WHERE message IS NOT NULL
ORDER BY seq
"""
GIT_COMMITS = Source("git.commits", COMMITS_SQL)

# A commit of more files is a move, a formatting run or an import.
MOST_FILES = 50
# A module is a folder, of which no more than this many levels count.
MODULE_LEVELS = 3
# Longer ones are no paths (Linux, PATH_MAX); a rename is looked for in no time that grows with their square.
LONGEST_PATH = 4096
_PREFIX = re.compile(r"([A-Za-z]+)(\([^)]*\))?!?:")
# That the brace is closed is seen first, once: without one, each ` => ` would be tried against all that follows.
_BRACED_RENAME = re.compile(r"\{(?=[^{}]*+\})[^{}]* => ([^{}]*)\}")


@dataclass(frozen=True)
class Change:
    """What a commit did to one file: its path, `added`, `modified`, ..., and the number of lines added and removed."""

    path: str
    kind: str
    lines: int


@dataclass(frozen=True)
class Commit:
    """One commit.

    Attributes:
        seq: The first event that tells of it.
        moment: Its time in UTC and its sha, sortable: an import of many commits may give all of them one time.
        sha: Its sha.
        changes: What it did, sorted by path, each path once.
    """

    seq: int
    moment: str
    sha: str
    changes: tuple[Change, ...]

    @property
    def paths(self) -> list[str]:
        """The files that it touched, sorted."""
        return [change.path for change in self.changes]


def read_commit(row: Row) -> Commit:
    """Return the commit of a row that begins with seq, timestamp, sha and files."""
    seq, timestamp, sha, files = row[:4]
    changes = {change.path: change for entry in parsed(files) for change in _changes(entry)}
    return Commit(seq, f"{utc_time(timestamp)} {sha}", str(sha), tuple(changes[path] for path in sorted(changes)))


def commit_item(commit: Commit, message: str) -> Item:
    """Return a commit as an item. Its text is its subject and nothing of what it touched: that is to be predicted."""
    return Item(kind="commit", text=f"Commit: {_subject(message)}", commit=commit.sha, seq=commit.seq)


def has_subject(message: str) -> bool:
    """Return whether a commit message says anything."""
    return bool(_subject(message))


def commit_kind(message: str, parsed: str | None) -> str:
    """Return the kind of a commit: as parsed, else the prefix of its subject (`feat(scope): ...`), else `other`."""
    prefix = _PREFIX.match(message)
    return (parsed or (prefix.group(1) if prefix else "other")).lower()


def module_of(path: str) -> str:
    """Return the folder of a file, no more than MODULE_LEVELS deep; `.` for a file outside of all folders."""
    return "/".join(PurePosixPath(path).parts[:-1][:MODULE_LEVELS]) or "."


def current_path(path: str) -> str:
    """Return a path without leading `./`; of a rename as `git log --stat` writes it, the new path."""
    if " => " in path and len(path) <= LONGEST_PATH:
        path = _BRACED_RENAME.sub(r"\1", path).rsplit(" => ", 1)[-1].replace("//", "/")
    return normal_path(path)


def utc_time(timestamp: str) -> str:
    """Return a time in UTC (which one without a zone is taken for), sortable as text; other text as it is."""
    try:
        time = datetime.fromisoformat(timestamp)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, TypeError, OverflowError):
        return str(timestamp)


def _subject(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


def _changes(entry: object) -> Iterable[Change]:
    if isinstance(entry, str) and entry:
        yield Change(current_path(entry), "modified", 0)
    if isinstance(entry, dict):
        path = entry.get("path", entry.get("file_path"))
        kind = entry.get("change_type")
        counts = (entry.get("lines_added"), entry.get("lines_removed"))
        if isinstance(path, str) and path:
            lines = sum(count for count in counts if type(count) is int and count > 0)
            yield Change(current_path(path), kind if isinstance(kind, str) else "modified", lines)
