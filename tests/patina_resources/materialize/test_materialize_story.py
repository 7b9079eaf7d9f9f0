"""The whole of `materialize`: five steps in the life of a repository, determinism, and two or killed writers."""

import itertools
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows

from patina_resources.errors import PatinaError
from patina_resources.eventlog import writer
from patina_resources.eventlog.creation import prepare_connection
from patina_resources.eventlog.writer import payload
from patina_resources.materialize.report import ScraperReport
from patina_resources.materialize.run import materialize

NOTE = """# Session: First steps
**Started**: 2024-01-02T03:04:05Z

## Goals
- [ ] add a parser

**Key Decisions:**
- keep it small
"""
VIEWS = {
    "commits": "sha, message",
    "commit_files": "sha, file_path",
    "co_changes": "file_a, file_b",
    "sessions": "id, title",
    "goals": "session_id, content",
    "observations": "session_id, content",
    "function_facts": "file, name",
    "call_graph": "caller, callee",
}
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


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    folder = GitFolder(tmp_path / "project")
    folder.write(".gitignore", ".patina/data/\n")
    return folder


def run(folder: GitFolder) -> tuple[Counter[str], dict[str, ScraperReport]]:
    """Return the events that a run appended, by type, and its reports."""
    seq = last_seq(folder.eventlog) if folder.eventlog.exists() else 0
    reports = materialize(folder.path, folder.eventlog)
    assert_views_say_what_holds(folder.eventlog)
    return after(folder.eventlog, seq), {report.scraper: report for report in reports}


def assert_views_say_what_holds(eventlog: Path) -> None:
    """Check the derived tables against the live events, read in another way."""
    expected: dict[str, set[tuple[object, ...]]] = {name: set() for name in VIEWS}
    for row in live(eventlog):
        data, kind = row["data"], row["event_type"]
        if kind == "git.commit":
            expected["commits"].add((data["sha"], data["message"]))
            expected["commit_files"] |= {(data["sha"], file["path"]) for file in data["files"]}
            pairs = itertools.combinations(sorted(file["path"] for file in data["files"]), 2)
            expected["co_changes"] |= set(pairs)
        elif kind == "session.started":
            expected["sessions"].add((row["source_id"], data["title"]))
        elif kind == "session.goal":
            expected["goals"].add((row["source_id"], data["content"]))
        elif kind.startswith("session.") and kind != "session.file":
            expected["observations"].add((row["source_id"], data["content"]))
        elif kind == "code.function":
            expected["function_facts"].add((data["file"], data["name"]))
        elif kind == "code.call":
            expected["call_graph"].add((data["caller"], data["callee"]))
    with closing(sqlite3.connect(eventlog)) as connection:
        found = {name: set(connection.execute(f"SELECT {columns} FROM {name}")) for name, columns in VIEWS.items()}
    assert found == expected


def start_process(folder: GitFolder, before: str = "", progress: str = "None") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN.format(before=before, progress=progress), str(folder.path)]
    return subprocess.Popen([*command, str(folder.eventlog)], stderr=subprocess.PIPE)


def test_five_steps(folder: GitFolder) -> None:
    folder.write("app.py", "import os\n\n\ndef main():\n    parse()\n\n\ndef parse():\n    os.getcwd()\n")
    folder.write("old.py", "class Old:\n    def go(self):\n        main()\n")
    folder.write("lib.rs", "pub fn add() {}\n")
    folder.commit("feat: begin")

    appended, _ = run(folder)
    code = {"code.function": 4, "code.class": 1, "code.type": 1, "code.import": 1, "code.call": 3, "code.file": 3}
    assert appended == {"git.commit": 1, **code}
    assert run(folder)[0] == {}

    # 1. A commit that touches no source.
    folder.write("README.md", "# Read me\n")
    folder.commit("docs: read me")
    assert run(folder)[0] == {"git.commit": 1}

    # 2. A note, not committed.
    folder.write("layer/sessions/20240102-030405.md", NOTE)
    assert run(folder)[0] == {
        "session.started": 1, "session.goal": 1, "session.decision": 1, "session.file": 1,
    }  # fmt: skip

    # 3. A function is edited: it takes a parameter and calls something else; its neighbour stays as it is.
    folder.write("app.py", "import os\n\n\ndef main(path):\n    read()\n\n\ndef parse():\n    os.getcwd()\n")
    folder.commit("fix: read")
    appended, reports = run(folder)
    changed = {"code.function": 1, "code.call": 1, "code.file": 1}
    assert appended == {"git.commit": 1, "code.removed": 1, **changed}
    assert reports["code"].retracted == changed
    assert {row["source_id"] for row in live(folder.eventlog, "code.call")} == {
        "./app.py::main→read",
        "./app.py::parse→os.getcwd",
        "./old.py::Old.go→main",
    }

    # 4. A file is deleted.
    (folder.path / "old.py").unlink()
    folder.commit("refactor: drop old")
    appended, reports = run(folder)
    assert appended == {"git.commit": 1, "code.removed": 1}
    kinds = ("code.function", "code.class", "code.type", "code.call", "code.file")
    assert reports["code"].retracted == dict.fromkeys(kinds, 1)

    # 5. A rebase: the last two commits become one.
    folder.git("reset", "-q", "--soft", "HEAD~2")
    folder.commit("fix: read, and drop old")
    appended, reports = run(folder)
    assert appended == {"git.removed": 2, "git.commit": 1}
    assert reports["git"].known == {"git.commit": 2}
    assert [row["data"]["message"] for row in live(folder.eventlog, "git")] == [
        "feat: begin",
        "docs: read me",
        "fix: read, and drop old",
    ]
    assert run(folder)[0] == {}


