"""The whole of `materialize`: five steps in the life of a repository, and determinism."""

import os
import sqlite3
from pathlib import Path

from materialize_helpers import GitFolder, live, rows
from whole_runs import NOTE, run

from patina_resources.materialize.run import materialize


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
