"""Which types of events were touched since an earlier look: read from the new events alone.

Nothing in an eventlog is changed or deleted, so what was there is told by few values. Where these are as they were,
what events of a type say is as it was, unless one of this type was appended or taken back.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from patina_resources.eventlog.live import TAKEN_BACK
from patina_resources.eventlog.payloads import readable

COUNT_SQL = "SELECT COUNT(*) FROM eventlog"
COUNT_SINCE_SQL = "SELECT COUNT(*) FROM eventlog WHERE seq > ?"
ROW_SQL = "SELECT seq, event_type, timestamp, source_id, source_file, data FROM eventlog WHERE seq = ? LIMIT 1"
LAST_SEQ_SQL = "SELECT seq FROM eventlog WHERE typeof(seq) = 'integer' ORDER BY seq DESC LIMIT 1"
UNREADABLE_SINCE_SQL = f"SELECT 1 FROM eventlog WHERE seq > ? AND NOT {readable()} LIMIT 1"
TOUCHED_SQL = f"""
SELECT event_type FROM eventlog WHERE seq > :seq
UNION
SELECT event_type FROM eventlog WHERE seq IN ({TAKEN_BACK} AND removal.seq > :seq)
"""


@dataclass(frozen=True)
class Extent:
    """What tells that an eventlog begins as it did.

    Attributes:
        file: Identity of the file.
        count: Number of its rows.
        last_seq: The highest seq; 0 where there are no events.
        last_row: SHA-256 (hex) of the row with this seq.
    """

    file: str
    count: int
    last_seq: int
    last_row: str


NO_EXTENT = Extent("", 0, 0, "")
# SQLite has no larger one.
MOST_SEQ = 2**63 - 1


def decoded_extent(content: Mapping[str, object]) -> Extent:
    """Return an extent of what was remembered as JSON.

    Raises:
        ValueError: It is none, as where somebody else has written it.
        KeyError: A part of it is missing.
    """
    file, count, last_seq, last_row = (content[name] for name in ("file", "count", "last_seq", "last_row"))
    numbers = [number for number in (count, last_seq) if type(number) is int and 0 <= number <= MOST_SEQ]
    if len(numbers) < 2 or not isinstance(file, str) or not isinstance(last_row, str):
        raise ValueError(f"no extent of an eventlog: {content!r:.80}")
    return Extent(file, numbers[0], numbers[1], last_row)


def extent_of(connection: sqlite3.Connection, file: str) -> Extent:
    """Return the extent of an eventlog in a file of this identity."""
    last = connection.execute(LAST_SEQ_SQL).fetchone()
    seq = int(last[0]) if last else 0
    return Extent(file, int(connection.execute(COUNT_SQL).fetchone()[0]), seq, _row_digest(connection, seq))


def touched_since(connection: sqlite3.Connection, before: Extent, now: Extent) -> frozenset[str] | None:
    """Return the types of the events that were appended or taken back since an extent.

    Args:
        connection: To the eventlog, in one read transaction.
        before: Its extent at an earlier look.
        now: Its extent in this transaction.

    Returns:
        None where the eventlog is not the earlier one with more rows behind it, or an added row cannot be read.
    """
    if before.file != now.file:
        return None
    (added,) = connection.execute(COUNT_SINCE_SQL, (before.last_seq,)).fetchone()
    if (
        now.count != before.count + added
        or _row_digest(connection, before.last_seq) != before.last_row
        or connection.execute(UNREADABLE_SINCE_SQL, (before.last_seq,)).fetchone() is not None
    ):
        return None
    rows = connection.execute(TOUCHED_SQL, {"seq": before.last_seq})
    return frozenset(event_type for (event_type,) in rows if isinstance(event_type, str))


def _row_digest(connection: sqlite3.Connection, seq: int) -> str:
    return hashlib.sha256(repr(connection.execute(ROW_SQL, (seq,)).fetchone()).encode("utf-8", "replace")).hexdigest()
