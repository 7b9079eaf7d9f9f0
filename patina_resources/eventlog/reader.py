"""The eventlog, read-only: the rows of a source and their digests, and a cheap change probe."""

import hashlib
import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from patina_resources.eventlog.connection import connected, refuse_damaged
from patina_resources.eventlog.looks.memory import Look, LookMemory, SourceDigest, decode_memory, encode_memory
from patina_resources.eventlog.looks.since import LAST_SEQ_SQL, extent_of, touched_since
from patina_resources.eventlog.looks.unreadable import unreadable_rows
from patina_resources.store.database import refuse_odd_files

CHANGE_COUNTER_OFFSET = 24
# The types of events that a query names.
_TYPE = re.compile(r"'((?:git|session|code|doc|forge)\.[a-z_]+)'")
# So many events are read at each look: about a second.
MOST_READ = 100_000
# The digest of a source begins so where its rows may have changed and were not read again.
PRESUMED = "not read since "
# Rows of a larger eventlog are not kept: they take a few times as much memory as the file does.
MOST_KEPT_BYTES = 64 << 20

Row = tuple[Any, ...]
# A BLOB where text belongs is told by its repr. One encoder for all rows: `json.dumps` would make one for each.
_encode = json.JSONEncoder(default=repr).encode


@dataclass(frozen=True)
class CommonTable:
    """What several sources begin with. Who reads more than one of them has it computed once.

    Attributes:
        name: The name of the last of its common table expressions.
        sql: These, from `WITH` on, without a comma at the end.
    """

    name: str
    sql: str


@dataclass(frozen=True)
class Source:
    """One SQL query over the eventlog, known by a name such as `git.co_changes`.

    Its rows, and their order, follow from what live events say. No seq decides them: another machine appends the same
    events in another order, and has to build the same.

    Attributes:
        name: Its name.
        sql: The whole query.
        common: What the query begins with, where others begin so, too.
    """

    name: str
    sql: str
    common: CommonTable | None = None

    def behind_common(self) -> str:
        """Return the query where there is a table of the name of its common table."""
        behind = self.sql.removeprefix(self.common.sql if self.common else "").lstrip()
        return f"WITH {behind[1:]}" if behind.startswith(",") else behind

    @property
    def event_types(self) -> frozenset[str]:
        """The types of events that decide its rows, as the query names them; empty where it reads all."""
        return frozenset(name for name in _TYPE.findall(self.sql) if not name.endswith(".removed"))


@dataclass(frozen=True)
class SourceRows:
    """What a source returns now.

    Attributes:
        rows: The rows, in the query's order.
        digest: SHA-256 (hex) of the rows and of nothing else.
    """

    rows: list[Row]
    digest: str


