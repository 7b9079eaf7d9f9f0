"""The one way into the eventlog: opens or creates it, and appends in transactions. Nothing is ever updated or deleted.

What no longer holds is taken back by an appended event: `live` has the rule.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from patina_resources.errors import PatinaError
from patina_resources.eventlog.creation import create_schema, prepare_connection
from patina_resources.eventlog.known_schema import refuse_foreign_file
from patina_resources.eventlog.looks.counts import Counts, LiveCounts, encode_counts, live_counts
from patina_resources.eventlog.pending import PendingWrites, Values
from patina_resources.store.database import WorkLimit, has_whole_table, is_for_want_of_room, refuse_odd_files

QUIET_WAIT_SECONDS = 1.0
WAIT_SECONDS = 600.0
# What a transaction may always take (see `WorkLimit`), and what counts for a row beside its payload.
LEAST_STEPS = 100_000_000
ROW_BYTES = 100
# So often is read again, without the lock, what another process wrote to meanwhile.
ATTEMPTS = 3
# Behind it stands a kind of events: where their counts are remembered.
COUNTS_KEY = "materialize_counts_"

INSERT_SQL = "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) VALUES (?, ?, ?, ?, ?)"

Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class Event:
    """One row of the eventlog before it has a seq; `data` is the payload as canonical JSON."""

    event_type: str
    timestamp: str
    source_id: str
    source_file: str | None
    data: str

    @property
    def fact(self) -> tuple[str, str, str]:
        """What the event says, without when: two scans that see the same thing have equal facts."""
        return self.event_type, self.source_id, self.data


def payload(fields: Mapping[str, Any]) -> str:
    """Return the fields as canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class LiveEvent:
    """An event that no later event took back."""

    seq: int
    event_type: str
    source_id: str
    timestamp: str
    data: str

    @property
    def fact(self) -> tuple[str, str, str]:
        """See `Event.fact`."""
        return self.event_type, self.source_id, self.data


