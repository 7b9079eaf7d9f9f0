"""What `patina materialize` may write to: an eventlog, and no other database, whatever a repository says."""

import os
import socket
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from clones import Attacker, Clone, content_of, make_eventlog
from materialize_helpers import GitFolder, rows

from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.eventlog.schema import APPLICATION_ID, VIEWS_SQL
from patina_resources.eventlog.writer import open_eventlog
from patina_resources.materialize.run import materialize

KEPT = "left as it is"


@pytest.fixture
def attacker(tmp_path: Path) -> Attacker:
    return Attacker(tmp_path / "attacker")


def pointed_at(attacker: Attacker, eventlog: str, target: Path) -> Clone:
    attacker.write(".patina/config.toml", f'[eventlog]\npath = "{eventlog}"\n')
    return attacker.publish(target)


def execute(path: Path, *statements: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


def unchanged_refusal(path: Path) -> str:
    """Return how the writer refuses a file, after a look that nothing in its folder is different."""
    before = content_of(path.parent)
    with pytest.raises(PatinaError) as caught, open_eventlog(path):
        pass
    assert content_of(path.parent) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Another program's database

NOTES = ("CREATE TABLE observations (bird TEXT)", "INSERT INTO observations VALUES ('a rare bird')")


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize(
    "statements",
    [
        NOTES,
        ("CREATE TABLE goals (id, text)", "CREATE TABLE commits (sha)", "INSERT INTO goals VALUES (1, 'climb')"),
        # As ours in all but the eventlog.
        ("CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, content TEXT, "
         "observation_type TEXT, timestamp TEXT)", "INSERT INTO observations (content) VALUES ('precious')"),
        ("CREATE TABLE eventlog (id INTEGER PRIMARY KEY, message TEXT)", "INSERT INTO eventlog VALUES (1, 'boot')"),
        ("CREATE VIEW anything AS SELECT 1",),
    ],
)  # fmt: skip
def test_the_database_of_another_program_is_left_as_it_is(
    attacker: Attacker, tmp_path: Path, statements: tuple[str, ...], mode: str
) -> None:
    victim = execute(tmp_path / "elsewhere" / "birds.db", f"PRAGMA journal_mode = {mode}", *statements)
    before = content_of(victim.parent)
    clone = pointed_at(attacker, str(victim), tmp_path / "victim")
    assert clone.patina("materialize").code == 2
    assert content_of(victim.parent) == before
    assert KEPT in unchanged_refusal(victim)


def test_an_eventlog_with_the_application_id_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = make_eventlog(tmp_path / "patina.db", "PRAGMA application_id = 1196444487")  # GeoPackage
    assert "its application_id is 1196444487" in unchanged_refusal(path)


def test_what_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("precious\n" * 1000)
    assert "is not an SQLite eventlog" in unchanged_refusal(tmp_path / "text.db")


# A schema that would run something else


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["CREATE TRIGGER t AFTER INSERT ON eventlog BEGIN DELETE FROM precious; END"], "trigger `t`"),
        (["CREATE TRIGGER t AFTER INSERT ON EVENTLOG BEGIN DELETE FROM precious; END"], "trigger `t`"),
        ([*VIEWS_SQL.split(";")[:-1], "CREATE TRIGGER t AFTER DELETE ON goals BEGIN DELETE FROM precious; END"],
         "runs on table goals"),
        (["CREATE VIEW commits AS SELECT 1 AS sha"], "`commits` is a view"),
        (["CREATE VIEW scrape_meta AS SELECT 1 AS key, 2 AS value"], "`scrape_meta` is a view"),
        (["CREATE VIRTUAL TABLE observations USING fts5(session_id, content)"], "a virtual table"),
        (["CREATE TABLE commits (sha TEXT PRIMARY KEY, message TEXT)"], "table commits lacks author_name"),
        (["CREATE TABLE Commits (sha TEXT PRIMARY KEY, message TEXT)"], "table commits lacks author_name"),
        (["CREATE TABLE goals (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, content TEXT, "
          "completed INTEGER, mine TEXT)"], "table goals has a further column 'mine'"),
        (["CREATE TABLE goals (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, content TEXT, "
          "completed AS (hex(zeroblob(400000000))))"], "table goals"),
        (["CREATE TABLE goals (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, content TEXT "
          "DEFAULT (hex(zeroblob(400000000))), completed INTEGER)"], "column content of table goals"),
        (["CREATE TABLE goals (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, content TEXT, "
          "completed INTEGER, CHECK (length(hex(zeroblob(400000000))) > 0))"], "table goals has a further CHECK"),
        (["CREATE TABLE goals (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, content TEXT, completed INTEGER "
          "CONSTRAINT \"--\" CHECK (length(hex(zeroblob(400000000))) > 0))"], "table goals has a further CHECK"),
        (["CREATE INDEX i ON eventlog(length(hex(zeroblob(400000000))))"], "index `i` computes"),
        (["CREATE INDEX i ON eventlog(seq) WHERE length(data) > 5"], "index `i` computes"),
        (["CREATE TABLE idx_eventlog_of_mine (a)", "CREATE TABLE idx_goals_session (a)"], "is a table, not an index"),
    ],
)  # fmt: skip
def test_a_schema_that_would_run_something_else_is_left_as_it_is(
    tmp_path: Path, statements: list[str], expected: str
) -> None:
    path = make_eventlog(tmp_path / "data" / "patina.db", "CREATE TABLE precious (text)", *statements)
    execute(path, "INSERT INTO precious VALUES ('kept')")
    sentence = unchanged_refusal(path)
    assert expected in sentence
    assert KEPT in sentence


