"""One publication: brings the rows of a project to what is built of it, in one transaction, only what has changed."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.search.published.publishable import Publishable
from patina_assets.search.published.rows import PublishedRow, clean, row_of, vector_text
from patina_assets.search.published.store import STORE_VERSION, made_for
from patina_resources.errors import PatinaError

if TYPE_CHECKING:
    import psycopg

PUT_PROJECT = "INSERT INTO patina.project (name, groups) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING"
HELD_PROJECT = "SELECT id, digest FROM patina.project WHERE name = %s FOR UPDATE"
KEEP_PROJECT = "UPDATE patina.project SET groups = %s, passages = %s, digest = %s, published = now() WHERE id = %s"
ARRIVED = """
CREATE TEMP TABLE arrived (id bigint, digest bytea, place bytea, kind text, thing text, role text, symbol_key text,
    state text, path text, author text, "time" text, name text, docs text, texts text, places text, item text,
    symbol text, doc text, body text, line integer, end_line integer, session text, "commit" text, url text,
    status text, embedding text) ON COMMIT DROP
"""
ADD_PASSAGES = """
INSERT INTO patina.passage (id, project_id, kind, thing, role, symbol_key, state, path, author, "time", words,
                            embedding)
OVERRIDING SYSTEM VALUE
SELECT id, %s, kind, thing, role, symbol_key, state, path, author, "time",
       setweight(to_tsvector('pg_catalog.english', name), 'A')
       || setweight(to_tsvector('pg_catalog.english', docs), 'B')
       || setweight(to_tsvector('pg_catalog.english', texts), 'C')
       || setweight(to_tsvector('pg_catalog.english', places), 'D'),
       embedding::halfvec
FROM arrived WHERE embedding IS NOT NULL
"""
ADD_CONTENTS = """
INSERT INTO patina.content (id, project_id, digest, place, item, symbol, doc, body, line, end_line, session, "commit",
                            url, status)
SELECT id, %s, digest, place, item, symbol, doc, body, line, end_line, session, "commit", url, status
FROM arrived WHERE embedding IS NOT NULL
"""
# No indexed column changes, so the indexes are left alone.
MOVE_PASSAGES = """
UPDATE patina.passage SET role = arrived.role, state = arrived.state, author = arrived.author, "time" = arrived."time"
FROM arrived WHERE arrived.embedding IS NULL AND passage.id = arrived.id
  AND (passage.role, passage.state, passage.author, passage."time")
      IS DISTINCT FROM (arrived.role, arrived.state, arrived.author, arrived."time")
"""
MOVE_CONTENTS = """
UPDATE patina.content SET place = arrived.place, line = arrived.line, end_line = arrived.end_line, url = arrived.url,
                          status = arrived.status
