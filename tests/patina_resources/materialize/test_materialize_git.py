"""Git history -> eventlog: every commit once, in order, whatever the history or the repository holds."""

import sqlite3
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows, scrape

from patina_resources.errors import PatinaError
from patina_resources.materialize.run import materialize

# The table as every Patina tool makes it.
REAL_EVENTLOG_COLUMNS = [
    ("seq", "INTEGER", 0, 1),
    ("event_type", "TEXT", 1, 0),
    ("timestamp", "TEXT", 1, 0),
    ("source_id", "TEXT", 1, 0),
    ("source_file", "TEXT", 0, 0),
    ("data", "TEXT", 1, 0),
]


def test_schema_is_the_shared_one(folder: GitFolder) -> None:
    folder.commit("one")
    scrape("git", folder)
    connection = sqlite3.connect(folder.eventlog)
    columns = [
        (name, kind, not_null, key)
        for _, name, kind, not_null, _, key in connection.execute("PRAGMA table_info(eventlog)")
    ]
    assert columns == REAL_EVENTLOG_COLUMNS
    indexes = {row[1] for row in connection.execute("PRAGMA index_list(eventlog)")}
    assert indexes == {
        "idx_eventlog_type",
        "idx_eventlog_timestamp",
        "idx_eventlog_source",
        "idx_eventlog_type_time",
    }
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute("INSERT INTO eventlog VALUES (NULL, 'a', 'b', 'c', NULL, 'not json')")
    connection.close()


def test_commit_event_has_the_shared_keys(folder: GitFolder) -> None:
    folder.write("src/a.py", "one\ntwo\n")
    folder.write("logo.bin", b"\0\1\2")
    sha = folder.commit("feat(core)!: first steps (#12)\n\nFixes #3, closes #4")
    assert scrape("git", folder).new == {"git.commit": 1}
    (row,) = rows(folder.eventlog)
    assert (row["event_type"], row["source_id"], row["source_file"]) == ("git.commit", sha, None)
    assert row["timestamp"] == "2023-11-15T00:14:20+02:00"
    assert row["data"] == {
        "sha": sha,
        "message": "feat(core)!: first steps (#12)",
        "author_name": "Ada",
        "author_email": "ada@example.org",
        "files": [
            {"path": "logo.bin", "change_type": "added", "lines_added": 0, "lines_removed": 0},
            {"path": "src/a.py", "change_type": "added", "lines_added": 2, "lines_removed": 0},
        ],
        "parsed": {"type": "feat", "scope": "core", "breaking": True, "pr_ref": 12, "issue_refs": [3, 4]},
        "body": "Fixes #3, closes #4",
    }


def test_merges_renames_deletions_and_odd_paths(folder: GitFolder) -> None:
    lines = "".join(f"line {number}\n" for number in range(20))
    folder.write("old name.txt", lines)
    folder.commit("start")
    folder.git("checkout", "-q", "-b", "side")
    folder.write('quote" tab\t and\nnewline ü.txt', "x\n")
    folder.commit("odd paths")
    folder.git("checkout", "-q", "main")
    folder.git("mv", "old name.txt", "new => name.txt")
    folder.commit("rename")
    folder.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7 from side", "side")
    (folder.path / "new => name.txt").unlink()
    folder.commit("delete")
    scrape("git", folder)
    files = {row["data"]["message"]: row["data"]["files"] for row in rows(folder.eventlog)}
    assert files["odd paths"][0]["path"] == 'quote" tab\t and\nnewline ü.txt'
    assert files["rename"] == [
        {
            "path": "new => name.txt",
            "old_path": "old name.txt",
            "change_type": "renamed",
            "lines_added": 0,
            "lines_removed": 0,
        }
    ]
    assert files["Merge pull request #7 from side"] == []
    assert files["delete"] == [
        {"path": "new => name.txt", "change_type": "deleted", "lines_added": 0, "lines_removed": 20}
    ]


def test_paths_and_messages_that_are_not_utf_8_stay_apart(folder: GitFolder) -> None:
    stream = b"""commit refs/heads/main
author A \xff <a@b> 1700000000 +0000
committer A <a@b> 1700000000 +0000
data 7
bad \xff\xfe
M 100644 inline "one\\377.txt"
data 2
1
M 100644 inline "one\\376.txt"
data 2
2

"""
    folder.git("fast-import", "--quiet", stdin=stream)
    scrape("git", folder)
    (row,) = rows(folder.eventlog)
    assert sorted(file["path"] for file in row["data"]["files"]) == [r"one\xfe.txt", r"one\xff.txt"]
    assert row["data"]["author_name"] == "A \ufffd"


def test_counts_agree_with_git(folder: GitFolder) -> None:
    for number in range(6):
        folder.write(f"file{number % 4}.txt", f"{number}\n" * (number + 1))
        folder.write(f"dir/file{number}.txt", "x\n")
        folder.commit(f"commit {number}")
        if number == 3:
            folder.git("checkout", "-q", "-b", "side", "HEAD~2")
    folder.git("merge", "-q", "-X", "ours", "-m", "join", "main")
    scrape("git", folder)
    events = rows(folder.eventlog)
    shas = [row["source_id"] for row in events]
    assert len(shas) == int(folder.git("rev-list", "--count", "HEAD"))
    plain = folder.git("rev-list", "--no-merges", "HEAD").decode().split()
    assert {row["source_id"] for row in events if row["data"]["files"]} == set(plain)
    position = {sha: place for place, sha in enumerate(shas)}
    for line in folder.git("rev-list", "--parents", "HEAD").decode().splitlines():
        sha, *parents = line.split()
        assert all(position[parent] < position[sha] for parent in parents)
    numstat = [
        line.split(b"\t") for line in folder.git("log", "--numstat", "--no-merges", "--format=").splitlines() if line
    ]
    files = [file for row in events for file in row["data"]["files"]]
    assert sorted((f["path"].encode(), f["lines_added"], f["lines_removed"]) for f in files) == sorted(
        (path, int(added), int(removed)) for added, removed, path in numstat
    )