class EventlogWriter:
    """An open eventlog. Use `open_eventlog`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, waiting: Callable[[], None]) -> None:
        self._connection = connection
        self._path = path
        self._waiting = waiting
        self._limit = WorkLimit(connection, path, LEAST_STEPS)
        self._noted: str | None = None
        # The types and files of a kind, and the state of the eventlog in which they were counted.
        self._counts: Counts = {}
        self._counted_in: tuple[str, int, int] | None = None
        # Where what `write` prepares waits for the lock.
        self._pending: PendingWrites | None = None
        self._changes_before = 0

    def write(self, prepare: Callable[[], Prepared]) -> Prepared:
        """Append in one transaction what `prepare` appends and remembers, and return what it returns.

        It reads and parses while other processes may write: the lock is held only to append. If the eventlog is then
        no longer as it was read, `prepare` is called again, at last with the lock.

        Raises:
            PatinaError: Another process keeps writing, or the disk is full.
        """
        for _ in range(ATTEMPTS):
            result, pending, version = self._prepared(prepare)
            with self.transaction():
                if self._version() == version:
                    characters, rows = pending.size()
                    self._limit.allow(characters + rows * ROW_BYTES)
                    pending.write()
                    return result
        with self.transaction():
            return prepare()

    def _prepared(self, prepare: Callable[[], Prepared]) -> tuple[Prepared, PendingWrites, int]:
        """Return what `prepare` returns and what it writes, and the version of the eventlog that it read."""
        pending = PendingWrites(self._connection)
        self._limit.begin()
        self._noted = None
        self._connection.execute("BEGIN")  # all that is read is of one moment
        try:
            version = self._version()
            self._pending, self._changes_before = pending, self._connection.total_changes
            return prepare(), pending, version
        finally:
            self._pending = None
            self._connection.execute("COMMIT")

    def _version(self) -> int:
        """Return a number that changes when another process writes."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock; commit at the end, or leave everything as it was on any error.

        Within what `write` prepares, it is part of that.

        Raises:
            PatinaError: Another process keeps writing, or the disk is full.
        """
        if self._connection.in_transaction:
            yield
            return
        self._begin()
        self._limit.begin()
        self._noted = None
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise PatinaError(explain(self._path, error)) from error
            raise

    def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise PatinaError(explain(self._path, error)) from error
            self._waiting()
            self._connection.execute(f"PRAGMA busy_timeout = {int(WAIT_SECONDS * 1000)}")
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as still:
                raise PatinaError(explain(self._path, still)) from still

    def append(self, events: Iterable[Event]) -> None:
        """Append the events in order."""
        if self._pending is not None:
            self._pending.append(self._rows(events))
        else:
            self._connection.executemany(INSERT_SQL, self._rows(events))

    def _rows(self, events: Iterable[Event]) -> Iterator[Values]:
        for event in events:
            self._limit.allow(len(event.data) + ROW_BYTES)
            yield event.event_type, event.timestamp, event.source_id, event.source_file, event.data

    def retract(self, event_type: str, timestamp: str, key: str, fields: Mapping[str, Any], seqs: list[int]) -> None:
        """Append one event that takes back the events `seqs`; `key` is its source_id."""
        data = payload({**fields, "seqs": sorted(seqs)})
        self.append([Event(event_type, timestamp, key, fields.get("file"), data)])

    def live_sources(self, event_type: str) -> dict[str, list[int]]:
        """Return the seqs of the live events of this type, by source_id."""
        query = "SELECT source_id, seq FROM live WHERE event_type = ? ORDER BY seq"
        found: dict[str, list[int]] = defaultdict(list)
        for source_id, seq in self._connection.execute(query, (event_type,)):
            found[str(source_id)].append(seq)
        return dict(found)

    def live_counts(self, kind: str) -> dict[str, int]:
        """Return the number of live events of each type of a kind (`git`, `session`, `code`)."""
        counts: Counter[str] = Counter()
        for (event_type, _), count in self._counted(kind).items():
            counts[event_type] += count
        return {event_type: counts[event_type] for event_type in sorted(counts)}

    def live_files(self, kind: str) -> set[str]:
        """Return every source_file with a live event of a kind."""
        return {file for _, file in self._counted(kind) if isinstance(file, str)}

    def _counted(self, kind: str) -> Counts:
        """Return how many live events of a kind there are of each type and source_file.

        A scraper asks for the types first and for the files last; mostly it has found nothing new in between.
        """
        state = self._state(kind)
        if state != self._counted_in:
            self._counts = self._count(kind).counts
            self._counted_in = state
        return self._counts

    def _count(self, kind: str) -> LiveCounts:
        return live_counts(self._connection, kind, self.state(COUNTS_KEY + kind))

    def remember_counts(self, kinds: Iterable[str]) -> None:
        """Remember how many live events of some kinds there are, so that the next run counts only what is new."""
        with self.transaction():
            for kind in kinds:
                counts = encode_counts(self._count(kind))
                if counts is not None and counts != self.state(COUNTS_KEY + kind):
                    self.set_state(COUNTS_KEY + kind, counts)

    def _state(self, kind: str) -> tuple[str, int, int]:
        """Return what tells whether a kind's events are those that were counted: what waits for the lock is not."""
        changes = self._connection.total_changes if self._pending is None else self._changes_before
        return kind, changes, self._version()

    def live_events(self, kind: str, file: str) -> list[LiveEvent]:
        """Return a file's live events of a kind, in order of seq, as of the first such call in this transaction."""
        if self._noted != kind:
            self._note_live(kind)
        query = (
            "SELECT event.seq, event.event_type, source_id, timestamp, data FROM live_of_file AS noted "
            "JOIN eventlog AS event ON event.seq = noted.seq WHERE noted.source_file = ? ORDER BY event.seq"
        )
        return [LiveEvent(*row) for row in self._connection.execute(query, (file,))]

    def _note_live(self, kind: str) -> None:
        """Note which events of which file are live. Payloads stay where they are: there may be gigabytes of them."""
        self._connection.execute("DROP TABLE IF EXISTS temp.live_of_file")
        self._connection.execute("CREATE TEMP TABLE live_of_file (source_file TEXT, seq INTEGER)")
        query = "INSERT INTO live_of_file SELECT source_file, seq FROM live WHERE event_type GLOB ?"
        self._connection.execute(query, (f"{kind}.*",))
        self._connection.execute("CREATE INDEX temp.seqs_of_file ON live_of_file (source_file, seq)")
        self._noted = kind

    def state(self, key: str) -> str | None:
        """Return what `set_state` stored under the key, or None."""
        row = self._connection.execute("SELECT value FROM scrape_meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_state(self, key: str, value: str) -> None:
        """Remember a value for the next run."""
        self._execute("INSERT OR REPLACE INTO scrape_meta (key, value) VALUES (?, ?)", (key, value))

    def _execute(self, query: str, values: Values) -> None:
        (self._pending or self._connection).execute(query, values)

    def file_digests(self, scraper: str) -> dict[str, str]:
        """Return the digest of every file as the scraper last saw it."""
        query = "SELECT path, digest FROM scraped_files WHERE scraper = ?"
        return dict(self._connection.execute(query, (scraper,)))

    def set_file_digest(self, scraper: str, path: str, digest: str | None) -> None:
        """Remember a file's digest for the next run; None forgets the file."""
        if digest is None:
            self._execute("DELETE FROM scraped_files WHERE scraper = ? AND path = ?", (scraper, path))
        else:
            query = "INSERT OR REPLACE INTO scraped_files (scraper, path, digest) VALUES (?, ?, ?)"
            self._execute(query, (scraper, path, digest))

    def last_seq(self, kind: str) -> int:
        """Return the last seq among the events of a kind, retractions included; 0 for none."""
        query = "SELECT COALESCE(MAX(seq), 0) FROM eventlog WHERE event_type GLOB ?"
        return int(self._connection.execute(query, (f"{kind}.*",)).fetchone()[0])

    def empty(self, table: str) -> None:
        """Delete all rows of a derived table.

        Raises:
            PatinaError: Its pages are no tree.
        """
        if not has_whole_table(self._connection, table):
            raise PatinaError(explain(self._path, sqlite3.DatabaseError("database disk image is malformed")))
        self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of this program's

    def read(self, query: str, values: Mapping[str, int] | tuple[()] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the events and the view `live`."""
        return self._connection.execute(query, values).fetchall()

    def run(self, statement: str, values: Mapping[str, int]) -> None:
        """Run one statement that fills a derived table."""
        self._connection.execute(statement, values)


@contextmanager
def open_eventlog(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[EventlogWriter]:
    """Open the eventlog for appending, and create what is missing of it.

    Args:
        path: The SQLite file; its folder is made where it is missing.
        waiting: Called once when another process is writing and this one begins to wait.

    Raises:
        PatinaError: The file is not an eventlog or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PatinaError(f"{path.parent}: cannot be made ({error.strerror}): give yourself permission") from error
    refuse_odd_files(path)
    try:
        refuse_foreign_file(path, QUIET_WAIT_SECONDS, WAIT_SECONDS, waiting)
        connection = sqlite3.connect(path.absolute(), timeout=QUIET_WAIT_SECONDS, isolation_level=None)
    except (sqlite3.Error, OSError) as error:
        raise PatinaError(explain(path, error)) from error
    try:
        prepare_connection(connection)
        writer = EventlogWriter(connection, path, waiting)
        with writer.transaction():
            create_schema(connection, path)
        yield writer
    except sqlite3.Error as error:
        raise PatinaError(explain(path, error)) from error
    finally:
        connection.close()


def explain(path: Path, error: Exception) -> str:
    """Return an error of SQLite or the system as one sentence for the user."""
    reason = str(error)
    if "not a database" in reason or "malformed" in reason:
        return f"{path}: is not an SQLite eventlog ({reason}): move it away, or restore it from a copy"
    if "interrupted" in reason:
        return f"{path}: reading it takes more work than a file of its size explains: restore it from a copy"
    if "locked" in reason:
        return f"{path}: another process is writing to it: try again when it is done"
    if is_for_want_of_room(path, error):
        return f"{path}: the disk is full: free some space and run it again; what was there before is untouched"
    return f"{path}: cannot be written ({reason}): check the file and its folder's permissions"
