"""The whole of `materialize` beside other writers and readers, killed, on a full disk; what the writer promises."""

import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, live, rows
from whole_runs import NOTE, run

from patina_resources.errors import PatinaError
from patina_resources.eventlog import writer
from patina_resources.eventlog.creation import prepare_connection
from patina_resources.eventlog.writer import payload
from patina_resources.materialize.run import materialize

RUN = """
import sys
from pathlib import Path
from patina_resources.errors import PatinaError
from patina_resources.materialize.run import materialize
{before}
try:
    materialize(Path(sys.argv[1]), Path(sys.argv[2]), progress={progress})
except PatinaError as error:
    sys.exit(str(error))
"""


def start_process(folder: GitFolder, before: str = "", progress: str = "None") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN.format(before=before, progress=progress), str(folder.path)]
    return subprocess.Popen([*command, str(folder.eventlog)], stderr=subprocess.PIPE)


def test_three_writers_at_once(folder: GitFolder) -> None:
    for number in range(10):
        folder.write(f"m{number}.py", f"def f{number}():\n    g()\n")
        folder.commit(f"commit {number}")
    folder.write("layer/sessions/n.md", NOTE)
    processes = [start_process(folder) for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=60)[1] == b""
        assert process.returncode == 0
    assert Counter(row["event_type"] for row in rows(folder.eventlog)) == {
        "git.commit": 10,
        "session.started": 1,
        "session.goal": 1,
        "session.decision": 1,
        "session.file": 1,
        "code.function": 10,
        "code.call": 10,
        "code.file": 10,
    }


def test_one_writer_waits_for_another_and_says_so(folder: GitFolder) -> None:
    folder.commit("one")
    run(folder)
    folder.commit("two")
    other = sqlite3.connect(folder.eventlog, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    told: list[str] = []

    def progress(doing: str, *_: object) -> None:
        if doing.startswith("waiting"):
            told.append(doing)
            other.execute("ROLLBACK")

    materialize(folder.path, folder.eventlog, only=["git"], progress=progress)
    other.close()
    assert told == ["waiting for another process"]
    assert len(rows(folder.eventlog)) == 2


@pytest.mark.parametrize("scraper", ["git", "sessions", "docs", "code"])
def test_killed_in_any_scraper_the_next_run_completes(folder: GitFolder, scraper: str) -> None:
    folder.write("a.py", "def f():\n    g()\n")
    folder.write("layer/sessions/n.md", NOTE)
    folder.write("README.md", "# Read\n\nme\n")
    folder.commit("one")
    kill = f"lambda doing, done, total: os.kill(os.getpid(), 9) if doing == '{scraper}' and done else None"
    process = start_process(folder, before="import os", progress=kill)
    process.communicate(timeout=60)
    assert process.returncode == -9
    kinds = {row["event_type"].split(".")[0] for row in rows(folder.eventlog)}
    before = {"git": set(), "sessions": {"git"}, "docs": {"git", "session"}, "code": {"git", "session", "doc"}}
    assert kinds == before[scraper]
    run(folder)
    assert len(rows(folder.eventlog)) == 10
    assert run(folder)[0] == {}


def test_a_full_disk_leaves_the_eventlog_as_it_was(folder: GitFolder) -> None:
    folder.write("a.py", "def f():\n    g()\n")
    folder.commit("one")
    run(folder)
    before = rows(folder.eventlog)
    for number in range(40):
        folder.write(f"m{number}.py", "".join(f"def f{line}():\n    g{line}()\n" for line in range(100)))
    folder.commit("many")
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    )
    process = start_process(folder, before=limit)
    errors = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert errors.startswith(f"{folder.eventlog}: ")
    assert "Traceback" not in errors
    assert rows(folder.eventlog)[: len(before)] == before
    assert not any(row["event_type"].startswith("code") for row in rows(folder.eventlog)[len(before) :])
    run(folder)
    assert len(live(folder.eventlog, "code.function")) == 4001


def test_readers_are_not_disturbed(folder: GitFolder) -> None:
    folder.commit("one")
    run(folder)
    folder.commit("two")
    seen: list[int] = []
    materialize(folder.path, folder.eventlog, progress=lambda *_: seen.append(len(rows(folder.eventlog, "git"))))
    assert set(seen) == {1, 2}


@pytest.mark.parametrize("scraper", ["git", "sessions", "code"])
def test_others_may_write_while_a_scraper_reads(folder: GitFolder, scraper: str) -> None:
    folder.write("a.py", "def f():\n    g()\n")
    folder.write("layer/sessions/n.md", NOTE)
    folder.commit("one")
    other: list[int] = []

    def progress(doing: str, *_: object) -> None:
        if doing == scraper and not other:
            with closing(sqlite3.connect(folder.eventlog, timeout=0)) as connection, connection:
                insert = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES ('x', '', '', '{}')"
                other.append(connection.execute(insert).lastrowid or 0)

    materialize(folder.path, folder.eventlog, progress=progress)
    assert len(other) == 1
    assert Counter(row["event_type"] for row in rows(folder.eventlog)) == {
        "x": 1,
        "git.commit": 1,
        "session.started": 1,
        "session.goal": 1,
        "session.decision": 1,
        "session.file": 1,
        "code.function": 1,
        "code.call": 1,
        "code.file": 1,
    }