class KeptRows:
    """Rows that one process has read of an eventlog, for as long as the eventlog does not change.

    Copies are empty: what another process reads may be newer.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._probe = ""
        self._rows: dict[str, SourceRows] = {}

    def __reduce__(self) -> tuple[type["KeptRows"], tuple[()]]:
        return KeptRows, ()

    def of(self, probe: str) -> dict[str, SourceRows]:
        """Return what was read in the state of the eventlog that has this probe, by hash of the SQL; add to it."""
        if probe != self._probe:
            self._probe, self._rows = probe, {}
        return self._rows


@dataclass(frozen=True)
class Eventlog:
    """An append-only SQLite eventlog that another process may be writing to.

    Attributes:
        path: The file.
        kept: Rows that were read already; None where nothing is kept.
    """

    path: Path
    kept: KeptRows | None = field(default=None, compare=False)

    def keeping_rows(self) -> "Eventlog":
        """Return it so that a source is read once, however often it is asked for; a large one stays as it is."""
        with suppress(OSError):
            if self.path.stat().st_size <= MOST_KEPT_BYTES:
                return Eventlog(self.path, KeptRows())
        return self

    @contextmanager
    def connect(self, *, whole: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield a read-only connection in one read transaction: every query in it sees the same events.

        Args:
            whole: Look through all pages first; not needed for a few rows.

        Raises:
            PatinaError: The file is missing, not a database, without the expected table or columns, or locked.
        """
        # Asked before SQLite opens the file: to close it again would take away the locks that SQLite holds (POSIX).
        refuse_odd_files(self.path)
        with connected(self.path, self.probe(), whole=whole) as connection:
            yield connection

    def probe(self) -> str:
        """Return a text that changes whenever the file or its write-ahead log does, without reading events.

        Beside what the file system says, it holds the database's change counter (SQLite file format, 1.3.7): a write
        may keep the size and fall into one tick of the clock.
        """
        parts = []
        for path in (self.path, Path(f"{self.path}-wal")):
            with suppress(FileNotFoundError):
                status = path.stat()
                if status.st_size:  # an empty write-ahead log comes and goes with every reader
                    parts.append(f"{path.name}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
        # A named pipe is not waited for.
        with suppress(OSError), os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            parts.append(os.pread(file.fileno(), 4, CHANGE_COUNTER_OFFSET).hex())
        return " ".join(parts)

    def last_seq(self) -> int:
        """Return the highest seq, 0 for an eventlog without events."""
        with self.connect() as connection:
            return _last_seq(connection)

    def event_counts(self) -> dict[str, int]:
        """Return the number of events of each type."""
        with self.connect() as connection:
            query = "SELECT event_type, COUNT(*) FROM eventlog GROUP BY event_type"
            return {str(kind): int(count) for kind, count in connection.execute(query)}

    def read(self, sources: Sequence[Source]) -> dict[str, SourceRows]:
        """Return the rows of each source, all from one read transaction.

        Raises:
            PatinaError: See `connect`.
        """
        probe = self.probe()
        kept = {} if self.kept is None else self.kept.of(probe)
        missing = [source for source in sources if _cache_key(source) not in kept]
        if missing:
            with self.connect() as connection:
                if self.probe() != probe:  # what was kept is of an earlier moment
                    return {source.name: _read(rows) for source, rows in _each(connection, sources)}
                kept |= {_cache_key(source): _read(rows) for source, rows in _each(connection, missing)}
        return {source.name: kept[_cache_key(source)] for source in sources}

    def rows(self, sources: Sequence[Source]) -> dict[str, Sequence[Row]]:
        """Return the rows of each source by its name, all from one read transaction, without their digests.

        Raises:
            PatinaError: See `connect`.
        """
        with self.connect() as connection:
            return {source.name: rows.fetchall() for source, rows in _each(connection, sources)}

    def first_rows(self, source: Source, count: int) -> list[Row]:
        """Return the first rows of a source.

        Raises:
            PatinaError: See `connect`.
        """
        with self.connect() as connection:
            return list(connection.execute(source.sql).fetchmany(count))

    def look(self, sources: Sequence[Source], remembered: bytes = b"", *, may_presume: bool = False) -> Look:
        """Return each source's digest and a warning about unreadable rows. Only what changed since is read.

        Args:
            sources: The sources to look at.
            remembered: The `document` of an earlier look: believed as far as the eventlog is as it was then.
            may_presume: In an eventlog of more than MOST_READ events, do not read a source of whose types there are
                new events. Its digest is then of no rows, and differs from all that were known.

        Raises:
            PatinaError: See `connect`.
        """
        memory, probe = decode_memory(remembered), self.probe()
        key_of = {source.name: _cache_key(source) for source in sources}
        known = {key: memory.known[key] for key in key_of.values() if key in memory.known}
        is_complete = len(known) == len(key_of) and (may_presume or not any(map(_is_presumed, known.values())))
        if probe != memory.probe or not is_complete:
            memory = self._look_again(replace(memory, probe=probe, known=known), sources, may_presume=may_presume)
        digests = {name: memory.known[key] for name, key in key_of.items()}
        return Look(digests, memory.warning, encode_memory(memory), memory.extent.last_seq)

    def _look_again(self, memory: LookMemory, sources: Sequence[Source], *, may_presume: bool) -> LookMemory:
        """Return a memory brought up to date; all of it is of one moment."""
        with self.connect(whole=False) as connection:
            extent = extent_of(connection, self._identity())
            touched = touched_since(connection, memory.extent, extent)
            known = {} if touched is None else dict(memory.known)
            for source in sources:
                before = known.get(_cache_key(source))
                if before and touched and (not source.event_types or touched & source.event_types):
                    known[_cache_key(source)] = SourceDigest(f"{PRESUMED}{extent.last_seq}", before.rows)
            presumes = may_presume and extent.count > MOST_READ
            unread = [
                source
                for source in sources
                if (found := known.get(_cache_key(source))) is None or (_is_presumed(found) and not presumes)
            ]
            warning = memory.warning
            if unread:
                refuse_damaged(connection, self.path, memory.probe)
                read = _each(connection, unread)
                known |= {_cache_key(source): self._digest(rows, source, memory.probe) for source, rows in read}
            if touched is None:
                _, warning = unreadable_rows(connection, self.path)
        return LookMemory(memory.probe, extent, known, warning)

    def _digest(self, rows: sqlite3.Cursor, source: Source, probe: str) -> SourceDigest:
        """Return a source's digest; its rows are kept where that is wanted: an eventlog may be larger than memory."""
        if self.kept is None:
            return _digest_of(rows)
        read = self.kept.of(probe)[_cache_key(source)] = _read(rows)
        return SourceDigest(read.digest, len(read.rows))

    def _identity(self) -> str:
        status = self.path.stat()
        return f"{status.st_dev}:{status.st_ino}"

    def invalid_rows(self) -> tuple[int, str]:
        """Return how many rows cannot be read, and a sentence that names the first ones and why ("" for none).

        Such rows are left out by every source.
        """
        with self.connect() as connection:
            return unreadable_rows(connection, self.path)


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


def _last_seq(connection: sqlite3.Connection) -> int:
    row = connection.execute(LAST_SEQ_SQL).fetchone()
    return int(row[0]) if row else 0


def _read(found: sqlite3.Cursor) -> SourceRows:
    rows = found.fetchall()
    return SourceRows(rows, rows_digest(rows))


def _each(connection: sqlite3.Connection, sources: Sequence[Source]) -> Iterator[tuple[Source, sqlite3.Cursor]]:
    """Yield each source with its rows, which are to be read before the next source is.

    A common table that several of them begin with is kept as a temporary table: nothing is written to the eventlog.
    """
    used = Counter(source.common for source in sources if source.common)
    made: set[CommonTable] = set()
    for source in sources:
        table = source.common
        if table is None or used[table] < 2:
            yield source, connection.execute(source.sql)
            continue
        if table not in made:
            made.add(table)
            connection.execute("PRAGMA query_only = OFF")
            connection.execute(f"CREATE TEMP TABLE {table.name} AS {table.sql} SELECT * FROM {table.name}")
            connection.execute("PRAGMA query_only = ON")
        yield source, connection.execute(source.behind_common())


def _is_presumed(entry: SourceDigest) -> bool:
    return entry.digest.startswith(PRESUMED)


def _cache_key(source: Source) -> str:
    return f"{source.name}@{hashlib.sha256(source.sql.encode()).hexdigest()[:16]}"