def test_a_trigger_that_is_only_in_the_log_is_seen(tmp_path: Path) -> None:
    path = make_eventlog(tmp_path / "made" / "patina.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TRIGGER t AFTER INSERT ON eventlog BEGIN DELETE FROM eventlog; END")
        content, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "patina.db"
    copy.write_bytes(content)
    Path(f"{copy}-wal").write_bytes(log)
    with pytest.raises(PatinaError, match="trigger `t`"), open_eventlog(copy):
        pass
    assert (copy.read_bytes(), Path(f"{copy}-wal").read_bytes()) == (content, log)


def test_a_trigger_in_a_committed_eventlog_does_not_run(attacker: Attacker, tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON eventlog BEGIN DELETE FROM eventlog; END"
    make_eventlog(attacker.path / ".patina" / "data" / "patina.db", trigger)
    clone = attacker.publish(tmp_path / "victim")
    before = content_of(clone.path / ".patina" / "data")
    assert clone.patina("materialize").sentence
    assert content_of(clone.path / ".patina" / "data") == before


# What other Patina tools keep in it


def test_tables_of_other_tools_are_kept_with_their_triggers(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("a.py", "def f():\n    return g()\n")
    folder.commit("one")
    path = make_eventlog(
        folder.eventlog,
        "CREATE TABLE patterns (id TEXT PRIMARY KEY, content TEXT)",
        "CREATE VIRTUAL TABLE pattern_fts USING fts5(content)",
        "CREATE TRIGGER p AFTER INSERT ON patterns BEGIN INSERT INTO pattern_fts VALUES (new.content); END",
        "CREATE TABLE scrape_meta (key TEXT PRIMARY KEY, value TEXT)",
        "CREATE VIEW newest AS SELECT * FROM eventlog ORDER BY seq DESC LIMIT 10",
        "CREATE INDEX mine ON eventlog(source_file, seq)",
        "INSERT INTO patterns VALUES ('p', 'borrow before you own')",
    )
    for _ in range(2):
        materialize(folder.path, folder.eventlog)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM pattern_fts").fetchall() == [("borrow before you own",)]
        assert connection.execute("PRAGMA application_id").fetchone() == (0,)
    kinds = {"session.goal", "git.commit", "code.function", "code.call", "code.file"}
    assert {row["event_type"] for row in rows(path)} == kinds


def test_a_new_eventlog_says_whose_it_is(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.commit("one")
    folder.eventlog.parent.mkdir(parents=True)
    folder.eventlog.touch()
    materialize(folder.path, folder.eventlog)
    with closing(sqlite3.connect(folder.eventlog)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


# Files that are none


def _socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, _socket])
def test_what_is_no_file_is_not_opened(tmp_path: Path, make: Callable[[Path], object], ending: str) -> None:
    path = tmp_path / "patina.db"
    if ending:
        make_eventlog(path)
    make(Path(f"{path}{ending}"))
    assert f"{path}{ending}: is a" in unchanged_refusal(path)


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_no_link_is_followed(tmp_path: Path, link: Callable[[Path, Path], None], ending: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"" if ending == "" else b"precious")
    path = tmp_path / "patina.db"
    if ending:
        make_eventlog(path)
    link(Path(f"{path}{ending}"), victim)
    assert "link" in unchanged_refusal(path)


def test_a_committed_link_is_not_followed(attacker: Attacker, tmp_path: Path) -> None:
    victim = make_eventlog(tmp_path / "elsewhere" / "patina.db")
    (attacker.path / ".patina" / "data").mkdir()
    (attacker.path / ".patina" / "data" / "patina.db").symlink_to(victim)
    clone = attacker.publish(tmp_path / "victim")
    before = victim.read_bytes()
    assert clone.patina("materialize").sentence
    assert victim.read_bytes() == before


def journal_that_deletes(path: Path, victim: Path) -> None:
    """Put a rollback journal beside a database, which says that `victim` belongs to the write that was cut off.

    SQLite plays it back and deletes that file (SQLite file format, 3; `pager_delsuper`).
    """
    pages = path.stat().st_size // 4096
    magic = bytes.fromhex("d9d505f920a163d7")
    name = os.fsencode(victim)
    head = magic + struct.pack(">IIIII", 0, 0, pages, 512, 4096)
    end = struct.pack(">I", pages + 1_000_000) + name + struct.pack(">II", len(name), sum(name)) + magic
    Path(f"{path}-journal").write_bytes(head.ljust(512, b"\0") + end)


def test_a_committed_journal_deletes_nothing(attacker: Attacker, tmp_path: Path) -> None:
    victim = tmp_path / "precious.txt"
    victim.write_text("precious")
    path = make_eventlog(attacker.path / ".patina" / "data" / "patina.db")
    journal_that_deletes(path, victim)
    clone = attacker.publish(tmp_path / "victim")
    for command in ("materialize", "oxidize"):
        assert clone.patina(command).code == 2
    assert victim.read_text() == "precious"
    assert "names a further file" in unchanged_refusal(clone.path / ".patina" / "data" / "patina.db")


def test_sqlite_itself_would_delete_it(tmp_path: Path) -> None:
    """Without this the test before would show nothing."""
    victim = tmp_path / "precious.txt"
    victim.write_text("precious")
    path = make_eventlog(tmp_path / "patina.db")
    journal_that_deletes(path, victim)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT COUNT(*) FROM eventlog").fetchone()
    assert not victim.exists()


def test_a_write_that_was_cut_off_is_taken_back(tmp_path: Path) -> None:
    path = make_eventlog(tmp_path / "patina.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        insert = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES ('a', 'b', 'c', ?)"
        connection.executemany(insert, [('"' + "x" * 5000 + '"',)] * 100)
        content, journal = path.read_bytes(), Path(f"{path}-journal").read_bytes()
    (tmp_path / "cut").mkdir()
    cut = tmp_path / "cut" / "patina.db"
    cut.write_bytes(content)
    Path(f"{cut}-journal").write_bytes(journal)
    with pytest.raises(PatinaError, match="a write to it was cut off: run `patina materialize`"):
        Eventlog(cut).last_seq()
    with open_eventlog(cut) as writer:
        assert writer.last_seq("session") == 3
        assert writer.last_seq("a") == 0
    assert Eventlog(cut).last_seq() == 3
