"""The eventlog, read-only: schema check, the rows of a source and their digest, and a cheap change probe."""

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patina_resources.errors import PatinaError, shown
from patina_resources.payloads import MAX_DEPTH, SHALLOW_FUNCTION, is_shallow_json, readable
from patina_resources.store.database import WorkLimit, has_log, has_whole_table, open_read_only, refuse_odd_files

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.exc import DatabaseError

REQUIRED_COLUMNS = ("seq", "event_type", "timestamp", "source_id", "source_file", "data")
BUSY_TIMEOUT_SECONDS = 60.0
NAMED_INVALID_ROWS = 3
CHANGE_COUNTER_OFFSET = 24
_WORD = re.compile(r"[\w.-]{1,64}")
# The state of the file whose structure this process last found whole.
_whole: set[str] = set()

TABLE_SQL = """
SELECT type, rootpage > 0 FROM sqlite_master WHERE lower(name) = 'eventlog' AND type IN ('table', 'view')
"""

# What vanished from the repository is retracted by an appended event that names the seqs it takes back: earlier ones.
# The one definition of a live event, for everyone who reads or writes. (`NOT IN` of a list with a NULL is never true.)
NOT_RETRACTED = f"""seq NOT IN (
        SELECT taken_back.value
        FROM eventlog AS removal,
             json_each(CASE WHEN {readable("removal.")} THEN removal.data ELSE '{{}}' END, '$.seqs') AS taken_back
        WHERE removal.event_type IN ('git.removed', 'session.removed', 'code.removed')
              AND taken_back.type = 'integer' AND taken_back.value < removal.seq)"""

# Every row that no source reads, and why.
UNREADABLE_SQL = f"""
SELECT seq, event_type,
       CASE WHEN typeof(seq) <> 'integer' THEN 'seq is not a whole number'
            WHEN typeof(data) <> 'text' THEN 'data is not text'
            WHEN NOT json_valid(data) THEN 'data is not valid JSON'
            ELSE 'data is nested more than {MAX_DEPTH} levels deep' END
FROM eventlog
WHERE NOT {readable()}
ORDER BY seq
"""

Row = tuple[Any, ...]
# A BLOB where text belongs is told by its repr. One encoder for all rows: `json.dumps` would make one for each.
_encode = json.JSONEncoder(default=repr).encode


@dataclass(frozen=True)
class Source:
    """One SQL query over the eventlog, known by a name such as `git.co_changes`."""

    name: str
    sql: str


@dataclass(frozen=True)
class SourceRows:
    """What a source returns now.

    Attributes:
        rows: The rows, in the query's order.
        digest: SHA-256 (hex) of the rows and of nothing else.
    """

    rows: list[Row]
    digest: str


@dataclass(frozen=True)
class SourceDigest:
    """A source's digest and row count, without its rows."""

    digest: str
    rows: int


@dataclass(frozen=True)
class Look:
    """What a look at the eventlog found.

    Attributes:
        digests: Each source's digest, by name.
        warning: A sentence about rows that every source leaves out, or "".
        document: To be remembered, and given to the next look.
    """

    digests: Mapping[str, SourceDigest]
    warning: str
    document: bytes


