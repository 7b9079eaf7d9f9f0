"""Reads the rows of an embedding cache that this installation has not sealed, and makes a cache of ours from them.

It was interrupted, is of an older version, or came from elsewhere. Each row carries a keyed digest of its own: rows of
ours are kept, whatever became of the file around them. The file itself is only read.
"""

import hmac
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from itertools import islice
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.database import WorkLimit, open_read_only
from patina_resources.store.files import TEMPORARY_PREFIX, make_way, move
from patina_resources.store.mutex import exclusive
from patina_resources.store.seals import has_content, is_sealed, seal
from patina_resources.store.trust import installation_key

FORMAT = 2
FORMAT_WITHOUT_KEY = 1
SCHEMA = """
CREATE TABLE vector (
    model TEXT NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, check_value INTEGER NOT NULL, mac BLOB NOT NULL,
    PRIMARY KEY (model, text)
)
"""
INSERT_SQL = "INSERT OR REPLACE INTO vector VALUES (?, ?, ?, ?, ?)"
SELECT_SQL = {
    FORMAT: "SELECT model, text, vector, check_value, mac FROM vector",
    FORMAT_WITHOUT_KEY: "SELECT model, text, vector, check_value, x'' FROM vector",
}
MAC_BYTES = 16
CHUNK_ROWS = 1024
BUSY_TIMEOUT_SECONDS = 60.0
CACHE_NAME = "cache.db"
# Another process may be embedding.
MUTEX_WAIT_SECONDS = 900.0
DAMAGED_SUFFIX = ".damaged"
FOREIGN_SUFFIX = ".foreign"
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_INTERRUPT}

VectorRow = tuple[str, bytes, bytes, int, bytes]


class DamagedCacheError(PatinaError):
    """The cache's bytes are not those of a cache; what it held can be computed again."""


class ForeignCacheError(PatinaError):
    """Nothing in the cache was computed by this user's installation."""


def check_value(text: bytes, vector: bytes) -> int:
    """Return the CRC-32 of key and vector together, so that another text's vector does not pass either."""
    return zlib.crc32(vector, zlib.crc32(text))


def row_mac(key: bytes, model: str, text: bytes, vector: bytes) -> bytes:
    """Return the digest of a row under the key of an installation, 16 bytes: HMAC-SHA256, cut."""
    message = b"vector\0%d\0%s%d\0%s%s" % (len(model), model.encode(), len(text), text, vector)
    return hmac.digest(key, message, "sha256")[:MAC_BYTES]


def new_row(key: bytes, model: str, text: bytes, vector: bytes) -> VectorRow:
    """Return a row as it stands in a cache of the installation that has this key."""
    return model, text, vector, check_value(text, vector), row_mac(key, model, text, vector)


def recovered_rows(path: Path, *, accept_others: bool) -> Iterator[VectorRow | None]:
    """Yield the rows of a cache that are intact and ours, as rows of ours; None for each of the others.

    Args:
        path: The SQLite file; it is only read.
        accept_others: Take intact rows whoever computed them.

    Raises:
        sqlite3.Error: It is damaged, of another format, or takes endless time to read.
    """
    if has_content(path.with_name(f"{path.name}-journal")):
        raise _not_a_cache("a rollback journal lies beside it, which is not ours")
    with closing(open_read_only(path, BUSY_TIMEOUT_SECONDS)) as connection:
        connection.text_factory = bytes
        WorkLimit(connection, path)
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        kind = connection.execute("SELECT type, sql FROM sqlite_schema WHERE name = 'vector'").fetchone()
        if kind is None and found == 0:
            return
        if found not in SELECT_SQL or kind is None or kind[0] != b"table" or b"VIRTUAL" in kind[1].upper():
            raise _not_a_cache(f"format {found}, expected {FORMAT}")
        key = installation_key()
        for name, text, vector, check, mac in connection.execute(SELECT_SQL[found]):
            yield _recovered(key, name, text, vector, check, mac, accept_others)


def _recovered(
    key: bytes, name: object, text: object, vector: object, check: object, mac: object, accept: bool
) -> VectorRow | None:
    if not (isinstance(name, bytes) and isinstance(text, bytes) and isinstance(vector, bytes)):
        return None
    model = name.decode("utf-8", "replace")
    row = new_row(key, model, text, vector)
    ours = isinstance(mac, bytes) and hmac.compare_digest(mac, row[-1])
    return row if check == check_value(text, vector) and (accept or ours) else None


