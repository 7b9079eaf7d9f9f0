"""The tables of a file of passages, and what writes them: places, texts, and words in four columns (FTS5)."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from patina_assets.passages.passage import Group, Passage
from patina_assets.search.files.search_file import write_items
from patina_assets.search.lexical import index_text

# What every query reads stands apart from the texts, so that a page holds many rows of it.
PASSAGE_SCHEMA = """
CREATE TABLE passage (key INTEGER PRIMARY KEY, "group" TEXT NOT NULL, thing TEXT NOT NULL, role TEXT NOT NULL,
                      symbol TEXT NOT NULL, state TEXT);
CREATE INDEX passage_symbol ON passage (lower(symbol));
CREATE INDEX passage_thing ON passage (thing);
CREATE TABLE content (key INTEGER PRIMARY KEY, doc TEXT NOT NULL, body TEXT NOT NULL, end_line INTEGER, time TEXT,
                      author TEXT, paths TEXT NOT NULL, url TEXT, status TEXT);
"""
# The index alone, without a second copy of the texts. Words are reduced to stems. A row number is a passage's key and
# the number of its group above GROUP_ROWS, so that one group's rows are searched without a look at the others.
GROUP_ROWS = 1 << 40
FIRST_ROWS = {group: number * GROUP_ROWS for number, group in enumerate(Group)}
WORDS_SCHEMA = """
CREATE VIRTUAL TABLE words USING fts5(place, name, doc, body, content = '',
                                      tokenize = 'porter unicode61 remove_diacritics 2')
"""


def encode_passages(passages: Sequence[Passage], facts: Mapping[str, str]) -> bytes:
    """Return a search file with the passages; their row is their key in the index.

    Args:
        passages: The passages.
        facts: Model name, model digest and so on.
    """
    connection = sqlite3.connect(":memory:")
    try:
        write_items(connection, [passage.item for passage in passages], facts, None)
        connection.executescript(PASSAGE_SCHEMA)
        connection.execute("CREATE TABLE IF NOT EXISTS detail (key INTEGER PRIMARY KEY, line INTEGER, state TEXT)")
        places = (_place(key, passage) for key, passage in enumerate(passages))
        connection.executemany("INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?)", places)
        contents = (_content(key, passage) for key, passage in enumerate(passages))
        connection.executemany("INSERT INTO content VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", contents)
        if has_fts5(connection):
            connection.execute(WORDS_SCHEMA)
            connection.executemany(
                "INSERT INTO words (rowid, place, name, doc, body) VALUES (?, ?, ?, ?, ?)",
                ((FIRST_ROWS[passage.group] + key, *_words(passage)) for key, passage in enumerate(passages)),
            )
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.commit()
        return connection.serialize()
    finally:
        connection.close()


def has_fts5(connection: sqlite3.Connection) -> bool:
    """Return whether this SQLite was compiled with FTS5."""
    return connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def _place(key: int, passage: Passage) -> tuple[object, ...]:
    return (key, passage.group, passage.thing, passage.role, passage.symbol, passage.state)


def _content(key: int, passage: Passage) -> tuple[object, ...]:
    return (key, passage.doc, passage.body, passage.end_line, passage.time, passage.author, json.dumps(passage.paths),
            passage.url, passage.status)  # fmt: skip


def _words(passage: Passage) -> tuple[str, str, str, str]:
    place = index_text((passage.path, passage.session, passage.commit, *passage.paths))
    return place, index_text((passage.name,)), index_text((passage.doc,)), index_text((passage.body,))
