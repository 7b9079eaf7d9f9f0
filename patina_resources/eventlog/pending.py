"""What is to be written to an eventlog and waits for the lock: in a temporary table, as it may be more than memory."""

import sqlite3
from collections.abc import Iterable

BEGIN_SQL = "CREATE TEMP TABLE IF NOT EXISTS pending (event_type, timestamp, source_id, source_file, data)"
CLEAR_SQL = "DELETE FROM temp.pending"
ADD_SQL = "INSERT INTO temp.pending VALUES (?, ?, ?, ?, ?)"
SIZE_SQL = "SELECT COALESCE(SUM(length(data)), 0), COUNT(*) FROM temp.pending"
APPEND_SQL = """
INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data)
SELECT event_type, timestamp, source_id, source_file, data FROM temp.pending ORDER BY rowid
"""

Values = tuple[str | None, ...]


class PendingWrites:
    """Rows for the end of the eventlog, and statements about what is remembered beside it, in their order."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._statements: list[tuple[str, Values]] = []
        connection.execute(BEGIN_SQL)
        connection.execute(CLEAR_SQL)

    def append(self, rows: Iterable[Values]) -> None:
        """Add rows: event_type, timestamp, source_id, source_file, data."""
        self._connection.executemany(ADD_SQL, rows)

    def execute(self, query: str, values: Values) -> None:
        """Add a statement."""
        self._statements.append((query, values))

    def size(self) -> tuple[int, int]:
        """Return the length of all payloads together, and the number of rows."""
        characters, rows = self._connection.execute(SIZE_SQL).fetchone()
        return int(characters), int(rows)

    def write(self) -> None:
        """Write all of it; the caller holds the lock."""
        self._connection.execute(APPEND_SQL)
        for query, values in self._statements:
            self._connection.execute(query, values)