def _not_a_cache(reason: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error


def holding(path: Path, doing: str) -> AbstractContextManager[int]:
    """Return a context in which no other process has the cache.

    Raises:
        PatinaError: On entering, another process still has it.
    """
    return exclusive(path.with_name(f"{path.name}.mutex"), MUTEX_WAIT_SECONDS, doing)


def accept_cache(path: Path) -> None:
    """Take over the intact rows of a cache, whoever computed them.

    Args:
        path: The cache itself, or one that was put aside beside it: its rows are then added to the cache.

    Raises:
        PatinaError: It is damaged, or something cannot be written.
    """
    cache = path.with_name(CACHE_NAME)
    with holding(cache, "taking vectors over"):
        sources = [path, cache] if path != cache and is_sealed(cache) else [path]
        recover_cache(cache, sources, accept_others=True)
    if path != cache:
        path.unlink(missing_ok=True)


def recover_cache(path: Path, sources: Sequence[Path], *, accept_others: bool) -> int:
    """Make a cache of ours from the rows of files that are not sealed, and return their number.

    The caller holds its mutex. The cache is replaced at the end; a kill before that leaves it as it was.

    Args:
        path: The cache.
        sources: Where the rows are; of two rows of one text the later counts.
        accept_others: Take intact rows whoever computed them.

    Raises:
        ForeignCacheError: There are rows, and none of them is ours.
        DamagedCacheError: A file is damaged, or another kind of file.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
    try:
        temporary.unlink(missing_ok=True)
        copied = [_copy_rows(temporary, source, accept_others=accept_others) for source in sources]
        count = sum(kept for kept, _ in copied)
        if not count and any(left_out for _, left_out in copied):
            raise ForeignCacheError(f"{path}: its vectors were computed elsewhere: run `patina trust` to accept them")
        remove_journals(path)
        make_way(path)
        move(temporary, path)
        seal(path)
    except OSError as error:
        raise refusal(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _copy_rows(target: Path, source: Path, *, accept_others: bool) -> tuple[int, int]:
    """Return how many rows were copied, and how many left out."""
    seen = kept = 0
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as connection:
            if cache_format(connection) != FORMAT:
                create_cache(connection)
            rows = recovered_rows(source, accept_others=accept_others)
            while chunk := list(islice(rows, CHUNK_ROWS)):
                ours = [row for row in chunk if row is not None]
                insert_rows(connection, ours)
                seen, kept = seen + len(chunk), kept + len(ours)
    except sqlite3.Error as error:
        raise refusal(source, error) from error
    return kept, seen - kept


def refusal(path: Path, error: Exception) -> PatinaError:
    """Return what an error of SQLite means for a cache."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED | {sqlite3.SQLITE_IOERR}:
        kind = DamagedCacheError if code in _DAMAGED else PatinaError
        return kind(
            f"{path}: the embedding cache is damaged ({error}): delete it and run `patina oxidize` again, "
            "it holds only vectors that can be computed again"
        )
    if code == sqlite3.SQLITE_BUSY:
        return PatinaError(
            f"{path}: the embedding cache is busy, another process has been writing to it for "
            f"{BUSY_TIMEOUT_SECONDS:.0f} s: run `patina oxidize` again when it is done"
        )
    return PatinaError(
        f"{path}: the embedding cache cannot be used ({error}): make sure that its folder can be written "
        "and that the disk has room, then run `patina oxidize` again"
    )


def put_aside(path: Path, suffix: str) -> Path:
    """Move a cache out of the way, to its name with `suffix`, and return that place.

    Raises:
        PatinaError: It cannot be moved.
    """
    aside = path.with_name(f"{path.name}{suffix}")
    try:
        remove_journals(path)
        make_way(aside)
        path.replace(aside)
    except OSError as error:
        raise PatinaError(f"{path}: cannot be moved away ({error.strerror or error})") from error
    return aside


def remove_journals(path: Path) -> None:
    """Delete a database's journals: they would be replayed into the file that takes its place."""
    for journal in ("-wal", "-shm", "-journal"):
        path.with_name(f"{path.name}{journal}").unlink(missing_ok=True)


def create_cache(connection: sqlite3.Connection) -> None:
    """Make the table in a new file."""
    connection.execute("PRAGMA page_size = 8192")
    connection.execute(SCHEMA)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def insert_rows(connection: sqlite3.Connection, rows: Iterable[VectorRow]) -> None:
    """Add or replace rows: all of them, or none."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT_SQL, rows)


def cache_format(connection: sqlite3.Connection) -> int:
    """Return the number of the file's format; 0 for a new file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
