"""The file beside an index: its items by key, their words, and the projection that made it (SQLite)."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache

from patina_assets.pairs.relations import Item
from patina_assets.search.fusion import KINDS_NOT_ASKED_FOR, Identity, identity
from patina_assets.search.lexical import index_text
from patina_resources.errors import PatinaError

SEARCH_SCHEMA = """
CREATE TABLE item (key INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL,
                   file TEXT, session TEXT, "commit" TEXT, seq INTEGER NOT NULL);
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE weights (name TEXT PRIMARY KEY, content BLOB NOT NULL);
"""
# The index alone, without a second copy of the texts; a row number is an item's key. Words are reduced to their stems.
LEXICAL_SCHEMA = """
CREATE VIRTUAL TABLE lexical USING fts5(place, text, content = '', tokenize = 'porter unicode61 remove_diacritics 2')
"""
LEXICAL_QUERY = """
SELECT rowid, -rank AS score FROM lexical WHERE lexical MATCH ? ORDER BY rank, rowid LIMIT ?
"""
ITEMS_QUERY = 'SELECT kind, text, file, session, "commit", seq FROM item ORDER BY key'
ITEM_QUERY = 'SELECT kind, text, file, session, "commit", seq FROM item WHERE key = ?'
# Of each search file: those of a project of 42,000 events, and a few MiB where there are more.
IDENTITIES_KEPT = 16_384


def encode_search(
    items: Sequence[Item], facts: Mapping[str, str], weights: bytes | None, *, lexical: bool = False
) -> bytes:
    """Return an SQLite file with what search needs beside the index.

    Args:
        items: The items; their row is their key in the index.
        facts: Model name, model digest and so on.
        weights: The projection (safetensors) whose outputs the index holds; None for raw embeddings.
        lexical: Index the words of items that a question may ask for; left out where this SQLite has no FTS5.
    """
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(SEARCH_SCHEMA)
        rows = ((key, i.kind, i.text, i.file, i.session, i.commit, i.seq) for key, i in enumerate(items))
        connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO fact VALUES (?, ?)", sorted(facts.items()))
        if weights is not None:
            connection.execute("INSERT INTO weights VALUES ('projection', ?)", (weights,))
        if lexical and has_fts5(connection):
            _index_words(connection, items)
        connection.commit()
        return connection.serialize()
    finally:
        connection.close()


def has_fts5(connection: sqlite3.Connection) -> bool:
    """Return whether this SQLite was compiled with FTS5."""
    return connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def _index_words(connection: sqlite3.Connection, items: Sequence[Item]) -> None:
    connection.execute(LEXICAL_SCHEMA)
    rows = (
        (key, index_text((item.file, item.session, item.commit)), index_text((item.text,)))
        for key, item in enumerate(items)
        if item.kind not in KINDS_NOT_ASKED_FOR
    )
    connection.executemany("INSERT INTO lexical (rowid, place, text) VALUES (?, ?, ?)", rows)
    connection.execute("INSERT INTO lexical (lexical) VALUES ('optimize')")


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
            connection.execute("SELECT name, content FROM weights")
        except (sqlite3.DatabaseError, MemoryError) as error:  # MemoryError: there are no bytes at all
            raise PatinaError(f"{name}: not a search file ({error}): run `patina oxidize --full`") from error
        self._connection = connection
        self._identity = lru_cache(IDENTITIES_KEPT)(lambda key: identity(_item(connection, key)))

    @property
    def weights(self) -> bytes | None:
        """The projection (safetensors) whose outputs the index holds; None for raw embeddings."""
        row = self._connection.execute("SELECT content FROM weights").fetchone()
        return row[0] if row else None

    def items(self) -> list[Item]:
        """Return all items; their order is their key."""
        return [Item(*row) for row in self._connection.execute(ITEMS_QUERY)]

    def item(self, key: int) -> Item:
        """Return the item of an index key.

        Raises:
            KeyError: There is no such key.
        """
        return _item(self._connection, key)

    def identity(self, key: int) -> Identity:
        """Return the `identity` of an index key's item; kept, as queries find the same items again and again.

        Raises:
            KeyError: There is no such key.
        """
        return self._identity(key)

    def matches(self, expression: str, k: int) -> list[tuple[int, float]] | None:
        """Return the keys of the k items that match best, and their BM25 scores (more is better), best first.

        Args:
            expression: An FTS5 expression, as `match_expression` makes it.
            k: Number of results.

        Returns:
            None where the file has no lexical index, or this SQLite no FTS5.
        """
        try:
            return self._connection.execute(LEXICAL_QUERY, (expression, k)).fetchall()
        except sqlite3.OperationalError as error:
            if str(error).startswith("no such"):  # table: lexical, or module: fts5
                return None
            raise


def _item(connection: sqlite3.Connection, key: int) -> Item:
    row = connection.execute(ITEM_QUERY, (key,)).fetchone()
    if row is None:
        raise KeyError(key)
    return Item(*row)
