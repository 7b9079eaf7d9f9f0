"""An index of vectors for one large project: without it, Postgres compares all of its vectors with a question.

The index of all vectors walks past those of all other projects, so Postgres does not use it for a project that has a
small share of them. Such an index is made beside the publications, which go on, and is no part of any of them: where it
is missing, answers are the same.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from patina_resources.postgres.connection import reason_of

if TYPE_CHECKING:
    import psycopg

# From so many passages on a project has one; it is dropped below so many.
MADE_FROM, DROPPED_BELOW = 50_000, 25_000
# Who holds this makes or drops one. Nobody waits for it: making one waits for all who are at work.
CHANGING = 0x70617471
BUILD_MEMORY = "512MB"
STATE = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


def keep_own_index(connection: "psycopg.Connection[Any]", number: int, passages: int) -> str:
    """Make a project's own index of vectors, or drop it, as its size asks for; what was published stays in any case.

    Where another publisher is at it, nothing is done: the next publication of the project looks again.

    Args:
        connection: In autocommit mode, of the login that has made the tables.
        number: The project's number in the store.
        passages: How many it has now; 0 once it is withdrawn.

    Returns:
        Why Postgres could not do it, in one sentence; empty where nothing is wrong.
    """
    import psycopg

    try:
        _keep(connection, number, passages)
    except psycopg.Error as error:
        reason = reason_of(error)
        if passages < DROPPED_BELOW:
            return (
                f"the index {_name(number)} is not needed any more and could not be dropped: {reason}: drop it yourself"
            )
        return (
            f"published, but its own index of vectors could not be made: {reason}. "
            "Answers are the same, only slower; the next publication tries again"
        )
    return ""


def _keep(connection: "psycopg.Connection[Any]", number: int, passages: int) -> None:
    name = _name(number)
    state = connection.execute(STATE, (name,)).fetchone()
    is_made, is_whole = state is not None, state is not None and bool(state[0])
    makes = passages >= (DROPPED_BELOW if is_made else MADE_FROM) and not is_whole
    # What a killed publisher has begun is of no use, and every write keeps it up to date.
    drops = is_made and (makes or passages < DROPPED_BELOW)
    if not (makes or drops) or not _got(connection, "SELECT pg_try_advisory_lock(%s)"):
        return
    try:
        if drops:
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())
        if makes:
            _make(connection, number)
    finally:
        if not connection.broken:
            _got(connection, "SELECT pg_advisory_unlock(%s)")


def _make(connection: "psycopg.Connection[Any]", number: int) -> None:
    import psycopg

    name = _name(number)
    connection.execute(f"SET maintenance_work_mem = '{BUILD_MEMORY}'".encode())
    try:
        connection.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name.partition('.')[2]} ON patina.passage "
            f"USING hnsw (embedding halfvec_ip_ops) WITH (m = 16, ef_construction = 64) "
            f"WHERE project_id = {int(number)}".encode()
        )
    except psycopg.errors.LockNotAvailable:
        raise  # who is in the way of the new index is in the way of its end as well
    except psycopg.Error:
        # The disk that it has filled is needed for what is published next.
        with suppress(psycopg.Error):
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())
        raise
    connection.execute("RESET maintenance_work_mem")


def _name(number: int) -> str:
    return f"patina.passage_embedding_{int(number)}"


def _got(connection: "psycopg.Connection[Any]", query: str) -> bool:
    row = connection.execute(query.encode(), (CHANGING,)).fetchone()
    return row is not None and bool(row[0])
