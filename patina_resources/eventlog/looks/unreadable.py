"""Rows of an eventlog that no source reads, and the sentence that names them."""

import re
import sqlite3
from pathlib import Path

from patina_resources.documents.json_value import MAX_DEPTH
from patina_resources.errors import shown
from patina_resources.eventlog.payloads import readable

NAMED_INVALID_ROWS = 3
_WORD = re.compile(r"[\w.-]{1,64}")

# Every row that no source reads, and why.
UNREADABLE_SQL = f"""
SELECT seq, event_type,
       CASE WHEN typeof(seq) <> 'integer' THEN 'seq is not a whole number'
            WHEN typeof(data) <> 'text' THEN 'data is not text'
            WHEN NOT json_valid(data) THEN 'data is not valid JSON'
            ELSE 'data is nested more than {MAX_DEPTH} levels deep' END
FROM eventlog
WHERE NOT {readable()}
ORDER BY seq
"""


def unreadable_rows(connection: sqlite3.Connection, path: Path) -> tuple[int, str]:
    """Return how many rows cannot be read, and a sentence that names the first ones and why ("" for none).

    Args:
        connection: To the eventlog.
        path: The eventlog, for the sentence.
    """
    rows = connection.execute(UNREADABLE_SQL).fetchall()
    if not rows:
        return 0, ""
    reasons: dict[str, list[str]] = {}
    for seq, kind, reason in rows[:NAMED_INVALID_ROWS]:
        reasons.setdefault(reason, []).append(f"seq {shown(seq)} ({_plain(kind)})")
    named = "; ".join(f"{reason} in {', '.join(places)}" for reason, places in reasons.items())
    more = f" and {len(rows) - NAMED_INVALID_ROWS} more" if len(rows) > NAMED_INVALID_ROWS else ""
    return len(rows), f"{path}: {named}{more}: left out of every source"


def _plain(kind: object) -> str:
    """Return an event type for a sentence: as it is where it is a word, else quoted."""
    return kind if isinstance(kind, str) and _WORD.fullmatch(kind) else shown(kind)
