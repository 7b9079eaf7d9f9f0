"""What an eventlog holds beyond what was last looked at: a hint for people, read in a millisecond or not at all."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.database import WorkLimit, open_read_only, refuse_odd_files

BUSY_TIMEOUT_SECONDS = 0.05
LEAST_STEPS = 1_000_000
HEAD_KEY = "materialize_git_head"
# A view or a virtual table would run its own SQL.
IS_TABLE_SQL = "SELECT 1 FROM sqlite_master WHERE name = ? AND type = 'table' AND rootpage > 0"
NEWER_SQL = "SELECT event_type = 'git.commit', COUNT(*) FROM eventlog WHERE seq > ? GROUP BY 1"
HEAD_SQL = "SELECT value FROM scrape_meta WHERE key = ?"


@dataclass(frozen=True)
class News:
    """What an eventlog says.

    Attributes:
        commits: Newer events that are commits.
        others: Newer events of all other types.
        head: The commit that git's history was last read up to; "" where the eventlog does not say.
    """

    commits: int = 0
    others: int = 0
    head: str = ""


def read_news(path: Path, after: int | None) -> News | None:
    """Return how many events are newer than a seq, and up to where git's history was read.

    Args:
        path: The eventlog.
        after: The seq; None counts nothing.

    Returns:
        None where that cannot be told at once: it is missing, damaged, locked, or no eventlog.
    """
    try:
        refuse_odd_files(path)
        with closing(open_read_only(path, BUSY_TIMEOUT_SECONDS)) as connection:
            WorkLimit(connection, path, LEAST_STEPS)
            counts = _counts(connection, after) if after is not None else {}
            return News(counts.get(1, 0), counts.get(0, 0), _head(connection))
    except (PatinaError, sqlite3.Error, OSError):
        return None


def _counts(connection: sqlite3.Connection, after: int) -> Mapping[int, int]:
    if connection.execute(IS_TABLE_SQL, ("eventlog",)).fetchone() is None:
        return {}
    return {int(is_commit or 0): int(count) for is_commit, count in connection.execute(NEWER_SQL, (after,))}


def _head(connection: sqlite3.Connection) -> str:
    if connection.execute(IS_TABLE_SQL, ("scrape_meta",)).fetchone() is None:
        return ""
    row = connection.execute(HEAD_SQL, (HEAD_KEY,)).fetchone()
    return str(row[0]) if row else ""
