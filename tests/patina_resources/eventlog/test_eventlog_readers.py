"""What a reader of the eventlog sees while another process writes, and which files are none."""

import os
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from eventlog_builder import build_eventlog
from eventlog_queries import EVENTS, EVERYTHING, execute, seqs
from refusals import refusal

from patina_resources.eventlog import connection as eventlog_module
from patina_resources.eventlog.reader import Eventlog

# Wrong files


def _text(path: Path) -> None:
    path.write_text("seq,event_type\n1,git.commit\n" * 100)


def _truncated(path: Path) -> None:
    build_eventlog(path, EVENTS * 300)
    path.write_bytes(path.read_bytes()[:20_000])


def _other_tables(path: Path) -> None:
    execute(path, "CREATE TABLE commits (sha TEXT)")


def _few_columns(path: Path) -> None:
    execute(path, "CREATE TABLE eventlog (seq INTEGER PRIMARY KEY, event_type TEXT, timestamp TEXT, source_file TEXT)")


def _no_data(path: Path) -> None:
    columns = "event_type TEXT, timestamp TEXT, source_id TEXT, source_file TEXT"
    execute(path, f"CREATE TABLE eventlog (seq INTEGER PRIMARY KEY, {columns})")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda _: None, "no eventlog at {path}: run `patina materialize`"),
        (
            Path.mkdir,
            "{path}: is a folder: expected a regular file: move it away, or name another eventlog under [eventlog] "
            "path in .patina/config.toml",
        ),
        (_text, "{path}: is not an SQLite database: point [eventlog] path in .patina/config.toml at the eventlog"),
        (Path.touch, "{path}: no table `eventlog`: expected a Patina eventlog, made by `patina materialize`"),
        (_other_tables, "{path}: no table `eventlog`: expected a Patina eventlog, made by `patina materialize`"),
        (
            _few_columns,
            "{path}: table eventlog lacks the columns source_id, data: "
            "expected seq, event_type, timestamp, source_id, source_file, data",
        ),
        (
            _no_data,
            "{path}: table eventlog lacks the column data: "
            "expected seq, event_type, timestamp, source_id, source_file, data",
        ),
        (
            _truncated,
            "{path}: cannot be read as an eventlog (database disk image is malformed): "
            "restore it, or run `patina materialize --full`",
        ),
    ],
    ids=["missing", "folder", "text", "empty", "other tables", "two columns missing", "one missing", "truncated"],
)
def test_a_file_that_is_no_eventlog_is_refused(tmp_path: Path, make: Callable[[Path], None], expected: str) -> None:
    path = tmp_path / "patina.db"
    make(path)
    assert refusal(lambda: Eventlog(path).read([EVERYTHING])) == expected.format(path=path)


def test_a_path_may_hold_characters_that_mean_something_in_urls(tmp_path: Path) -> None:
    path = build_eventlog(tmp_path / "100% odd?mode=rw#1&x %41" / "patina.db", EVENTS)
    assert seqs(path) == [1, 2, 3]


def test_a_file_that_another_process_keeps_locked_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog_module, "BUSY_TIMEOUT_SECONDS", 0.1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert f"{path}: locked by another process" in refusal(lambda: Eventlog(path).read([EVERYTHING]))


def let_commit(writer: "subprocess.Popen[str]") -> None:
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write("\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "committed\n"


def test_what_is_committed_is_seen_while_another_process_writes(path: Path, writer: "subprocess.Popen[str]") -> None:
    assert path.with_name("patina.db-wal").stat().st_size > 0
    assert seqs(path) == [1, 2, 3, 4]
    let_commit(writer)
    assert seqs(path) == [1, 2, 3, 4, 5]


def test_all_queries_of_a_connection_see_the_same_events(path: Path, writer: "subprocess.Popen[str]") -> None:
    count = "SELECT COUNT(*) FROM eventlog"
    with Eventlog(path).connect() as connection:
        before = connection.execute(count).fetchone()[0]
        let_commit(writer)
        assert connection.execute(count).fetchone()[0] == before == 4
    assert len(seqs(path)) == 5


def test_a_commit_in_the_write_ahead_log_changes_the_probe(path: Path, writer: "subprocess.Popen[str]") -> None:
    eventlog = Eventlog(path)
    before = eventlog.probe()
    assert eventlog.probe() == before
    let_commit(writer)
    assert eventlog.probe() != before


@pytest.mark.parametrize(("place", "seen"), [(23, False), (24, True), (27, True), (28, False)])
def test_the_change_counter_changes_the_probe(path: Path, place: int, seen: bool) -> None:
    """A write that keeps the size within one tick of the clock: bytes 24 to 27 (SQLite file format, 1.3.7)."""
    before, status = Eventlog(path).probe(), path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (Eventlog(path).probe() != before) == seen


def test_to_ask_for_the_state_of_an_eventlog_waits_for_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "patina.db"
    os.mkfifo(pipe)
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(Eventlog(pipe).probe()), daemon=True)
    asking.start()
    asking.join(30)
    assert found == [Eventlog(tmp_path / "nothing").probe()] == [""]


def test_nothing_can_be_written_through_a_connection(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()

    def delete() -> None:
        with Eventlog(path).connect() as connection:
            connection.execute("DELETE FROM eventlog")

    assert "readonly database" in refusal(delete)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
