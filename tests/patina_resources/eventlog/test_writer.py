"""The writer of eventlogs: one transaction, what other processes write meanwhile, and what the next run is told."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from refusals import refusal

from patina_resources.errors import PatinaError
from patina_resources.eventlog import writer as writer_module
from patina_resources.eventlog.connection import connected
from patina_resources.eventlog.creation import prepare_connection
from patina_resources.eventlog.writer import ATTEMPTS, Event, EventlogWriter, explain, open_eventlog, payload

OTHER = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES ('git.commit', '', 'o', '{}')"


def event(name: str, kind: str = "code.function", file: str = "a.py") -> Event:
    return Event(kind, "2026-01-01T00:00:00+00:00", name, file, payload({"name": name}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "folder" / "patina.db"


@pytest.fixture
def writer(path: Path) -> Iterator[EventlogWriter]:
    with open_eventlog(path) as opened:
        yield opened


def rows(path: Path, query: str = "SELECT source_id FROM eventlog ORDER BY seq") -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return [value for (value,) in connection.execute(query)]


def other_writes(path: Path) -> None:
    """Append an event through another connection, as another process does."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(OTHER)


@pytest.mark.parametrize("disturbed", range(ATTEMPTS + 1))
def test_what_others_write_meanwhile_is_read_again_and_at_last_with_the_lock(
    path: Path, writer: EventlogWriter, disturbed: int
) -> None:
    seen: list[int] = []

    def prepare() -> str:
        seen.append(writer.last_seq("git"))
        if len(seen) <= disturbed:
            other_writes(path)
        writer.append([event(f"n{seen[-1]}")])
        return f"after {seen[-1]}"

    assert writer.write(prepare) == f"after {disturbed}"
    assert seen == list(range(disturbed + 1))
    assert rows(path) == ["o"] * disturbed + [f"n{disturbed}"]


def test_three_attempts_are_made_without_the_lock(path: Path, writer: EventlogWriter) -> None:
    inside: list[bool] = []

    def prepare() -> None:
        with closing(sqlite3.connect(path, timeout=0)) as connection, connection:
            try:
                connection.execute(OTHER)
                inside.append(False)
            except sqlite3.OperationalError:
                inside.append(True)

    writer.write(prepare)
    assert inside == [False, False, False, True]


def test_nothing_of_what_fails_is_kept(path: Path, writer: EventlogWriter) -> None:
    def prepare() -> None:
        writer.append([event("lost")])
        writer.set_state("key", "lost")
        raise KeyError

    with pytest.raises(KeyError):
        writer.write(prepare)
    with pytest.raises(KeyError), writer.transaction():
        prepare()
    assert rows(path) == []
    assert writer.state("key") is None
    writer.write(lambda: writer.append([event("kept")]))
    assert rows(path) == ["kept"]


def test_live_events_are_those_that_no_later_event_takes_back(path: Path, writer: EventlogWriter) -> None:
    def first() -> None:
        writer.append(
            [event("f"), event("g"), event("f", file="b.py"), event("T", "code.type"), event("c", "git.commit")]
        )

    def second() -> None:
        writer.retract("code.removed", "2026-01-02T00:00:00+00:00", "b.py", {"file": "b.py"}, [3, 1])

    writer.write(first)
    assert writer.live_sources("code.function") == {"f": [1, 3], "g": [2]}
    writer.write(second)
    assert writer.live_sources("code.function") == {"g": [2]}
    assert list(writer.live_counts("code").items()) == [("code.function", 1), ("code.type", 1)]
    assert writer.live_files("code") == {"a.py"}
    assert [(found.seq, found.source_id) for found in writer.live_events("code", "a.py")] == [(2, "g"), (4, "T")]
    assert [found.seq for found in writer.live_events("git", "a.py")] == [5]
    assert [found.seq for found in writer.live_events("code", "a.py")] == [2, 4]
    assert (writer.last_seq("code"), writer.last_seq("git"), writer.last_seq("doc")) == (6, 5, 0)
    assert rows(path, "SELECT data FROM eventlog WHERE event_type = 'code.removed'") == ['{"file":"b.py","seqs":[1,3]}']
    assert rows(path, "SELECT source_file FROM eventlog WHERE seq = 6") == ["b.py"]