@pytest.mark.parametrize("scraper", ["git", "sessions", "code"])
def test_a_run_that_ends_while_another_reads_doubles_nothing(folder: GitFolder, scraper: str) -> None:
    folder.write("a.py", "def f():\n    g()\n")
    folder.write("layer/sessions/n.md", NOTE)
    folder.commit("one")
    met: list[str] = []

    def progress(doing: str, *_: object) -> None:
        if doing == scraper and not met:
            met.append(doing)
            folder.commit("two")  # HEAD moves, too
            materialize(folder.path, folder.eventlog)

    reports = materialize(folder.path, folder.eventlog, progress=progress)
    assert {report.scraper: dict(report.new) for report in reports}[scraper] == {}
    assert [row["data"]["message"] for row in rows(folder.eventlog, "git")] == ["one", "two"]
    assert len(rows(folder.eventlog)) == 9
    assert run(folder)[0] == {}


def test_what_is_always_written_to_by_others_is_read_with_the_lock_at_last(folder: GitFolder) -> None:
    folder.commit("one")
    refused: list[str] = []

    def progress(doing: str, done: int, _: int | None) -> None:
        if doing == "git" and not done:
            try:
                with closing(sqlite3.connect(folder.eventlog, timeout=0)) as connection, connection:
                    connection.execute("INSERT OR REPLACE INTO scrape_meta VALUES ('theirs', hex(randomblob(8)))")
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    materialize(folder.path, folder.eventlog, only=["git"], progress=progress)
    assert refused == ["database is locked"]
    assert len(rows(folder.eventlog)) == 1


def test_a_payload_is_canonical() -> None:
    assert payload({"b": [1, None], "a": "caf\u00e9 \u2192", "c": {"z": 1, "y": True}}) == (
        '{"a":"caf\u00e9 \u2192","b":[1,null],"c":{"y":true,"z":1}}'
    )


def test_a_file_that_somebody_reads_keeps_its_journal_mode(folder: GitFolder) -> None:
    folder.commit("one")
    run(folder)
    with closing(sqlite3.connect(folder.eventlog, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode = DELETE")
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM eventlog").fetchone()
        with closing(sqlite3.connect(folder.eventlog, timeout=0)) as held:
            prepare_connection(held)
            assert held.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        reader.execute("COMMIT")
        unwritable = sqlite3.connect(f"file:{folder.eventlog}?mode=ro", uri=True)
        with closing(unwritable), pytest.raises(sqlite3.OperationalError, match="readonly"):
            prepare_connection(unwritable)


def test_a_file_that_stays_locked_is_said_to_be(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.commit("one")
    run(folder)
    monkeypatch.setattr(writer, "QUIET_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(writer, "WAIT_SECONDS", 0.05)
    sentence = f"{folder.eventlog}: another process is writing to it: try again when it is done"
    with closing(sqlite3.connect(folder.eventlog, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PatinaError) as caught:
            materialize(folder.path, folder.eventlog)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("file is not a database", "is not an SQLite eventlog (file is not a database): move it away"),
        ("database disk image is malformed", "is not an SQLite eventlog (database disk image is malformed): move it"),
        ("interrupted", "reading it takes more work than a file of its size explains"),
        ("database is locked", "another process is writing to it: try again"),
        ("database or disk is full", "the disk is full: free some space"),
        ("attempt to write a readonly database", "cannot be written (attempt to write a readonly database): check"),
    ],
)
def test_each_way_to_fail_has_its_sentence(tmp_path: Path, reason: str, expected: str) -> None:
    path = tmp_path / "patina.db"
    assert writer.explain(path, sqlite3.OperationalError(reason)).startswith(f"{path}: {expected}")


def test_the_figure_of_known_events_is_of_those_that_still_hold(folder: GitFolder) -> None:
    folder.write("a.py", "def f():\n    g()\n\n\ndef h():\n    g()\n")
    folder.write("b.py", "def i():\n    g()\n")
    folder.commit("one")
    run(folder)
    folder.write("a.py", "def f():\n    g()\n")
    (folder.path / "b.py").unlink()
    report = run(folder)[1]["code"]
    assert (report.known["code.function"], report.retracted["code.function"]) == (1, 2)
    assert (report.known["code.call"], report.retracted["code.call"]) == (1, 2)
    (folder.path / "a.py").unlink()
    assert "code.function" not in run(folder)[1]["code"].known
