"""Eventlog: refusals, what a reader sees while another process writes, digests, and the remembered look."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from eventlog_builder import Event, append, build_eventlog, commit, note, removal
from refusals import refusal

from patina_assets.pairs.types import PAIR_TYPES
from patina_resources.eventlog import reader as eventlog_module
from patina_resources.eventlog.reader import NOT_RETRACTED, Eventlog, Row, Source, rows_digest

EVERYTHING = Source("everything", "SELECT seq, event_type, source_id, data FROM eventlog ORDER BY seq")
GOALS = Source("goals", "SELECT seq, data FROM eventlog WHERE event_type = 'session.goal' ORDER BY seq")
LIVE = Source("live", f"SELECT seq FROM eventlog WHERE {NOT_RETRACTED} ORDER BY seq")
ALL_SOURCES = list({source.name: source for pair_type in PAIR_TYPES.values() for source in pair_type.sources}.values())
EVENTS = [
    note("The recipe is read once and then handed on", kind="goal"),
    note("A damaged file is named in the error", kind="decision"),
    commit("c1", "a.py", "b.py"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return build_eventlog(tmp_path / "patina.db", EVENTS)


def seqs(path: Path, source: Source = EVERYTHING) -> list[int]:
    return [row[0] for row in Eventlog(path).read([source])[source.name].rows]


def digest(path: Path, source: Source = EVERYTHING) -> str:
    return Eventlog(path).read([source])[source.name].digest


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


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


# Reading beside a writer

WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
insert = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES ('git.commit', '2025', 'x', '{}')"
connection.execute(insert)
connection.execute("BEGIN IMMEDIATE")
connection.execute(insert)
print("writing", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
print("committed", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds one committed and one uncommitted row in the write-ahead log."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    yield process
    process.communicate()


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
        before = connection.exec_driver_sql(count).scalar()
        let_commit(writer)
        assert connection.exec_driver_sql(count).scalar() == before == 4
    assert len(seqs(path)) == 5


def test_a_commit_in_the_write_ahead_log_changes_the_probe(path: Path, writer: "subprocess.Popen[str]") -> None:
    eventlog = Eventlog(path)
    before = eventlog.probe()
    assert eventlog.probe() == before
    let_commit(writer)
    assert eventlog.probe() != before


def test_nothing_can_be_written_through_a_connection(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()

    def delete() -> None:
        with Eventlog(path).connect() as connection:
            connection.exec_driver_sql("DELETE FROM eventlog")

    assert "readonly database" in refusal(delete)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


# Rows that cannot be read


def test_rows_without_valid_json_are_named_and_left_out(tmp_path: Path) -> None:
    broken = [replace(event, data="{broken") for event in EVENTS]
    sound = build_eventlog(tmp_path / "sound.db", EVENTS)
    damaged = build_eventlog(tmp_path / "damaged.db", [*EVENTS, *broken, Event("code.call", "")], checked=False)

    assert Eventlog(sound).invalid_rows() == (0, "")
    count, sentence = Eventlog(damaged).invalid_rows()
    assert count == 4
    assert sentence == (
        f"{damaged}: data is not valid JSON in seq 4 (session.goal), seq 5 (session.decision), "
        "seq 6 (git.commit) and 1 more: left out of every source"
    )
    assert Eventlog(damaged).read(ALL_SOURCES) == Eventlog(sound).read(ALL_SOURCES)
    assert Eventlog(damaged).look(ALL_SOURCES).warning == sentence


def test_text_that_is_not_utf8_is_read_with_replacement_characters(path: Path) -> None:
    payload = b'{"session_id": "s", "content": "caf\xe9 au lait is what we drink"}'.hex()
    execute(
        path,
        "INSERT INTO eventlog (event_type, timestamp, source_id, data) "
        f"VALUES ('session.goal', '2025', 's', CAST(X'{payload}' AS TEXT))",
    )
    source = PAIR_TYPES["same_session"].source
    rows = Eventlog(path).read([source])[source.name].rows
    assert [row[3] for row in rows if row[1] == "s"] == ["caf\ufffd au lait is what we drink"]


def test_a_blob_where_text_belongs_does_not_stop_a_run(path: Path) -> None:
    append(path, [Event("session.goal", {"content": "a note of a session with a strange id"}, source_id=b"\xff\xfe")])
    source = PAIR_TYPES["same_session"].source
    read = Eventlog(path).read([source])
    contexts = PAIR_TYPES["same_session"].derive({name: rows.rows for name, rows in read.items()}).contexts
    assert len(contexts) == 2


# Digests


def test_a_digest_covers_the_rows_and_nothing_else(tmp_path: Path, path: Path) -> None:
    other = build_eventlog(
        tmp_path / "elsewhere" / "renamed.db", [*EVENTS, note("some other kind of note", kind="work")]
    )
    renamed = Source("other name", GOALS.sql.replace("ORDER BY seq", "ORDER BY seq ASC"))
    assert digest(other, renamed) == digest(path, GOALS)
    assert digest(path, GOALS) == rows_digest(Eventlog(path).read([GOALS])[GOALS.name].rows)

    before = digest(path, GOALS)
    execute(path, "UPDATE eventlog SET source_id = 'moved', timestamp = '2030'")
    assert digest(path, GOALS) == before
    execute(path, "UPDATE eventlog SET data = '{}' WHERE seq = 1")
    assert digest(path, GOALS) != before


def test_a_digest_tells_rows_types_and_order_apart() -> None:
    variants: list[list[Row]] = [
        [],
        [(1, "a")],
        [("1", "a")],
        [(1, "a"), (2, "b")],
        [(2, "b"), (1, "a")],
        [(1, None)],
        [(1, "a", "b")],
    ]
    assert len({rows_digest(rows) for rows in variants}) == len(variants)


def test_counts(path: Path, tmp_path: Path) -> None:
    assert Eventlog(path).last_seq() == 3
    assert Eventlog(path).event_counts() == {"git.commit": 1, "session.decision": 1, "session.goal": 1}
    empty = Eventlog(build_eventlog(tmp_path / "empty.db", []))
    assert (empty.last_seq(), empty.event_counts()) == (0, {})
    assert empty.read([EVERYTHING])[EVERYTHING.name].rows == []


# The remembered look


def test_a_look_gives_each_sources_digest_and_row_count(path: Path) -> None:
    look = Eventlog(path).look([EVERYTHING, GOALS])
    assert {name: entry.digest for name, entry in look.digests.items()} == {
        "everything": digest(path),
        "goals": digest(path, GOALS),
    }
    assert {name: entry.rows for name, entry in look.digests.items()} == {"everything": 3, "goals": 1}
    assert look.warning == ""


def _with_other_digests(document: bytes) -> bytes:
    content = json.loads(document)
    del content["sha256"]
    for entry in content["digests"].values():
        entry["digest"] = "remembered"
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps({**content, "sha256": digest}).encode()


def test_a_remembered_look_that_is_damaged_is_not_believed(path: Path) -> None:
    eventlog = Eventlog(path)
    document = eventlog.look([EVERYTHING]).document
    digest = eventlog.look([EVERYTHING]).digests["everything"].digest
    damaged = document.replace(digest.encode(), b"0" * 64)
    assert damaged != document
    assert eventlog.look([EVERYTHING], damaged).digests["everything"].digest == digest


def test_a_remembered_look_is_believed_until_the_file_changes(path: Path) -> None:
    eventlog = Eventlog(path)
    remembered = _with_other_digests(eventlog.look([EVERYTHING]).document)
    again = eventlog.look([EVERYTHING], remembered)
    assert again.digests["everything"].digest == "remembered"
    assert json.loads(again.document) == json.loads(remembered)

    append(path, [EVENTS[0]])
    assert eventlog.look([EVERYTHING], remembered).digests["everything"].digest == digest(path)


def test_a_remembered_look_holds_for_the_same_sql_only(path: Path) -> None:
    eventlog = Eventlog(path)
    remembered = _with_other_digests(eventlog.look([EVERYTHING, GOALS]).document)
    edited = replace(GOALS, sql="SELECT seq FROM eventlog")
    look = eventlog.look([EVERYTHING, edited], remembered)
    assert look.digests["everything"].digest == "remembered"
    assert look.digests["goals"].digest == digest(path, edited)


def test_a_remembered_look_remembers_its_warning(tmp_path: Path) -> None:
    eventlog = Eventlog(build_eventlog(tmp_path / "patina.db", [Event("code.call", "oops")], checked=False))
    first = eventlog.look([GOALS])
    assert "seq 1 (code.call)" in first.warning
    assert eventlog.look([GOALS], first.document).warning == first.warning


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"probe": "PROBE", "warning": ""}',
        b'{"probe": "PROBE", "warning": "", "digests": []}',
        b'{"probe": "PROBE", "warning": "", "digests": {"x": 5}}',
        b'{"probe": "PROBE", "warning": "", "digests": {"x": {"digest": "d", "rows": Infinity}}}',
    ],
)
def test_a_damaged_memory_of_a_look_is_no_memory(path: Path, damaged: bytes) -> None:
    eventlog = Eventlog(path)
    remembered = damaged.replace(b"PROBE", eventlog.probe().encode())
    assert eventlog.look([EVERYTHING], remembered) == eventlog.look([EVERYTHING])


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_look_does_not_disturb_the_probe(path: Path, mode: str) -> None:
    execute(path, f"PRAGMA journal_mode={mode}")
    eventlog = Eventlog(path)
    before = eventlog.probe()
    document = eventlog.look([EVERYTHING]).document
    assert eventlog.probe() == before
    append(path, [EVENTS[0]])
    assert eventlog.probe() != before
    assert eventlog.look([EVERYTHING], document).document != document


# Retraction


def test_what_vanished_is_retracted_by_a_later_event(path: Path) -> None:
    co_changes = PAIR_TYPES["co_changed"].source
    assert seqs(path, co_changes) == [3, 3]
    append(path, [removal("session", 1), removal("git", 3)])
    assert seqs(path, LIVE) == [2, 4, 5]
    assert seqs(path, co_changes) == []
    append(path, [EVENTS[0], removal("code", 2)])
    assert seqs(path, LIVE) == [4, 5, 6, 7]


@pytest.mark.parametrize(
    "event",
    [
        removal("session"),
        removal("session", "1", 1.0, None, {"seq": 1}, 99),
        Event("session.removed", {"seqs": "1"}),
        Event("session.removed", {"seqs": {"a": "1"}}),
        Event("session.removed", {"seq": [1]}),
        Event("session.removed", "[1]"),
        Event("session.removed", "{broken"),
        Event("other.removed", {"seqs": [1]}),
        Event("session.ended", {"seqs": [1]}),
    ],
)
def test_an_event_that_names_no_seqs_retracts_nothing(tmp_path: Path, event: Event) -> None:
    path = build_eventlog(tmp_path / "patina.db", [*EVENTS, event], checked=False)
    assert seqs(path, LIVE) == [1, 2, 3, 4]