def test_what_is_appended_is_counted_at_once(writer: EventlogWriter) -> None:
    with writer.transaction():
        assert (writer.live_counts("code"), writer.live_files("code")) == ({}, set())
        writer.append([event("f")])
        assert (writer.live_counts("code"), writer.live_files("code")) == ({"code.function": 1}, {"a.py"})
        assert writer.live_counts("git") == {}


def test_an_event_says_what_it_says_whenever_it_is_read(writer: EventlogWriter) -> None:
    writer.write(lambda: writer.append([event("f"), event("z", "code.a")]))
    assert list(writer.live_counts("code")) == ["code.a", "code.function"]
    (found, _) = writer.live_events("code", "a.py")
    assert found.fact == event("f").fact == ("code.function", "f", '{"name":"f"}')


def test_the_next_run_is_told_what_this_one_knew(path: Path, writer: EventlogWriter) -> None:
    def prepare() -> None:
        writer.set_state("head", "abc")
        writer.set_file_digest("code", "a.py", "1")
        writer.set_file_digest("code", "b.py", "2")
        writer.set_file_digest("docs", "a.py", "3")

    writer.write(prepare)
    writer.write(lambda: writer.set_file_digest("code", "b.py", None))
    writer.write(lambda: writer.set_state("head", "def"))
    with open_eventlog(path) as later:
        assert (later.state("head"), later.state("none")) == ("def", None)
        assert later.file_digests("code") == {"a.py": "1"}
        assert later.file_digests("docs") == {"a.py": "3"}


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
SHORT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT COUNT(*) FROM n"


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch, path: Path) -> Iterator[EventlogWriter]:
    """Open an eventlog with little work allowed."""
    monkeypatch.setattr("patina_resources.store.database.STEPS_PER_BYTE", 1)
    monkeypatch.setattr("patina_resources.store.database.STEPS_BETWEEN_CHECKS", 1000)
    monkeypatch.setattr("patina_resources.eventlog.writer.LEAST_STEPS", 0)
    with open_eventlog(path) as opened:
        yield opened


def test_many_small_events_are_no_endless_work(path: Path, limited: EventlogWriter) -> None:
    events = [event(str(number)) for number in range(6000)]
    limited.write(lambda: limited.append(events))
    with limited.transaction():
        limited.append(events)
    assert len(rows(path)) == 12_000


def test_work_that_was_stopped_stops_nothing_after_it(path: Path, limited: EventlogWriter) -> None:
    def endless_transaction() -> None:
        with limited.transaction():
            limited.read(ENDLESS)

    assert "takes more work" in refusal(endless_transaction)
    limited.write(lambda: limited.append([event("first")]))
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        limited.read(ENDLESS)
    with limited.transaction():
        assert limited.read(SHORT) == [(2000,)]
        limited.append([event("second")])
    assert rows(path) == ["first", "second"]


def test_what_is_no_lock_is_not_waited_for(path: Path) -> None:
    told: list[str] = []
    with open_eventlog(path, lambda: told.append("waits")) as writer:
        writer._connection.set_progress_handler(lambda: 1, 1)
        assert "takes more work" in refusal(lambda: writer.transaction().__enter__())
    assert told == []


def test_a_payload_has_one_form() -> None:
    assert payload({"b": "caf\u00e9", "a": [1, None]}) == '{"a":[1,null],"b":"caf\u00e9"}'


def test_a_derived_table_is_emptied(writer: EventlogWriter) -> None:
    writer.set_state("head", "abc")
    writer.empty("scrape_meta")
    assert writer.state("head") is None