FROM arrived WHERE arrived.embedding IS NULL AND content.id = arrived.id
"""
# With its key, for the planner takes a new table for a small one: a large project's words were compared each with each.
COUNTED = "CREATE TEMP TABLE counted (word text PRIMARY KEY, passages integer NOT NULL) ON COMMIT DROP"
COUNT_WORDS = """
INSERT INTO counted
SELECT word, count(*)::integer
FROM patina.passage, unnest(tsvector_to_array(words)) AS word WHERE project_id = %s GROUP BY word
"""
KEEP_COUNTS = """
INSERT INTO patina.frequency (word, project_id, passages) SELECT word, %s, passages FROM counted
ON CONFLICT (word, project_id) DO UPDATE SET passages = excluded.passages
WHERE frequency.passages <> excluded.passages
"""
DROP_COUNTS = """
DELETE FROM patina.frequency
WHERE project_id = %s AND NOT EXISTS (SELECT 1 FROM counted WHERE counted.word = frequency.word)
"""
MOST_NAME_CHARACTERS = 500


@dataclass(frozen=True)
class Published:
    """What a publication changed.

    Attributes:
        passages: How many the project has now.
        added: How many are new.
        moved: How many have other lines, another state or the like.
        removed: How many are gone.
        notice: What went wrong beside it, in one sentence; empty for nothing.
    """

    passages: int
    added: int
    moved: int
    removed: int
    notice: str = ""


def publish_built(
    connection: "psycopg.Connection[Any]", name: str, groups: tuple[str, ...], read: Callable[[], Publishable]
) -> Published:
    """Bring a project of the store to what is built, in one transaction.

    Args:
        connection: In autocommit mode, to a store of the project's model.
        name: What the project is called in the fleet.
        groups: Who may see it, from `checked_groups`.
        read: Reads what is built; it is called once nobody else publishes the project.

    Raises:
        PatinaError: The name is none, what is built cannot be read, or its model is another one now.
    """
    own = _clean_name(name)
    with connection.transaction():
        connection.execute(PUT_PROJECT, (own, list(groups)))
        row = connection.execute(HELD_PROJECT, (own,)).fetchone()
        assert row is not None  # noqa: S101 - it was put a moment ago
        number, known = row
        built = read()
        made_for(connection, built.model)
        digest = f"{STORE_VERSION} {built.digest}"
        done = Published(len(built.passages), 0, 0, 0)
        if digest != known:
            done = _write(connection, number, built)
        connection.execute(KEEP_PROJECT, (list(groups), done.passages, digest, number))
        return done


def _write(connection: "psycopg.Connection[Any]", number: int, built: Publishable) -> Published:
    stored: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    query = "SELECT digest, id, place FROM patina.content WHERE project_id = %s ORDER BY line DESC, id DESC"
    for digest, key, place in connection.execute(query, (number,)):
        stored[digest].append((key, place))
    added: list[tuple[PublishedRow, int]] = []
    moved: list[tuple[PublishedRow, int]] = []
    for at, passage in enumerate(built.passages):
        row = row_of(passage)
        if not stored.get(row.digest):
            added.append((row, at))
            continue
        key, place = stored[row.digest].pop()
        if place != row.place:
            moved.append((row, key))
    gone = [key for left in stored.values() for key, _ in left]
    connection.execute(ARRIVED)
    _send(connection, added, moved, built.vectors)
    connection.execute("DELETE FROM patina.passage WHERE id = ANY (%s)", (gone,))
    for statement in (ADD_PASSAGES, ADD_CONTENTS):
        connection.execute(statement, (number,))
    for statement in (MOVE_PASSAGES, MOVE_CONTENTS):
        connection.execute(statement)
    if added or gone:
        connection.execute(COUNTED)
        connection.execute(COUNT_WORDS, (number,))
        connection.execute(KEEP_COUNTS, (number,))
        connection.execute(DROP_COUNTS, (number,))
    return Published(len(built.passages), len(added), len(moved), len(gone))


def _send(
    connection: "psycopg.Connection[Any]",
    added: Sequence[tuple[PublishedRow, int]],
    moved: Sequence[tuple[PublishedRow, int]],
    vectors: NDArray[np.float32],
) -> None:
    """Copy what is new, with its vectors, and what has moved, to the table `arrived`."""
    query = "SELECT nextval('patina.passage_id_seq') FROM generate_series(1, %s)"
    numbers = [number for (number,) in connection.execute(query, (len(added),))]
    with connection.cursor().copy("COPY arrived FROM STDIN") as copy:
        for number, (row, at) in zip(numbers, added, strict=True):
            copy.write_row(_columns(number, row, vector_text(vectors[at])))
        for row, key in moved:
            copy.write_row(_columns(key, row, None))


def _columns(key: int, row: PublishedRow, vector: str | None) -> tuple[object, ...]:
    return (key, row.digest, row.place, *row.searched, *row.words, *row.shown, vector)


def _clean_name(name: str) -> str:
    """Return the name of a project as the store has it.

    Raises:
        PatinaError: It is empty or too long.
    """
    if not name.strip() or len(name) > MOST_NAME_CHARACTERS:
        raise PatinaError(f"the name of a project: expected 1 to {MOST_NAME_CHARACTERS} characters, got {len(name)}")
    return clean(name) or ""
