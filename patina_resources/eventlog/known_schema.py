"""Which databases are eventlogs that may be written to: told by their schema, before anything of them is changed.

Another program's database is never touched, and neither is one whose schema would make an ordinary write run something
else: a trigger, a view, a computed column, a check or an index on an expression.
"""

import functools
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from patina_resources.errors import PatinaError, shown
from patina_resources.eventlog.schema import APPLICATION_ID, EVENTLOG_SQL, STATE_SQL, VIEWS_SQL
from patina_resources.store.database import WorkLimit, open_as_it_lies, open_unchanged

SCHEMA_SQL = "SELECT lower(name), type, lower(tbl_name), rootpage > 0, COALESCE(sql, '') FROM sqlite_master"
COLUMNS_SQL = 'SELECT lower(name), upper(type), "notnull", upper(dflt_value), pk, hidden FROM pragma_table_xinfo(?)'
INDEXES_SQL = "SELECT name, partial FROM pragma_index_list(?)"
COMPUTED_SQL = "SELECT COUNT(*) FROM pragma_index_xinfo(?) WHERE cid = -2"
OWN_CHECK = "check(json_valid(data))"

Columns = tuple[tuple[object, ...], ...]


def refuse_foreign_file(path: Path, quiet: float, longest: float, waiting: Callable[[], None]) -> None:
    """Raise PatinaError unless a database is new, or an eventlog that Patina may write to. It is left as it is.

    Args:
        path: A file that `refuse_odd_files` accepts.
        quiet: How long to wait silently for another process (seconds).
        longest: How long to wait then.
        waiting: Called once when a longer wait begins.

    Raises:
        sqlite3.Error: It is not a database, damaged, or locked.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        _refuse_foreign(lambda: open_unchanged(path, quiet), path)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            waiting()
            _refuse_foreign(lambda: open_unchanged(path, longest), path)
        elif "readonly" in str(error):  # a write was cut off, which only a writer may take back
            _refuse_foreign(lambda: open_as_it_lies(path), path)
        else:
            raise


def _refuse_foreign(opened: Callable[[], sqlite3.Connection], path: Path) -> None:
    with closing(opened()) as connection:
        WorkLimit(connection, path)
        refuse_foreign_schema(connection, path)


def refuse_foreign_schema(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether a database is new: without any table.

    Raises:
        PatinaError: It is not new, and not an eventlog that may be written to.
    """
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    if identity not in (0, APPLICATION_ID):
        raise _foreign(path, f"its application_id is {identity}")
    held = connection.execute(SCHEMA_SQL).fetchall()
    if held and "eventlog" not in {name for name, *_ in held}:
        raise _foreign(path, "it has tables, and no table `eventlog`")
    for problem in _problems(connection, held):
        raise _foreign(path, problem)
    return not held


def _foreign(path: Path, problem: str) -> PatinaError:
    return PatinaError(
        f"{path}: not an eventlog that Patina writes to ({problem}): it is left as it is: name another file under "
        "[eventlog] path in .patina/config.toml, or move this one away to begin a new eventlog"
    )


def _problems(connection: sqlite3.Connection, held: Sequence[tuple[str, str, str, int, str]]) -> Iterator[str]:
    """Yield what keeps a schema from being written to."""
    tables, indexes = _own_schema()
    for name, kind, table, stored, sql in held:
        if kind == "trigger" and table in tables:
            yield f"trigger `{name}` runs on table {table}"
        elif name in indexes and kind != "index":
            yield f"`{name}` is a {kind}, not an index"
        elif name not in tables or kind == "trigger":
            continue
        elif kind != "table" or not stored:
            yield f"`{name}` is {'a virtual table' if kind == 'table' else f'a {kind}'}, not an ordinary table"
        elif difference := _difference(name, _columns(connection, name), tables[name]):
            yield difference
        elif not _has_only_own_checks(name, sql):
            yield f"table {name} has a further CHECK"
        elif index := _computed_index(connection, name):
            yield f"index `{index}` computes something on each write to table {name}"


def _columns(connection: sqlite3.Connection, table: str) -> Columns:
    return tuple(connection.execute(COLUMNS_SQL, (table,)).fetchall())


def _difference(table: str, found: Columns, expected: Columns) -> str:
    """Return how a table's columns differ from those that Patina gives it, or ""."""
    names, wanted = [str(column[0]) for column in found], [str(column[0]) for column in expected]
    if lacking := [name for name in wanted if name not in names]:
        return f"table {table} lacks {', '.join(lacking)}"
    if further := [name for name in names if name not in wanted]:
        return f"table {table} has a further column {shown(further[0])}"
    for column, other in zip(found, expected, strict=True):
        if column != other:
            return f"column {column[0]} of table {table} is declared in another way"
    return ""


def _has_only_own_checks(table: str, sql: str) -> bool:
    # Counted in the text as it stands, comments included: a comment may end in the middle of a quoted name.
    squeezed = "".join(sql.lower().split())
    own = squeezed.count(OWN_CHECK) if table == "eventlog" else 0
    return squeezed.count("check") == own <= 1


def _computed_index(connection: sqlite3.Connection, table: str) -> str | None:
    for name, partial in connection.execute(INDEXES_SQL, (table,)).fetchall():
        if partial or connection.execute(COMPUTED_SQL, (name,)).fetchone()[0]:
            return str(name)
    return None


@functools.cache
def _own_schema() -> tuple[Mapping[str, Columns], frozenset[str]]:
    """Return the columns of each table that Patina makes, and the names of its indexes."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(EVENTLOG_SQL + STATE_SQL + VIEWS_SQL)
        names: dict[str, set[str]] = defaultdict(set)
        for name, kind, *_ in connection.execute(SCHEMA_SQL).fetchall():
            names[kind].add(name)
        tables = {name: _columns(connection, name) for name in names["table"] if not name.startswith("sqlite_")}
        return tables, frozenset(name for name in names["index"] if not name.startswith("sqlite_"))