def test_the_eventlog_only_grows(folder: GitFolder) -> None:
    folder.write("a.py", "def f():\n    g()\n")
    folder.write("layer/sessions/n.md", NOTE)
    folder.commit("one")
    folder.commit("two")
    run(folder)
    before = rows(folder.eventlog)
    folder.git("reset", "-q", "--hard", "HEAD~1")
    (folder.path / "a.py").unlink()
    (folder.path / "layer/sessions/n.md").unlink()
    run(folder)
    assert rows(folder.eventlog)[: len(before)] == before
    assert len(rows(folder.eventlog)) > len(before)


def test_the_same_commit_gives_the_same_rows(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("src/b.py", "class B:\n    def f(self):\n        g()\n")
    folder.write("a.go", "package a\nfunc F() { g() }\n")
    folder.write("layer/sessions/20240102-030405.md", NOTE)
    folder.commit("feat(x): one (#2)")
    folder.git("clone", "-q", str(folder.path), str(tmp_path / "clone"))
    folder.git("config", "core.autocrlf", "false")
    materialize(folder.path, tmp_path / "first.db")
    os.environ["TZ"] = "Asia/Tokyo"
    try:
        materialize(tmp_path / "clone", tmp_path / "second.db")
    finally:
        del os.environ["TZ"]
    assert len(rows(tmp_path / "first.db")) == 13
    assert rows(tmp_path / "first.db") == rows(tmp_path / "second.db")


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


def test_an_eventlog_of_another_tool_is_continued(folder: GitFolder) -> None:
    """Another tool has neither this one's state nor its views, and does not write merges."""
    folder.write("a.py", "def f():\n    g()\n")
    folder.write("layer/sessions/n.md", NOTE)
    folder.commit("one")
    run(folder)
    connection = sqlite3.connect(folder.eventlog)
    for table in ("scrape_meta", "scraped_files", "commits", "call_graph"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    folder.commit("two")
    appended, reports = run(folder)
    assert appended == {"git.commit": 1}
    assert reports["code"].known == {"code.function": 1, "code.call": 1, "code.file": 1}
    connection = sqlite3.connect(folder.eventlog)
    assert connection.execute("SELECT COUNT(*) FROM commits").fetchone() == (2,)
    assert connection.execute("SELECT caller, callee FROM call_graph").fetchall() == [("f", "g")]
    assert connection.execute("SELECT content, completed FROM goals").fetchall() == [("add a parser", 0)]
    assert connection.execute("SELECT content, observation_type FROM observations").fetchall() == [
        ("keep it small", "decision")
    ]
    assert connection.execute("SELECT name, parameter_count FROM function_facts").fetchall() == [("f", 0)]
    connection.close()


def test_a_row_that_is_not_json_stops_nothing(folder: GitFolder) -> None:
    folder.commit("one")
    run(folder)
    connection = sqlite3.connect(folder.eventlog)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    for kind in ("git.commit", "code.call", "code.removed", "session.goal"):
        connection.execute(
            "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) VALUES (?, '', 'x', 'x', '{')",
            (kind,),
        )
    connection.commit()
    connection.close()
    folder.commit("two")
    git, *_ = materialize(folder.path, folder.eventlog)
    assert git.new == {"git.commit": 1}


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


# What the writer itself promises


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
