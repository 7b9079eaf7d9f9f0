"""An eventlog that an attacker wrote: what it is made of is looked at before anything of it is read."""

import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import takewhile
from pathlib import Path

import pytest
from clones import ROOT, Attacker, content_of, make_eventlog
from page_trees import endless_schema, endless_table
from refusals import refusal

from patina_resources.eventlog import connection
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.reader import Eventlog, Source
from patina_resources.store.folders import runtime

EVENTS = Source("events", "SELECT seq, event_type, data FROM eventlog ORDER BY seq")
BY_TYPE = Source("by type", "SELECT seq, data FROM eventlog WHERE event_type = 'session.goal'")
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
COLUMNS = "i AS seq, 'git.commit' AS event_type, '2025' AS timestamp, 's' AS source_id, NULL AS source_file"
OTHERS = "event_type TEXT, timestamp TEXT, source_id TEXT, source_file TEXT"


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise AssertionError("hangs")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(100)
    yield
    signal.alarm(0)


def refused(path: Path) -> str:
    """Return the sentence with which a look and a read of a file are refused."""
    sentence = refusal(lambda: Eventlog(path).look([EVENTS, BY_TYPE]))
    assert refusal(lambda: Eventlog(path).read([EVENTS])) == sentence
    assert "\n" not in sentence
    return sentence


# What is no file


def _socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind(str(path))


def _link(path: Path) -> None:
    path.symlink_to(make_eventlog(path.with_name("other.db")))


def _second_name(path: Path) -> None:
    path.hardlink_to(make_eventlog(path.with_name("other.db")))


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD = [
    (os.mkfifo, "a named pipe"),
    (Path.mkdir, "a folder"),
    (_socket, "a socket"),
    (_link, "a symbolic link"),
    (_link_to_nothing, "a symbolic link"),
    (_second_name, "a file with a second name (hard link)"),
]


