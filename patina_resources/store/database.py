"""SQLite files that anybody may have written: what may be opened, and what its content may not do.

A repository can commit any bytes under a database's name and under the names of the files that SQLite keeps beside it.
So the file and its side files are looked at first, and a connection is told to trust nothing that the schema says
(https://www.sqlite.org/security.html).
"""

import os
import shutil
import sqlite3
import sys
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.files import unusual

SIDE_FILES = ("-wal", "-shm", "-journal")
# What a rollback journal ends with that names a further file. SQLite deletes that file when it plays the journal back.
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
FORMAT_VERSION_OFFSET = 18
WAL_FORMAT = b"\x02"
HEADER_BYTES = 100
SQLITE_VERSION = sqlite3.sqlite_version
# Steps of SQLite's machine. All sources together take 0.19 a byte of a real eventlog, and 6.2 where every row is small
# and equal; a tree whose pages are reached by many ways takes any number.
STEPS_PER_BYTE = 100
LEAST_STEPS = 10_000_000
STEPS_BETWEEN_CHECKS = 100_000
# How `PRAGMA quick_check` begins what it says of pages rather than of rows.
STRUCTURAL = "*** in database"
# SQLite says "disk I/O error" where there is no room for the first 32 KiB of its shared memory, even to read.
SHARED_BYTES = 1 << 15


def is_for_want_of_room(path: Path, error: Exception) -> bool:
    """Return whether SQLite failed since the disk that a database is on is full."""
    if "disk I/O error" in str(error):
        return shutil.disk_usage(path.parent).free < SHARED_BYTES
    return "is full" in str(error)


def refuse_odd_files(path: Path) -> None:
    """Raise PatinaError unless the database and its side files are plain files of one name each, or missing.

    A named pipe would be waited for; a link, or a file with a second name, would be another program's.
    """
    for place in (path, *_beside(path)):
        try:
            status = place.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise PatinaError(f"{place}: cannot be looked at ({error.strerror}): check the path") from error
        if odd := unusual(status):
            raise PatinaError(
                f"{place}: is {odd}: expected a regular file: move it away, or name another eventlog under [eventlog] "
                "path in .patina/config.toml"
            )
    if _names_a_further_file(_beside(path)[-1]):
        raise PatinaError(
            f"{_beside(path)[-1]}: names a further file, which SQLite would delete: no Patina tool writes such a "
            "journal: move it away"
        )


def harden(connection: sqlite3.Connection) -> None:
    """Have a connection run nothing but SQLite's own harmless functions on behalf of the schema, and attach no file."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA recursive_triggers = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)


class WorkLimit:
    """Stops what runs on a connection when it is out of proportion to the file's size: `interrupted`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, least: int = LEAST_STEPS) -> None:
        """Watch a connection to the database at `path`, which always has `least` steps."""
        self._path, self._least = path, least
        self.begin()
        connection.set_progress_handler(self._is_used_up, STEPS_BETWEEN_CHECKS)

    def begin(self) -> None:
        """Start anew, with what the file's present size allows."""
        self._left = self._least + STEPS_PER_BYTE * stored_bytes(self._path)

    def allow(self, added_bytes: int) -> None:
        """Allow more, for what is being added to the file."""
        self._left += STEPS_PER_BYTE * added_bytes

    def _is_used_up(self) -> bool:
        self._left -= STEPS_BETWEEN_CHECKS
        return self._left < 0


def has_whole_table(connection: sqlite3.Connection, table: str) -> bool:
    """Return whether no page of a table or of its indexes is reached by more than one way, or is damaged.

    A few such pages can hold more rows than could ever be read or deleted.
    """
    connection.execute("PRAGMA ignore_check_constraints = ON")  # checks are of rows, not of pages
    try:
        problem = connection.execute(f"PRAGMA quick_check({table})").fetchone()
    finally:
        connection.execute("PRAGMA ignore_check_constraints = OFF")
    return problem is None or not str(problem[0]).startswith(STRUCTURAL)


def open_read_only(path: Path, timeout: float) -> sqlite3.Connection:
    """Return a hardened connection that reads.

    A database with a write-ahead log needs a shared file beside it, which cannot be made in a folder that is
    read-only; where there is nothing in the log, it is read without. Where there is, see `cannot_share_log`.

    Args:
        path: A file that `refuse_odd_files` accepts.
        timeout: How long to wait for another process (seconds).

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    alone = _cannot_make_files_beside(path) and uses_log(path) and not has_log(path)
    return _opened(path, "&immutable=1" if alone else "", timeout)


def cannot_share_log(path: Path) -> bool:
    """Return whether there is something in the write-ahead log, and no way to read it where it lies.

    That takes the shared file `-shm`, which is not there and cannot be made. Not to be asked while this process has
    the database open, as `uses_log`.
    """
    return (
        _cannot_make_files_beside(path)
        and uses_log(path)
        and has_log(path)
        and not os.access(_beside(path)[1], os.R_OK)
    )


def _cannot_make_files_beside(path: Path) -> bool:
    return not os.access(path.absolute().parent, os.W_OK)


def open_unchanged(path: Path, timeout: float) -> sqlite3.Connection:
    """Return a hardened connection that reads and leaves no file behind, as far as SQLite can.

    Where another process may be writing, that is the usual connection, which waits for it.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    alone = uses_log(path) and not any(place.exists() and place.stat().st_size for place in _beside(path)[:2])
    return _opened(path, "&immutable=1" if alone else "", timeout)


def open_as_it_lies(path: Path) -> sqlite3.Connection:
    """Return a hardened connection that reads the file alone, whatever unfinished write lies beside it.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    return _opened(path, "&immutable=1", 0.0)


def _opened(path: Path, options: str, timeout: float) -> sqlite3.Connection:
    # The path is quoted: characters that mean something in a URI are part of its name.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{options}", uri=True, timeout=timeout)
    try:
        harden(connection)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def stored_bytes(path: Path) -> int:
    """Return the size of a database with its write-ahead log."""
    return sum(place.stat().st_size for place in (path, _beside(path)[0]) if place.exists())


def uses_log(path: Path) -> bool:
    """Return whether a database is in write-ahead mode (SQLite file format, 1.3.3).

    Not to be asked while this process has it open: to close a file takes away all of a process's locks on it (POSIX).
    """
    return _header(path)[FORMAT_VERSION_OFFSET : FORMAT_VERSION_OFFSET + 1] == WAL_FORMAT


def has_log(path: Path) -> bool:
    """Return whether there is anything in a database's write-ahead log."""
    log = _beside(path)[0]
    return log.exists() and log.stat().st_size > 0


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEADER_BYTES)


def _beside(path: Path) -> list[Path]:
    return [Path(f"{path}{ending}") for ending in SIDE_FILES]


def _names_a_further_file(journal: Path) -> bool:
    try:
        with journal.open("rb") as file:
            file.seek(-len(JOURNAL_MAGIC), os.SEEK_END)
            return file.read() == JOURNAL_MAGIC
    except OSError:  # missing, or shorter
        return False