@dataclass(frozen=True)
class Eventlog:
    """An append-only SQLite eventlog that another process may be writing to."""

    path: Path

    @contextmanager
    def connect(self) -> "Iterator[Connection]":
        """Yield a read-only connection in one read transaction: every query in it sees the same events.

        Raises:
            PatinaError: The file is missing, not a database, without the expected table or columns, or locked.
        """
        # Imported when an eventlog is opened: search needs none, and must start quickly.
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DatabaseError
        from sqlalchemy.pool import NullPool

        refuse_odd_files(self.path)
        if not self.path.exists():
            raise PatinaError(f"no eventlog at {self.path}: run `patina materialize`")
        # Asked before SQLite opens the file: to close it again would take away the locks that SQLite holds (POSIX).
        state = f"{self.path.absolute()} {self.probe()}"
        # Not pooled: a run must not keep a handle on a file that may be replaced.
        engine = create_engine("sqlite://", creator=self._open, poolclass=NullPool)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                self._check_schema(connection)
                self._check_structure(connection, state)
                yield connection
        except DatabaseError as error:
            raise PatinaError(f"{self.path}: {self._explain(error)}") from error
        finally:
            engine.dispose()

    def _open(self) -> sqlite3.Connection:
        connection = open_read_only(self.path, BUSY_TIMEOUT_SECONDS)
        WorkLimit(connection, self.path)
        # Text that is not UTF-8 must not stop a run.
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.create_function(SHALLOW_FUNCTION, 1, is_shallow_json, deterministic=True)
        return connection

    def _check_schema(self, connection: "Connection") -> None:
        """Raise PatinaError unless `eventlog` is an ordinary table: a view or computed column would run its own SQL."""
        found = connection.exec_driver_sql(TABLE_SQL).fetchone()
        if found is None:
            raise PatinaError(
                f"{self.path}: no table `eventlog`: expected a Patina eventlog, made by `patina materialize`"
            )
        ordinary = tuple(found) == ("table", 1)
        columns = connection.exec_driver_sql("PRAGMA table_xinfo(eventlog)").fetchall() if ordinary else []
        if not ordinary or any(column[6] for column in columns):
            raise PatinaError(
                f"{self.path}: `eventlog` is a view, a virtual table, or has computed columns: expected an ordinary "
                "table, as `patina materialize` makes it"
            )
        missing = [column for column in REQUIRED_COLUMNS if column not in {column[1] for column in columns}]
        if missing:
            raise PatinaError(
                f"{self.path}: table eventlog lacks the column{'s' if len(missing) > 1 else ''} "
                f"{', '.join(missing)}: expected {', '.join(REQUIRED_COLUMNS)}"
            )

    def _check_structure(self, connection: "Connection", state: str) -> None:
        """Raise PatinaError if the table's pages are no tree; asked once for each state of the file in a process."""
        if state in _whole:
            return
        driver = connection.connection.driver_connection
        if not isinstance(driver, sqlite3.Connection) or not has_whole_table(driver, "eventlog"):
            raise PatinaError(f"{self.path}: {self._damaged('database disk image is malformed')}")
        _whole.clear()
        _whole.add(state)

    def _explain(self, error: "DatabaseError") -> str:
        reason = str(error.orig)
        if "not a database" in reason:
            return "is not an SQLite database: point [eventlog] path in .patina/config.toml at the eventlog"
        if "locked" in reason or "busy" in reason:
            return f"locked by another process for {BUSY_TIMEOUT_SECONDS:.0f} s: try again when it is done"
        if "interrupted" in reason:
            return "reading it takes more work than a file of its size explains: restore it from a copy"
        if "unable to open" in reason and has_log(self.path):
            return (
                "its write-ahead log (-wal) holds events, and cannot be read in a folder that you may not write to: "
                "copy the file and its -wal to a folder of yours, or have its owner run `patina materialize`"
            )
        if "readonly" in reason and Path(f"{self.path}-journal").exists():
            return "a write to it was cut off: run `patina materialize`, which completes or takes back that write"
        return self._damaged(reason)

    def _damaged(self, reason: str) -> str:
        return f"cannot be read as an eventlog ({reason}): restore it, or run `patina materialize --full`"

    def probe(self) -> str:
        """Return a text that changes whenever the file or its write-ahead log does, without reading events.

        Beside what the file system says, it holds the database's change counter (SQLite file format, 1.3.7): a write
        may keep the size and fall into one tick of the clock.
        """
        parts = []
        for path in (self.path, Path(f"{self.path}-wal")):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            if status.st_size:  # an empty write-ahead log comes and goes with every reader
                parts.append(f"{path.name}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
        with suppress(OSError):
            # A named pipe is not waited for.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                parts.append(os.pread(descriptor, 4, CHANGE_COUNTER_OFFSET).hex())
            finally:
                os.close(descriptor)
        return " ".join(parts)

    def last_seq(self) -> int:
        """Return the highest seq, 0 for an eventlog without events."""
        query = "SELECT seq FROM eventlog WHERE typeof(seq) = 'integer' ORDER BY seq DESC LIMIT 1"
        with self.connect() as connection:
            return int(connection.exec_driver_sql(query).scalar() or 0)

    def event_counts(self) -> dict[str, int]:
        """Return the number of events of each type."""
        with self.connect() as connection:
            query = "SELECT event_type, COUNT(*) FROM eventlog GROUP BY event_type ORDER BY event_type"
            return {str(kind): int(count) for kind, count in connection.exec_driver_sql(query)}

    def read(self, sources: Sequence[Source]) -> dict[str, SourceRows]:
        """Return the rows of each source, all from one read transaction.

        Raises:
            PatinaError: See `connect`.
        """
        with self.connect() as connection:
            return {source.name: _read(connection, source) for source in sources}

    def look(self, sources: Sequence[Source], remembered: bytes = b"") -> "Look":
        """Return each source's digest and a warning about unreadable rows.

        Args:
            sources: The sources to look at.
            remembered: The `document` of an earlier look: believed as long as `probe` gives the same.

        Raises:
            PatinaError: See `connect`.
        """
        probe = self.probe()
        known, warning = _remembered(remembered, probe)
        missing = [source for source in sources if _cache_key(source) not in known]
        if missing or not known:
            _, warning = self.invalid_rows()
            with self.connect() as connection:
                known |= {_cache_key(source): _digest(connection, source) for source in missing}
        document = _look_document(probe, known, warning)
        return Look({source.name: known[_cache_key(source)] for source in sources}, warning, document)

    def invalid_rows(self) -> tuple[int, str]:
        """Return how many rows cannot be read, and a sentence that names the first ones and why ("" for none).

        Such rows are left out by every source.
        """
        with self.connect() as connection:
            rows = connection.exec_driver_sql(UNREADABLE_SQL).fetchall()
        if not rows:
            return 0, ""
        reasons: dict[str, list[str]] = {}
        for seq, kind, reason in rows[:NAMED_INVALID_ROWS]:
            reasons.setdefault(reason, []).append(f"seq {shown(seq)} ({_plain(kind)})")
        named = "; ".join(f"{reason} in {', '.join(places)}" for reason, places in reasons.items())
        more = f" and {len(rows) - NAMED_INVALID_ROWS} more" if len(rows) > NAMED_INVALID_ROWS else ""
        return len(rows), f"{self.path}: {named}{more}: left out of every source"


def rows_digest(rows: Iterable[Row]) -> str:
    """Return the SHA-256 (hex) of the rows: each as a line of JSON."""
    return _digest_of(rows).digest


def _digest_of(rows: Iterable[Row]) -> SourceDigest:
    digest = hashlib.sha256()
    count = 0
    for row in rows:
        digest.update(_encode(row).encode())
        digest.update(b"\n")
        count += 1
    return SourceDigest(digest.hexdigest(), count)


def _plain(kind: object) -> str:
    """Return an event type for a sentence: as it is where it is a word, else quoted."""
    return kind if isinstance(kind, str) and _WORD.fullmatch(kind) else shown(kind)


def _read(connection: "Connection", source: Source) -> SourceRows:
    rows = [tuple(row) for row in connection.exec_driver_sql(source.sql)]
    return SourceRows(rows, rows_digest(rows))


def _digest(connection: "Connection", source: Source) -> SourceDigest:
    """Return a source's digest without keeping its rows: an eventlog may be larger than memory."""
    return _digest_of(tuple(row) for row in connection.exec_driver_sql(source.sql))


def _cache_key(source: Source) -> str:
    return f"{source.name}@{hashlib.sha256(source.sql.encode()).hexdigest()[:16]}"


def _look_document(probe: str, digests: Mapping[str, SourceDigest], warning: str) -> bytes:
    entries = {key: {"digest": entry.digest, "rows": entry.rows} for key, entry in digests.items()}
    content = {"probe": probe, "warning": warning, "digests": entries}
    return json.dumps({**content, "sha256": _content_digest(content)}, indent=1, sort_keys=True).encode()


def _content_digest(content: Mapping[str, object]) -> str:
    """Return what tells that a remembered look is as it was written: a wrong digest in it would be believed."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _remembered(document: bytes, probe: str) -> tuple[dict[str, SourceDigest], str]:
    """Return what an earlier look found; one that is damaged or of another state of the file found nothing."""
    try:
        content = json.loads(document)
        if content.pop("sha256") != _content_digest(content) or content["probe"] != probe:
            return {}, ""
        digests = {
            str(key): SourceDigest(str(entry["digest"]), int(entry["rows"]))
            for key, entry in content["digests"].items()
        }
        return digests, str(content["warning"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}, ""