@pytest.mark.parametrize(("make", "expected"), ODD)
def test_what_is_no_file_of_its_own_is_not_opened(
    tmp_path: Path, make: Callable[[Path], object], expected: str
) -> None:
    path = tmp_path / "patina.db"
    make(path)
    assert f"{path}: is {expected}: expected a regular file" in refused(path)
    Eventlog(path).probe()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_not_opened(tmp_path: Path) -> None:
    os.mknod(tmp_path / "patina.db", 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
    assert "is a device" in refused(tmp_path / "patina.db")


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize(("make", "expected"), [entry for entry in ODD if entry[0] is not _second_name])
def test_what_lies_beside_it_is_not_opened_either(
    tmp_path: Path, make: Callable[[Path], object], expected: str, ending: str
) -> None:
    path = make_eventlog(tmp_path / "patina.db")
    make(Path(f"{path}{ending}"))
    assert f"{path}{ending}: is {expected}" in refused(path)


# What is no table


@pytest.mark.parametrize(
    "statements",
    [
        [f"CREATE VIEW eventlog AS {ENDLESS} SELECT {COLUMNS}, '{{}}' AS data FROM n"],
        [f"CREATE VIEW EventLog AS {ENDLESS} SELECT {COLUMNS}, '{{}}' AS data FROM n"],
        [f"CREATE VIEW eventlog AS SELECT {COLUMNS}, hex(zeroblob(400000000)) AS data FROM (SELECT 1 AS i)"],
        ["CREATE VIRTUAL TABLE eventlog USING fts5(seq, event_type, timestamp, source_id, source_file, data)"],
        [f"CREATE TABLE eventlog (seq INTEGER PRIMARY KEY, {OTHERS}, data AS (hex(zeroblob(400000000))))"],
        [f"CREATE TABLE eventlog (seq INTEGER PRIMARY KEY, {OTHERS}, data TEXT, x AS (seq + 1) STORED)"],
    ],
)
def test_what_is_no_ordinary_table_is_not_read(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "patina.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    assert "expected an ordinary table" in refused(path)


def test_an_endless_view_in_a_clone_is_refused(tmp_path: Path) -> None:
    attacker = Attacker(tmp_path / "attacker")
    database = attacker.path / ".patina" / "data" / "patina.db"
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(f"CREATE VIEW eventlog AS {ENDLESS} SELECT {COLUMNS}, '{{}}' AS data FROM n")
    attacker.write(
        ".patina/oxidize.yaml",
        "version: 2\nprojections:\n  semantic:\n    layers: [16, 8]\n"
        "    training: {source: sessions.observations, pair_type: same_session}\n",
    )
    clone = attacker.publish(tmp_path / "victim")
    before = content_of(clone.path / ".patina")
    for command in (["oxidize"], ["oxidize", "--dry-run"], ["materialize"]):
        assert clone.patina(*command).sentence
    assert content_of(clone.path / ".patina").items() >= before.items()


# What is more than it looks


@pytest.mark.parametrize("name", ["eventlog", "idx_eventlog_type"])
def test_pages_that_are_reached_by_many_ways_are_not_read(tmp_path: Path, name: str) -> None:
    path = make_eventlog(tmp_path / "patina.db")
    endless_table(path, name)
    assert "database disk image is malformed" in refused(path)


def test_a_schema_without_end_is_not_read(tmp_path: Path) -> None:
    path = make_eventlog(tmp_path / "patina.db", "CREATE TABLE aa (x UNIQUE)")
    endless_schema(path)
    assert "takes more work than a file of its size explains" in refused(path)


def test_work_is_limited_by_the_size_of_the_file(tmp_path: Path) -> None:
    path = make_eventlog(tmp_path / "patina.db")
    endless = Source("endless", f"{ENDLESS} SELECT i FROM n WHERE i < 0")
    assert "takes more work than a file of its size explains" in refusal(lambda: Eventlog(path).read([endless]))


@pytest.mark.parametrize(
    "data",
    ["[" * 400_000, "[" * 900 + "]" * 900, '{"a":' * 300_000, '"' + '\\"' * 400_000, '{"files":' + "9" * 500_000 + "}"],
)
def test_json_without_end_takes_no_time(tmp_path: Path, data: str) -> None:
    path = make_eventlog(tmp_path / "patina.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE eventlog SET data = ?", (data,))
    look = Eventlog(path).look([EVENTS, Source("live", f"SELECT seq FROM eventlog WHERE {LIVE}")])
    assert look.digests["live"].rows in {0, 3}  # what cannot be read is not live


def test_a_connection_attaches_nothing_and_trusts_no_schema(tmp_path: Path) -> None:
    path = make_eventlog(tmp_path / "patina.db")
    other = make_eventlog(tmp_path / "other.db")
    with Eventlog(path).connect() as connection:
        settings = ("trusted_schema", "cell_size_check", "query_only")
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in settings]
    assert found == [0, 1, 1]

    def attach() -> None:
        with Eventlog(path).connect() as connection:
            connection.execute(f"ATTACH '{other}' AS other")

    assert "too many attached" in refusal(attach)


# What an honest one may be


READ_ONLY = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
Eventlog(Path(sys.argv[3])).last_seq()  # imports all that is needed, which that user may not read
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
assert not os.access(Path(sys.argv[1]).parent, os.W_OK)
try:
    print(Eventlog(Path(sys.argv[1])).last_seq())
except PatinaError as error:
    print(error)
"""


def read_only_answer(path: Path) -> str:
    """Return what another user, who may not write to the folder, is told of an eventlog."""
    for folder in takewhile(lambda folder: not folder.stat().st_mode & stat.S_ISVTX, path.parents):  # up to `/tmp`
        folder.chmod(0o755)
    path.parent.chmod(0o555)
    other = make_eventlog(path.parents[1] / "other.db")
    command = [sys.executable, "-c", READ_ONLY, str(path), str(ROOT), str(other)]
    try:
        return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout.strip()
    finally:
        path.parent.chmod(0o755)


@pytest.mark.parametrize("log", [None, b""], ids=["no log", "empty log"])
def test_a_log_mode_eventlog_is_read_in_a_read_only_folder(tmp_path: Path, log: bytes | None) -> None:
    path = make_eventlog(tmp_path / "folder" / "patina.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    if log is not None:
        Path(f"{path}-wal").write_bytes(log)
    assert read_only_answer(path) == "3"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["patina.db", "patina.db-wal"][: 1 + (log == b"")]


def with_a_log(path: Path) -> Path:
    """Return an eventlog of 3 events, the third taken out by what is in its write-ahead log alone."""
    make_eventlog(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("DELETE FROM eventlog WHERE seq = 3")
        connection.commit()
        content, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    path.write_bytes(content)
    Path(f"{path}-wal").write_bytes(log)
    Path(f"{path}-shm").unlink(missing_ok=True)
    return path


def test_what_is_in_a_log_is_read_in_a_read_only_folder(tmp_path: Path) -> None:
    path = with_a_log(tmp_path / "folder" / "patina.db")
    before = content_of(path.parent)
    assert read_only_answer(path) == "2"
    assert content_of(path.parent) == before


def test_a_copy_is_made_once_for_each_state_and_deleted_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_a_log(tmp_path / "folder" / "patina.db")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(runtime, "LONGEST_NAME", 1_000)
    monkeypatch.setattr(connection, "cannot_share_log", lambda _: True)
    eventlog = Eventlog(path)
    assert (eventlog.last_seq(), eventlog.last_seq()) == (2, 2)
    [first] = (tmp_path / "scratch").iterdir()
    assert {file.name for file in first.iterdir()} >= {"patina.db", "patina.db-wal"}
    path.touch()
    assert eventlog.last_seq() == 2
    [second] = (tmp_path / "scratch").iterdir()
    assert second != first
    connection._forget_copies()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_copy_of_what_changes_all_the_time_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_a_log(tmp_path / "folder" / "patina.db")
    copyfile = shutil.copyfile

    def copy_while_it_is_written_to(source: Path, target: Path, **options: bool) -> None:
        copyfile(source, target, **options)
        with source.open("ab") as file:
            file.write(b"x")

    monkeypatch.setattr(shutil, "copyfile", copy_while_it_is_written_to)
    monkeypatch.setattr(connection, "cannot_share_log", lambda _: True)
    assert "is read from a copy, which cannot be made (it is being written to" in refused(path)