def test_second_run_appends_only_what_is_new(folder: GitFolder) -> None:
    folder.write("a", "1\n")
    folder.commit("one")
    assert scrape("git", folder).new == {"git.commit": 1}
    before = folder.eventlog.read_bytes()
    again = scrape("git", folder)
    assert (again.new, again.known, again.retracted) == ({}, {"git.commit": 1}, {})
    assert folder.eventlog.read_bytes() == before
    folder.commit("two")
    folder.commit("three")
    report = scrape("git", folder)
    assert (report.new, report.known) == ({"git.commit": 2}, {"git.commit": 1})
    assert scrape("git", folder, full=True).new == {}
    assert [row["data"]["message"] for row in rows(folder.eventlog)] == ["one", "two", "three"]


def test_two_runs_give_the_rows_of_one(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("a", "1\n")
    folder.commit("one")
    scrape("git", folder)
    folder.write("a", "2\n")
    folder.commit("two")
    scrape("git", folder)
    materialize(folder.path, tmp_path / "other.db", only=["git"])
    assert rows(folder.eventlog) == rows(tmp_path / "other.db")


def test_rewritten_history_is_taken_back_and_not_duplicated(folder: GitFolder) -> None:
    kept = folder.commit("one")
    folder.write("a", "1\n")
    gone = [folder.commit("two"), folder.commit("three")]
    scrape("git", folder)
    seq = last_seq(folder.eventlog)
    folder.git("reset", "-q", "--hard", kept)
    folder.write("a", "9\n")
    new = folder.commit("two, better")
    report = scrape("git", folder)
    assert (report.new, report.known, report.retracted) == (
        {"git.commit": 1},
        {"git.commit": 1},
        {"git.commit": 2},
    )
    assert after(folder.eventlog, seq) == {"git.removed": 2, "git.commit": 1}
    assert [(row["source_id"], row["data"]["seqs"]) for row in rows(folder.eventlog, "git.removed")] == [
        (gone[0], [2]),
        (gone[1], [3]),
    ]
    assert [row["source_id"] for row in live(folder.eventlog)] == [kept, new]
    folder.git("reset", "-q", "--hard", gone[1])
    scrape("git", folder)
    assert [row["source_id"] for row in live(folder.eventlog)] == [kept, *gone]


def test_rewritten_history_whose_old_commits_are_not_here(folder: GitFolder) -> None:
    folder.commit("one")
    old = folder.commit("two")
    scrape("git", folder)
    folder.git("reset", "-q", "--hard", "HEAD~1")
    folder.git("reflog", "expire", "--expire=now", "--all")
    folder.git("gc", "-q", "--prune=now")
    assert scrape("git", folder).retracted == {"git.commit": 1}
    assert old not in [row["source_id"] for row in live(folder.eventlog)]


def test_an_eventlog_of_another_repository_is_refused(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    folder.commit("two")
    scrape("git", folder)
    before = rows(folder.eventlog)
    other = GitFolder(tmp_path / "other")
    other.write("layer/sessions/a.md", "## Decisions\n- one\n")
    for only in (["git"], ["sessions"], ["code"], None):
        with pytest.raises(PatinaError, match=r"holds 2 commit\(s\), and none of them is in .*other/\.git: .*--full"):
            materialize(other.path, folder.eventlog, only=only)  # it has no commits
    other.commit("else")
    with pytest.raises(PatinaError, match="none of them is in"):
        materialize(other.path, folder.eventlog)
    assert rows(folder.eventlog) == before
    git, *_ = materialize(other.path, folder.eventlog, full=True)
    assert (git.new, git.retracted) == ({"git.commit": 1}, {"git.commit": 2})
    materialize(other.path, folder.eventlog)


def test_a_wholly_rewritten_history_needs_no_question_where_the_old_one_is_at_hand(folder: GitFolder) -> None:
    old = folder.commit("one")
    scrape("git", folder)
    new = folder.commit("one, better", "--amend")
    report = scrape("git", folder)
    assert (report.new, report.retracted) == ({"git.commit": 1}, {"git.commit": 1})
    folder.git("reset", "-q", "--hard", old)
    folder.git("checkout", "-q", "--orphan", "empty")
    assert scrape("git", folder).skipped == (
        "git: HEAD is the branch 'empty', which has no commits yet: make one, or go to another branch ('main')",
    )
    assert [row["source_id"] for row in live(folder.eventlog)] == [new]


def test_derived_views_follow_the_live_events(folder: GitFolder) -> None:
    first = folder.commit("one")
    folder.write("a", "1\n")
    folder.write("b", "1\n")
    folder.commit("two")
    scrape("git", folder)

    def view(query: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(folder.eventlog)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    assert view("SELECT message FROM commits ORDER BY timestamp") == [("one",), ("two",)]
    assert view("SELECT file_a, file_b, count FROM co_changes") == [("a", "b", 1)]
    folder.git("reset", "-q", "--hard", first)
    scrape("git", folder)
    assert view("SELECT message FROM commits") == [("one",)]
    assert view("SELECT * FROM co_changes") == []
