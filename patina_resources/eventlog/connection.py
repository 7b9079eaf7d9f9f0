"""One read-only connection to an eventlog that anybody may have written, and another process may be writing to."""

import atexit
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from patina_resources.documents.json_value import is_shallow_json
from patina_resources.errors import PatinaError
from patina_resources.eventlog.payloads import SHALLOW_FUNCTION
from patina_resources.store.database import (
    SIDE_FILES,
    WorkLimit,
    cannot_share_log,
    has_whole_table,
    is_for_want_of_room,
    open_read_only,
)
from patina_resources.store.folders.runtime import copy_unchanged, make_runtime_folder, remove_runtime_folder

REQUIRED_COLUMNS = ("seq", "event_type", "timestamp", "source_id", "source_file", "data")
BUSY_TIMEOUT_SECONDS = 60.0
TABLE_SQL = """
SELECT type, rootpage > 0 FROM sqlite_master WHERE lower(name) = 'eventlog' AND type IN ('table', 'view')
"""
# The state of the file whose structure this process last found whole.
_whole: set[str] = set()
# Copies that this process made of eventlogs, by path: the state of the file then, and the folder of the copy.
_copies: dict[Path, tuple[str, Path]] = {}


@contextmanager
def connected(path: Path, state: str, *, whole: bool = True) -> Iterator[sqlite3.Connection]:
    """Yield a read-only connection in one read transaction: every query in it sees the same events.

    Args:
        path: A file that `refuse_odd_files` accepts.
        state: A text that changes whenever the file or its write-ahead log does.
        whole: Look first whether the table's pages are a tree.

    Raises:
        PatinaError: The file is missing, not a database, without the expected table or columns, or locked.
    """
    if not path.exists():
        raise PatinaError(f"no eventlog at {path}: run `patina materialize`")
    readable = _copy(path, state) if cannot_share_log(path) else path
    try:
        with closing(_opened(readable)) as connection:
            connection.execute("BEGIN")
            _check_schema(connection, path)
            if whole:
                refuse_damaged(connection, path, state)
            yield connection
    except sqlite3.DatabaseError as error:
        raise PatinaError(f"{path}: {_explain(path, error)}") from error


def _opened(path: Path) -> sqlite3.Connection:
    connection = open_read_only(path, BUSY_TIMEOUT_SECONDS)
    WorkLimit(connection, path)
    # Text that is not UTF-8 must not stop a run.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.create_function(SHALLOW_FUNCTION, 1, is_shallow_json, deterministic=True)
    return connection


def _copy(path: Path, state: str) -> Path:
    """Return a copy of an eventlog and its write-ahead log, made once for each state of them.

    `immutable` would read the file as if there were no log, and miss what is in it.
    """
    made = _copies.get(path)
    if made is None or made[0] != state:
        _forget_copy(path)
        try:
            folder = make_runtime_folder()
            _copies[path] = (state, folder)
            copy_unchanged([path, Path(f"{path}{SIDE_FILES[0]}")], folder)
        except OSError as error:
            _forget_copy(path)
            raise PatinaError(
                f"{path}: its write-ahead log (-wal) holds events, so it is read from a copy, which cannot be made "
                f"({error.strerror or error}): free some space, or set TMPDIR to a folder with more of it"
            ) from error
    return _copies[path][1] / path.name


def _forget_copy(path: Path) -> None:
    _, folder = _copies.pop(path, ("", None))
    if folder is not None:
        remove_runtime_folder(folder)


@atexit.register
def _forget_copies() -> None:
    for path in list(_copies):
        _forget_copy(path)


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Raise PatinaError unless `eventlog` is an ordinary table: a view or computed column would run its own SQL."""
    found = connection.execute(TABLE_SQL).fetchone()
    if found is None:
        raise PatinaError(f"{path}: no table `eventlog`: expected a Patina eventlog, made by `patina materialize`")
    ordinary = found == ("table", 1)
    columns = connection.execute("PRAGMA table_xinfo(eventlog)").fetchall() if ordinary else []
    if not ordinary or any(column[6] for column in columns):
        raise PatinaError(
            f"{path}: `eventlog` is a view, a virtual table, or has computed columns: expected an ordinary "
            "table, as `patina materialize` makes it"
        )
    missing = [column for column in REQUIRED_COLUMNS if column not in {column[1] for column in columns}]
    if missing:
        raise PatinaError(
            f"{path}: table eventlog lacks the column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(missing)}: expected {', '.join(REQUIRED_COLUMNS)}"
        )


def refuse_damaged(connection: sqlite3.Connection, path: Path, state: str) -> None:
    """Raise PatinaError if the table's pages are no tree; asked once for each state of the file in a process."""
    state = f"{path.absolute()} {state}"
    if state in _whole:
        return
    if not has_whole_table(connection, "eventlog"):
        raise PatinaError(f"{path}: {_damaged('database disk image is malformed')}")
    _whole.clear()
    _whole.add(state)


def _explain(path: Path, error: sqlite3.DatabaseError) -> str:
    reason = str(error)
    if "not a database" in reason:
        return "is not an SQLite database: point [eventlog] path in .patina/config.toml at the eventlog"
    if "locked" in reason or "busy" in reason:
        return f"locked by another process for {BUSY_TIMEOUT_SECONDS:.0f} s: try again when it is done"
    if "interrupted" in reason:
        return "reading it takes more work than a file of its size explains: restore it from a copy"
    if "readonly" in reason and Path(f"{path}-journal").exists():
        return "a write to it was cut off: run `patina materialize`, which completes or takes back that write"
    if is_for_want_of_room(path, error):
        return "the disk is full, and SQLite needs some of it to read: free some space and run it again"
    return _damaged(reason)


def _damaged(reason: str) -> str:
    return f"cannot be read as an eventlog ({reason}): restore it, or run `patina materialize --full`"
