"""What the sensor of a fleet remembers: the head that was last asked for, by project. A table, not Dagster's cursor.

A tick may be killed after it has noted a head and before Dagster has its request. So each head is asked for at two
ticks. Dagster drops the second request, which has the same run key, if it has the first.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from patina_resources.errors import PatinaError

BUSY_SECONDS = 10.0
CREATE = "CREATE TABLE IF NOT EXISTS asked (project TEXT PRIMARY KEY, head TEXT NOT NULL, times INTEGER NOT NULL)"
REMEMBER = """
INSERT INTO asked (project, head, times) VALUES (?, ?, 1)
ON CONFLICT (project) DO UPDATE SET
    times = CASE WHEN head = excluded.head THEN times + 1 ELSE 1 END,
    head = excluded.head
"""


class FleetMemory:
    """The table; a file of SQLite in the user's own folder."""

    def __init__(self, path: Path) -> None:
        """Take the file; it is made where it is missing."""
        self._path = path

    def heads(self) -> dict[str, str]:
        """Return the head that was last asked for, by project, where that was done twice.

        Raises:
            PatinaError: The file is damaged or cannot be used.
        """
        with self._open() as connection:
            return dict(connection.execute("SELECT project, head FROM asked WHERE times >= 2"))

    def remember(self, heads: Mapping[str, str]) -> None:
        """Note the heads that are asked for now: all of them, or none.

        Raises:
            PatinaError: The file is damaged or cannot be used.
        """
        with self._open() as connection, connection:
            connection.executemany(REMEMBER, list(heads.items()))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as connection:
                connection.execute(CREATE)
                yield connection
        except sqlite3.Error as error:
            raise PatinaError(
                f"{self._path}: cannot be used ({error}): delete it; every project is then built once more"
            ) from error