def test_a_derived_table_whose_pages_are_no_tree_is_not_emptied(
    path: Path, writer: EventlogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.set_state("head", "abc")
    monkeypatch.setattr(writer_module, "has_whole_table", lambda *_: False)
    assert f"{path}: is not an SQLite eventlog" in refusal(lambda: writer.empty("scrape_meta"))
    assert writer.state("head") == "abc"


def test_work_is_limited_in_proportion_to_what_is_appended(path: Path, limited: EventlogWriter) -> None:
    with limited.transaction():
        limited.append(event(f"{number} {'x' * 1000}") for number in range(3000))
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        limited.read(ENDLESS)
    assert len(rows(path)) == 3000


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def open_below() -> None:
        with open_eventlog(tmp_path / "file" / "patina.db"):
            pass

    assert refusal(open_below).startswith(f"{tmp_path / 'file'}: cannot be made (")


def test_a_wait_is_told_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "WAIT_SECONDS", 3.0)
    told: list[str] = []
    with open_eventlog(path, lambda: told.append("waits")) as writer:
        holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        writer._connection.execute("PRAGMA busy_timeout = 1")
        writer._waiting = lambda: (told.append("waits"), holder.execute("COMMIT"))[0]
        writer.write(lambda: writer.append([event("late")]))
        # From then on it waits longer.
        assert writer._connection.execute("PRAGMA busy_timeout").fetchone() == (3000,)
        holder.close()
    assert told == ["waits"]
    assert rows(path) == ["late"]


def test_a_database_that_somebody_reads_keeps_its_journal_mode(path: Path) -> None:
    with open_eventlog(path):
        pass

    def mode_of(connection: sqlite3.Connection) -> str:
        prepare_connection(connection)
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    with (
        closing(sqlite3.connect(path, isolation_level=None)) as reader,
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as opened,
    ):
        reader.execute("PRAGMA journal_mode = DELETE")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM eventlog").fetchall()
        assert mode_of(opened) == "delete"
        reader.execute("COMMIT")
        assert mode_of(opened) == "wal"


def test_who_writes_for_too_long_is_waited_for_no_longer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "WAIT_SECONDS", 0.01)
    with open_eventlog(path) as writer, closing(sqlite3.connect(path, isolation_level=None)) as holder:
        writer._connection.execute("PRAGMA busy_timeout = 1")
        holder.execute("BEGIN IMMEDIATE")
        assert "another process is writing to it" in refusal(lambda: writer.write(lambda: writer.append([])))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("file is not a database", "is not an SQLite eventlog"),
        ("database disk image is malformed", "is not an SQLite eventlog"),
        ("interrupted", "takes more work than a file of its size explains"),
        ("database is locked", "another process is writing to it"),
        ("database or disk is full", "the disk is full"),
        ("attempt to write a readonly database", "cannot be written (attempt to write a readonly database)"),
    ],
)
def test_an_error_of_sqlite_is_a_sentence(tmp_path: Path, reason: str, expected: str) -> None:
    assert f"{tmp_path}: {expected}" in explain(tmp_path, sqlite3.OperationalError(reason)).replace("reading it ", "")


@pytest.mark.parametrize(
    ("reason", "free", "is_full"),
    [("database or disk is full", 1 << 30, True), ("disk I/O error", 0, True), ("disk I/O error", 1 << 30, False)],
)
def test_a_full_disk_is_told_from_a_damaged_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, free: int, is_full: bool
) -> None:
    with open_eventlog(path):
        pass
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    error = sqlite3.OperationalError(reason)
    assert ("the disk is full" in explain(path, error)) == is_full
    with pytest.raises(PatinaError) as told, connected(path, ""):
        raise error
    assert ("the disk is full" in str(told.value)) == is_full
    assert ("restore it" in str(told.value)) != is_full


@pytest.mark.parametrize("locked", [True, False])
def test_an_odd_statement_is_a_sentence(path: Path, locked: bool) -> None:
    def run() -> None:
        with open_eventlog(path) as writer, writer.transaction() if locked else nullcontext():
            writer.run("no statement", {})

    assert refusal(run).startswith(f"{path}: cannot be written (")
