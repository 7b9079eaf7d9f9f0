"""The file beside an index: its items by key, and the projection that made it (SQLite)."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from threading import Lock
from typing import Any

from patina_assets.pairs.items import Item
from patina_assets.search.fusion import Identity, identity
from patina_resources.errors import PatinaError

SEARCH_SCHEMA = """
CREATE TABLE item (key INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL,
                   file TEXT, session TEXT, "commit" TEXT, seq INTEGER NOT NULL);
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE weights (name TEXT PRIMARY KEY, content BLOB NOT NULL);
"""
# The last column of an item is for older versions, which read it: it held the place of an event in one eventlog.
# Only where an item has a line or a state: the table of items is that of files of older builds, and they read it.
DETAIL_SCHEMA = "CREATE TABLE detail (key INTEGER PRIMARY KEY, line INTEGER, state TEXT)"
SELECT_ITEMS = 'SELECT kind, text, file, session, "commit" FROM item'
SELECT_DETAILED_ITEMS = """
SELECT kind, text, file, session, "commit", line, state FROM item LEFT JOIN detail USING (key)
"""
SELECT_ABOUT = 'SELECT key FROM item WHERE file = ? OR "commit" = ? OR session = ? ORDER BY key'
HAS_DETAIL = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'detail'"
# Of each search file: items that queries found, as they find the same again and again; a few MiB.
ITEMS_KEPT = 4_096


def encode_search(items: Sequence[Item], facts: Mapping[str, str], weights: bytes | None) -> bytes:
    """Return an SQLite file with what search needs beside the index.

    Args:
        items: The items; their row is their key in the index.
        facts: Model name, model digest and so on.
        weights: The projection (safetensors) whose outputs the index holds; None for raw embeddings.
    """
    connection = sqlite3.connect(":memory:")
    try:
        write_items(connection, items, facts, weights)
        connection.commit()
        return connection.serialize()
    finally:
        connection.close()


def write_items(
    connection: sqlite3.Connection, items: Sequence[Item], facts: Mapping[str, str], weights: bytes | None
) -> None:
    """Write the tables that every search file has; the parameters are those of `encode_search`."""
    connection.executescript(SEARCH_SCHEMA)
    rows = ((key, i.kind, i.text, i.file, i.session, i.commit) for key, i in enumerate(items))
    connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, 0)", rows)
    _add_details(connection, items)
    connection.executemany("INSERT INTO fact VALUES (?, ?)", sorted(facts.items()))
    if weights is not None:
        connection.execute("INSERT INTO weights VALUES ('projection', ?)", (weights,))


def _add_details(connection: sqlite3.Connection, items: Sequence[Item]) -> None:
    rows = [(key, i.line, i.state) for key, i in enumerate(items) if i.line is not None or i.state is not None]
    if rows:
        connection.execute(DETAIL_SCHEMA)
        connection.executemany("INSERT INTO detail VALUES (?, ?, ?)", rows)


class SearchFile:
    """The open content of `encode_search`."""

    def __init__(self, data: bytes, name: str) -> None:
        """Open the verified bytes of the file called `name`.

        Raises:
            PatinaError: It is not such a file.
        """
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            connection.deserialize(data)
            self.facts = dict(connection.execute("SELECT name, value FROM fact").fetchall())
            connection.execute("SELECT name, typeof(content) FROM weights")  # the content itself may be megabytes
            select = _select_items(connection)
        except (sqlite3.DatabaseError, MemoryError) as error:  # MemoryError: there are no bytes at all
            raise PatinaError(f"{name}: not a search file ({error}): run `patina oxidize --full`") from error
        self._connection = connection
        # Python's module must not run one prepared statement in two threads at a time.
        self._lock = Lock()
        self._select = select
        self._item = lru_cache(ITEMS_KEPT)(self._read_item)

    @property
    def weights(self) -> bytes | None:
        """The projection (safetensors) whose outputs the index holds; None for raw embeddings."""
        rows = self.rows("SELECT content FROM weights")
        return rows[0][0] if rows else None

    def items(self) -> list[Item]:
        """Return all items; their order is their key."""
        return [Item(*row) for row in self.rows(f"{self._select} ORDER BY key")]

    def texts(self) -> list[str]:
        """Return the texts of all items, in the order of their keys."""
        return [text for (text,) in self.rows("SELECT text FROM item ORDER BY key")]

    def item(self, key: int) -> Item:
        """Return the item of an index key.

        Raises:
            KeyError: There is no such key.
        """
        return self._item(key)

    def about(self, item: Item) -> list[tuple[int, Item]]:
        """Return, with their keys, the items of the same file, commit or session as an item."""
        values = (item.file, item.commit, item.session)
        return [(key, self.item(key)) for (key,) in self.rows(SELECT_ABOUT, values)]

    def _read_item(self, key: int) -> Item:
        rows = self.rows(f"{self._select} WHERE key = ?", (key,))
        if not rows:
            raise KeyError(key)
        return Item(*rows[0])

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return what a query finds; several threads may ask."""
        written = [as_utf8(value) if isinstance(value, str) else value for value in values]
        with self._lock:
            return self._connection.execute(query, written).fetchall()

    def identity(self, key: int) -> Identity:
        """Return the `identity` of an index key's item.

        Raises:
            KeyError: There is no such key.
        """
        return identity(self.item(key))


def as_utf8(text: str) -> str:
    """Return a text that SQLite takes: bytes of an argument that are no UTF-8 come here as half surrogates."""
    return text.encode("utf-8", "replace").decode()


def paths_like(paths: Iterable[str], pattern: str) -> set[str]:
    """Return those paths that fit a glob such as `src/*.rs`, as `Filters.path` does."""
    with closing(sqlite3.connect(":memory:")) as connection:
        values = (json.dumps(list(paths)), as_utf8(pattern))
        return {row[0] for row in connection.execute("SELECT value FROM json_each(?) WHERE value GLOB ?", values)}


def _select_items(connection: sqlite3.Connection) -> str:
    """Return the query for the fields of all items, whether or not the file has a table of details."""
    return SELECT_DETAILED_ITEMS if connection.execute(HAS_DETAIL).fetchone() else SELECT_ITEMS
