"""Git history -> eventlog: every commit once, in order, whatever the history or the repository holds."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows

from patina_resources.errors import PatinaError
from patina_resources.materialize.git import command, reading
from patina_resources.materialize.git.conventional import parse_message
from patina_resources.materialize.git.repository import is_in_repository
from patina_resources.materialize.report import ScraperReport
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


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    return GitFolder(tmp_path / "project")


def scrape(folder: GitFolder, *, full: bool = False) -> ScraperReport:
    (report,) = materialize(folder.path, folder.eventlog, only=["git"], full=full)
    return report


def test_schema_is_the_shared_one(folder: GitFolder) -> None:
    folder.commit("one")
    scrape(folder)
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
    assert scrape(folder).new == {"git.commit": 1}
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
    scrape(folder)
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
    scrape(folder)
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
    scrape(folder)
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
    assert scrape(folder).new == {"git.commit": 1}
    before = folder.eventlog.read_bytes()
    again = scrape(folder)
    assert (again.new, again.known, again.retracted) == ({}, {"git.commit": 1}, {})
    assert folder.eventlog.read_bytes() == before
    folder.commit("two")
    folder.commit("three")
    report = scrape(folder)
    assert (report.new, report.known) == ({"git.commit": 2}, {"git.commit": 1})
    assert scrape(folder, full=True).new == {}
    assert [row["data"]["message"] for row in rows(folder.eventlog)] == ["one", "two", "three"]


def test_two_runs_give_the_rows_of_one(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("a", "1\n")
    folder.commit("one")
    scrape(folder)
    folder.write("a", "2\n")
    folder.commit("two")
    scrape(folder)
    materialize(folder.path, tmp_path / "other.db", only=["git"])
    assert rows(folder.eventlog) == rows(tmp_path / "other.db")


def test_rewritten_history_is_taken_back_and_not_duplicated(folder: GitFolder) -> None:
    kept = folder.commit("one")
    folder.write("a", "1\n")
    gone = [folder.commit("two"), folder.commit("three")]
    scrape(folder)
    seq = last_seq(folder.eventlog)
    folder.git("reset", "-q", "--hard", kept)
    folder.write("a", "9\n")
    new = folder.commit("two, better")
    report = scrape(folder)
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
    scrape(folder)
    assert [row["source_id"] for row in live(folder.eventlog)] == [kept, *gone]


def test_rewritten_history_whose_old_commits_are_not_here(folder: GitFolder) -> None:
    folder.commit("one")
    old = folder.commit("two")
    scrape(folder)
    folder.git("reset", "-q", "--hard", "HEAD~1")
    folder.git("reflog", "expire", "--expire=now", "--all")
    folder.git("gc", "-q", "--prune=now")
    assert scrape(folder).retracted == {"git.commit": 1}
    assert old not in [row["source_id"] for row in live(folder.eventlog)]


def test_shallow_clone_says_so_and_is_completed_later(folder: GitFolder, tmp_path: Path) -> None:
    for number in range(4):
        folder.write(f"f{number}", "x\n")
        folder.commit(f"commit {number}")
    clone = tmp_path / "clone"
    folder.git("clone", "-q", "--depth", "2", f"file://{folder.path}", str(clone))
    (report,) = materialize(clone, tmp_path / "log.db", only=["git"])
    assert "shallow" in report.skipped[0]
    assert [len(row["data"]["files"]) for row in rows(tmp_path / "log.db")] == [0, 1]
    folder.git("-C", str(clone), "fetch", "-q", "--unshallow")
    (report,) = materialize(clone, tmp_path / "log.db", only=["git"])
    assert (report.new, report.retracted, report.skipped) == ({"git.commit": 3}, {"git.commit": 1}, ())
    assert sorted(len(row["data"]["files"]) for row in live(tmp_path / "log.db")) == [1, 1, 1, 1]


def test_partial_clone_says_what_to_do_and_fetches_nothing(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("a", "1\n")
    folder.commit("one")
    folder.write("a", "2\n")
    folder.commit("two")
    folder.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    folder.git("clone", "-q", "--filter=blob:none", f"file://{folder.path}", str(clone))
    with pytest.raises(PatinaError, match=r"partial clone, .*: run `git fetch --refetch --no-filter` there"):
        materialize(clone, tmp_path / "log.db", only=["git"])
    folder.git("-C", str(clone), "fetch", "-q", "--refetch", "--no-filter")
    (report,) = materialize(clone, tmp_path / "log.db", only=["git"])
    assert report.new == {"git.commit": 2}


def test_repository_without_commits_is_said_plainly(folder: GitFolder) -> None:
    report = scrape(folder)
    assert (report.new, report.skipped) == ({}, ("git: there are no commits yet",))


def test_bare_repository_and_subfolder(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("deep/er/a", "x")
    folder.commit("one")
    folder.git("clone", "-q", "--bare", str(folder.path), str(tmp_path / "bare.git"))
    for start, log in (("bare.git", "bare.db"), ("project/deep/er", "sub.db")):
        materialize(tmp_path / start, tmp_path / log, only=["git"])
        assert [row["data"]["message"] for row in rows(tmp_path / log)] == ["one"]


def test_nothing_in_the_repository_is_executed(folder: GitFolder, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    script = folder.write(".git/hooks/evil", f"#!/bin/sh\ntouch {marker}\n")
    script.chmod(0o755)
    for hook in ("post-checkout", "pre-auto-gc", "reference-transaction"):
        (folder.path / ".git/hooks" / hook).symlink_to("evil")
    folder.write(".gitattributes", "* diff=evil filter=evil\n")
    folder.write("-rf", "x\n")
    folder.write("--output=stolen", "x\n")
    folder.commit("bait")
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "gpg.program",
        "pager.log",
        "alias.log",
    ):
        folder.git("config", key, f"!{script}" if key == "alias.log" else str(script))
    folder.git("config", "log.showSignature", "true")
    folder.git("config", "core.attributesFile", ".gitattributes")
    marker.unlink(missing_ok=True)
    scrape(folder)
    assert not marker.exists()
    (row,) = rows(folder.eventlog)
    assert [file["path"] for file in row["data"]["files"]] == ["--output=stolen", "-rf", ".gitattributes"]


def test_a_worktree_elsewhere_is_refused(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    for claimed in ("/", str(tmp_path)):
        folder.git("config", "core.worktree", claimed)
        with pytest.raises(PatinaError, match=r"core\.worktree .* outside of it"):
            scrape(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user(folder: GitFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.commit("one")
    for path in (folder.path, folder.path / ".git"):
        os.chown(path, 12345, 12345)
    monkeypatch.setenv("HOME", str(tmp_path))
    command._trusted_folders.cache_clear()
    with pytest.raises(PatinaError, match="belongs to another user"):
        scrape(folder)
    (tmp_path / ".gitconfig").write_text(f"[safe]\n\tdirectory = {folder.path}\n")
    command._trusted_folders.cache_clear()
    assert scrape(folder).new == {"git.commit": 1}
    command._trusted_folders.cache_clear()


def test_linked_worktrees(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    folder.git("worktree", "add", "-q", str(tmp_path / "linked"))
    materialize(tmp_path / "linked", tmp_path / "linked.db")
    assert [row["data"]["message"] for row in rows(tmp_path / "linked.db")] == ["one"]


def test_commits_that_no_git_command_wrote(folder: GitFolder) -> None:
    tip = folder.commit("one")
    tree = folder.git("rev-parse", "HEAD^{tree}").decode().strip()
    people = (
        b"author A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nfirst\0:100644 a b M\0evil\0\n",
        b"author Nu\0l <a@b> 99999999999999999999 +9999\ncommitter A <a@b> -5 -0000\n\n12\t3\tno numstat\n",
        b"author A <a@b> what\ncommitter A <a@b> 1700000000 +0100\n\nthe committer knows\n",
        b"author A <> 17000000000000 -1300\ncommitter\n\nthe year 540678\n",
        b"\nno people\n",
    )
    for text in people:
        content = f"tree {tree}\nparent {tip}\n".encode() + text
        tip = folder.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=content).decode().strip()
    folder.git("update-ref", "refs/heads/main", tip)
    folder.write("a.py", "def f():\n    pass\n")
    materialize(folder.path, folder.eventlog, only=["git", "code"])
    unknown = "1970-01-01T00:00:00+00:00"
    assert [(row["data"]["message"], row["timestamp"], row["data"]["files"]) for row in rows(folder.eventlog, "git")][
        1:
    ] == [
        ("first", "2023-11-14T22:13:20+00:00", []),
        ("12\t3\tno numstat", "1969-12-31T23:59:55+00:00", []),
        ("the committer knows", "2023-11-14T23:13:20+01:00", []),
        ("the year 540678", "9999-12-31T23:59:59+00:00", []),
        ("no people", unknown, []),
    ]
    assert {row["timestamp"] for row in rows(folder.eventlog, "code")} == {unknown}


@pytest.mark.parametrize(
    ("time", "expected", "seconds"),
    [
        ("1700000000 +0530", "2023-11-15T03:43:20+05:30", None),
        ("1700000000 +51800", "2023-11-14T22:13:20+00:00", None),
        ("1700000000 +0575", "2023-11-14T22:13:20+00:00", None),
        ("1700000000 -9900", "2023-11-14T22:13:20+00:00", None),
        ("-5 +0200", "1969-12-31T23:59:55+00:00", None),
        ("-14182940 +0000", "1969-07-20T20:17:40+00:00", None),
        ("-99999999999 +0000", "0001-01-01T00:00:00+00:00", -99999999999),
        ("253402300799 +0000", "9999-12-31T23:59:59+00:00", None),
        ("253402300800 +0000", "9999-12-31T23:59:59+00:00", 253402300800),
        ("17000000000000 -1300", "9999-12-31T23:59:59+00:00", 17000000000000),
    ],
)
def test_the_seconds_of_a_commit_are_kept_whatever_its_zone(
    folder: GitFolder, time: str, expected: str, seconds: int | None
) -> None:
    tree = folder.git("mktree").decode().strip()
    content = f"tree {tree}\nauthor A <a@b> {time}\ncommitter A <a@b> 1700000000 +0100\n\none\n".encode()
    sha = folder.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=content).decode().strip()
    folder.git("update-ref", "refs/heads/main", sha)
    report = scrape(folder)
    [row] = rows(folder.eventlog)
    assert (row["timestamp"], row["data"].get("author_seconds")) == (expected, seconds)
    usual = time in {"1700000000 +0530", "253402300799 +0000"}
    assert report.skipped == (
        ()
        if usual
        else (f"git: 1 commit(s) have a time zone or a year that does not exist: their time is in UTC ({sha[:10]})",)
    )


@pytest.mark.parametrize(
    ("message", "subject", "body"),
    [
        ("one", "one", None),
        ("one\n\ntwo\n\nthree\n", "one", "two\n\nthree"),
        ("one\ngoes on\n\ntwo\n", "one goes on", "two"),
        ("one\n\nSigned-off-by: A <a@b>\nFixes: #3\n", "one", "Signed-off-by: A <a@b>\nFixes: #3"),
        ("one\n\n\n    code\n\n\nend \n\n", "one", "    code\n\n\nend "),
    ],
)
def test_the_body_of_a_message_is_kept_with_its_trailers(
    folder: GitFolder, message: str, subject: str, body: str | None
) -> None:
    folder.commit(message, "--cleanup=verbatim")
    scrape(folder)
    [row] = rows(folder.eventlog)
    assert (row["data"]["message"], row["data"].get("body")) == (subject, body)


def test_an_eventlog_of_another_repository_is_refused(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    folder.commit("two")
    scrape(folder)
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
    scrape(folder)
    new = folder.commit("one, better", "--amend")
    report = scrape(folder)
    assert (report.new, report.retracted) == ({"git.commit": 1}, {"git.commit": 1})
    folder.git("reset", "-q", "--hard", old)
    folder.git("checkout", "-q", "--orphan", "empty")
    assert scrape(folder).skipped == ("git: there are no commits yet",)
    assert [row["source_id"] for row in live(folder.eventlog)] == [new]


def test_a_shallow_clone_may_share_no_commit_with_an_older_eventlog(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    scrape(folder)
    folder.commit("two")
    folder.git("clone", "-q", "--depth", "1", f"file://{folder.path}", str(tmp_path / "clone"))
    (report,) = materialize(tmp_path / "clone", folder.eventlog, only=["git"])
    assert (report.new, report.known, report.retracted) == ({"git.commit": 1}, {"git.commit": 1}, {})


def test_configuration_does_not_change_the_rows(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("a.txt", "".join(f"{number}\n" for number in range(20)))
    folder.commit("one")
    folder.git("mv", "a.txt", "b.txt")
    folder.commit("two")
    materialize(folder.path, tmp_path / "plain.db", only=["git"])
    for key, value in {
        "diff.renames": "false",
        "diff.noprefix": "true",
        "log.follow": "true",
        "log.decorate": "full",
        "log.diffMerges": "first-parent",
        "format.pretty": "oneline",
        "color.ui": "always",
        "i18n.logOutputEncoding": "latin1",
        "diff.relative": "true",
    }.items():
        folder.git("config", key, value)
    folder.write(".gitattributes", "*.txt -diff\n")
    materialize(folder.path, tmp_path / "odd.db", only=["git"])
    assert rows(tmp_path / "odd.db") == rows(tmp_path / "plain.db")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("fix: a", ("fix", None, False, None, [])),
        ("docs(read me): a (#5)", ("docs", "read me", False, 5, [])),
        ("feat!: a", ("feat", None, True, None, [])),
        ("feat: a\n\nBREAKING CHANGE: b", ("feat", None, True, None, [])),
        ("Add a thing (#456)", (None, None, False, 456, [])),
        ("Merge pull request #789 from x/y", (None, None, False, 789, [])),
        ("Tidy\n\nCloses: #1\nresolved #2 and fixes #2", (None, None, False, None, [1, 2])),
        ("spec: a (#16), b (#6)", ("spec", None, False, 6, [])),
    ],
)
def test_conventional_commit_fields(message: str, expected: tuple[object, ...]) -> None:
    keys = ("type", "scope", "breaking", "pr_ref", "issue_refs")
    assert parse_message(message) == dict(zip(keys, expected, strict=True))


@pytest.mark.parametrize("message", ["", "Updated the README file", "see http://x: y", "fix 3 bugs", "a" * 100_000])
def test_messages_without_structure(message: str) -> None:
    assert parse_message(message) is None


def test_wrong_input_is_one_sentence(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    with pytest.raises(PatinaError, match=r"unknown scraper 'gti' \(did you mean 'git'\?\)"):
        materialize(folder.path, folder.eventlog, only=["gti"])
    with pytest.raises(PatinaError, match="no scraper is named: expected some of git, sessions, docs, code"):
        materialize(folder.path, folder.eventlog, only=[])
    (tmp_path / "plain").mkdir()
    with pytest.raises(PatinaError, match="not in a git repository"):
        materialize(tmp_path / "plain", tmp_path / "x.db")
    with pytest.raises(PatinaError, match="no such folder"):
        materialize(tmp_path / "missing", tmp_path / "x.db")
    (tmp_path / "text.db").write_text("not a database, but long enough to have a header of its own\n" * 20)
    with pytest.raises(PatinaError, match="is not an SQLite eventlog"):
        materialize(folder.path, tmp_path / "text.db")
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE eventlog (seq, data)").connection.close()
    with pytest.raises(PatinaError, match="table eventlog lacks event_type, timestamp"):
        materialize(folder.path, tmp_path / "other.db")


def lose(folder: GitFolder, name: str) -> None:
    """Delete an object, given as git names it."""
    sha = folder.git("rev-parse", name).decode().strip()
    (folder.path / ".git/objects" / sha[:2] / sha[2:]).unlink()


def test_a_lost_blob_costs_the_line_counts_of_the_commits_that_changed_it(folder: GitFolder) -> None:
    for number in range(5):
        folder.write("a", f"{number}\n")
        folder.write(f"file{number}.py", f"def f{number}(): pass\n")
        folder.commit(f"commit {number}")
    folder.git("mv", "file1.py", "moved.py")
    folder.commit("move")
    lose(folder, "HEAD~3:a")
    lose(folder, "HEAD~4:file1.py")
    git, _, _, code = materialize(folder.path, folder.eventlog)
    events = rows(folder.eventlog, "git")
    assert git.new == {"git.commit": 6}
    assert {row["data"]["message"]: all("lines_added" in file for file in row["data"]["files"]) for row in events} == {
        "commit 0": True,
        "commit 1": False,
        "commit 2": False,
        "commit 3": False,
        "commit 4": True,
        "move": False,
    }
    assert [file["path"] for file in events[2]["data"]["files"]] == ["a", "file2.py"]
    assert events[-1]["data"]["files"][0]["old_path"] == "file1.py"
    shas = ", ".join(events[number]["source_id"][:10] for number in (1, 2, 3))
    assert git.skipped == (
        f"git: 4 commit(s) change what git cannot read, and are without line counts: check with `git fsck` "
        f"({shas}, ...)",
    )
    assert code.new["code.function"] == 5
    assert scrape(folder, full=True).new == {}


def test_a_damaged_blob_is_like_a_lost_one(folder: GitFolder) -> None:
    folder.write("a", "1\n" * 100)
    folder.commit("one")
    sha = folder.git("rev-parse", "HEAD:a").decode().strip()
    stored = folder.path / ".git/objects" / sha[:2] / sha[2:]
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes()[:12])
    folder.git("commit", "-q", "--allow-empty", "-m", "two")
    assert scrape(folder).new == {"git.commit": 2}
    assert rows(folder.eventlog)[0]["data"]["files"] == [{"path": "a", "change_type": "added"}]


def test_a_lost_folder_costs_the_files_of_the_commits_that_changed_it(folder: GitFolder) -> None:
    for number in range(4):
        folder.write("deep/a", f"{number}\n")
        folder.write("b", f"{number}\n")
        folder.commit(f"commit {number}")
    lose(folder, "HEAD~2:deep")
    report = scrape(folder)
    assert report.new == {"git.commit": 4}
    assert [len(row["data"]["files"]) for row in rows(folder.eventlog)] == [2, 0, 0, 2]
    assert "2 commit(s) have folders that git cannot read" in report.skipped[0]


def test_many_lost_blobs_are_not_asked_for_one_by_one(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FAILURES", 2)
    for number in range(6):
        folder.write("a", f"{number}\n")
        folder.commit(f"commit {number}")
    for number in range(5):
        lose(folder, f"HEAD~{number}:a")
    assert "5 commit(s) change what git cannot read" in scrape(folder).skipped[0]
    assert [row["data"]["message"] for row in rows(folder.eventlog)] == [f"commit {number}" for number in range(6)]


def test_a_lost_commit_leaves_the_eventlog_as_it_was(folder: GitFolder) -> None:
    folder.commit("one")
    scrape(folder)
    folder.commit("two")
    folder.commit("three")
    before = rows(folder.eventlog)
    lose(folder, "HEAD~1")
    with pytest.raises(PatinaError, match=r"`git log` failed .*git fsck"):
        scrape(folder)
    assert rows(folder.eventlog) == before


def test_two_runs_at_once_append_every_commit_once(folder: GitFolder) -> None:
    for number in range(30):
        folder.commit(f"commit {number}")
    script = (
        "import sys; from pathlib import Path; from patina_resources.materialize.run import materialize; "
        "materialize(Path(sys.argv[1]), Path(sys.argv[2]), only=['git'])"
    )
    command = [sys.executable, "-c", script, str(folder.path), str(folder.eventlog)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert len(rows(folder.eventlog)) == 30


def test_a_killed_run_leaves_nothing_and_the_next_completes(folder: GitFolder) -> None:
    for number in range(5):
        folder.commit(f"commit {number}")
    script = (
        "import os, sys; from pathlib import Path; from patina_resources.materialize.run import materialize; "
        "materialize(Path(sys.argv[1]), Path(sys.argv[2]), only=['git'], "
        "progress=lambda doing, done, total: os.kill(os.getpid(), 9) if done else None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder.path), str(folder.eventlog)], capture_output=True, check=False
    )
    assert done.returncode == -9
    assert rows(folder.eventlog) == []
    assert scrape(folder).new == {"git.commit": 5}


def test_derived_views_follow_the_live_events(folder: GitFolder) -> None:
    first = folder.commit("one")
    folder.write("a", "1\n")
    folder.write("b", "1\n")
    folder.commit("two")
    scrape(folder)

    def view(query: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(folder.eventlog)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    assert view("SELECT message FROM commits ORDER BY timestamp") == [("one",), ("two",)]
    assert view("SELECT file_a, file_b, count FROM co_changes") == [("a", "b", 1)]
    folder.git("reset", "-q", "--hard", first)
    scrape(folder)
    assert view("SELECT message FROM commits") == [("one",)]
    assert view("SELECT * FROM co_changes") == []


def test_a_folder_is_in_a_repository_or_not(tmp_path: Path) -> None:
    (tmp_path / "plain" / "objects").mkdir(parents=True)
    (tmp_path / "own" / "deep").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path / "own")], check=True)
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare")], check=True)
    inside = {name for name in ("plain", "own", "own/deep", "bare") if is_in_repository(tmp_path / name)}
    assert inside == {"own", "own/deep", "bare"}
