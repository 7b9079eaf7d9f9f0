"""One question's transaction: read-only, as the role that sees only rows of the asker's groups, with time limits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patina_assets.search.published.rows import clean
from patina_assets.search.published.store import READER, SEES_TOO_MUCH
from patina_resources.postgres.address import FleetAddress
from patina_resources.postgres.connection import StoreError, told

if TYPE_CHECKING:
    import psycopg

STATEMENT_MILLISECONDS = 10_000
# How many vectors the index looks at for a question, and how many more where a filter lets few through.
EXPANSION_SEARCH = 250
MOST_SCANNED = 40_000
SETTINGS = """
SELECT set_config('patina.groups', %s, true), set_config('statement_timeout', %s, true),
       set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('hnsw.max_scan_tuples', %s, true), set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('jit', 'off', true), set_config('role', %s, true)
"""
WHO = "SELECT current_user = %s AND NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = current_user"


@dataclass(frozen=True)
class SeenProject:
    """A project that the asker may see.

    Attributes:
        number: Its number in the store.
        name: Its name.
        passages: How many it has.
    """

    number: int
    name: str
    passages: int


@contextmanager
def asking(
    connection: "psycopg.Connection[Any]", address: FleetAddress, groups: Sequence[str]
) -> Iterator["psycopg.Connection[Any]"]:
    """Begin a transaction that sees what some groups may see; all that it sets ends with it, however it ends.

    Args:
        connection: In autocommit mode, outside of any transaction.
        address: Where it leads, for an error.
        groups: From `checked_groups`: no name holds a comma.

    Raises:
        PatinaError: Postgres refuses, or the role would see more than it may.
    """
    with told(address), connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        values = (",".join(groups), STATEMENT_MILLISECONDS, EXPANSION_SEARCH, MOST_SCANNED)
        connection.execute(SETTINGS, (*map(str, values), READER))
        row = connection.execute(WHO, (READER,)).fetchone()
        if row is None or not row[0]:
            raise StoreError(SEES_TOO_MUCH)
        yield connection


def seen_projects(connection: "psycopg.Connection[Any]", pattern: str | None) -> list[SeenProject]:
    """Return the projects that the asker may see, by name.

    Args:
        connection: Within `asking`.
        pattern: A glob over names; None for all.
    """
    query = "SELECT id, name, passages FROM patina.project WHERE %s::text IS NULL OR name LIKE %s ORDER BY name"
    liked = None if pattern is None else clean(like_pattern(pattern))
    return [SeenProject(*row) for row in connection.execute(query, (liked, liked)).fetchall()]


def like_pattern(glob: str) -> str:
    """Return a pattern of LIKE for a glob: `*` stands for any text, `?` for one character, all else for itself."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")
