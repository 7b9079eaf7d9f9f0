"""Repositories of every kind: shallow, partial, bare, empty, linked, of another user, hostile."""

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, live, rows, scrape

from patina_resources.errors import PatinaError
from patina_resources.materialize.git import command
from patina_resources.materialize.git.repository import is_in_repository
from patina_resources.materialize.run import materialize


def test_without_git_the_way_on_is_told(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder.path))
    with pytest.raises(PatinaError, match=r"git is not on PATH.*: install git, and run the same command again"):
        materialize(folder.path, folder.eventlog)
    assert not folder.eventlog.exists()


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


def test_replaced_and_grafted_commits_are_read_as_they_were_made(folder: GitFolder) -> None:
    for number in range(4):
        folder.write("a", f"{number}\n")
        folder.commit(f"commit {number}")
    head, first = (folder.git("rev-parse", name).decode().strip() for name in ("HEAD", "HEAD~3"))
    (folder.path / ".git/info/grafts").write_text(f"{head} {first}\n")
    folder.git("replace", "HEAD~1", first)
    assert scrape("git", folder).new == {"git.commit": 4}
    assert [row["data"]["message"] for row in rows(folder.eventlog)] == [f"commit {number}" for number in range(4)]


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
    report = scrape("git", folder)
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
    scrape("git", folder)
    assert not marker.exists()
    (row,) = rows(folder.eventlog)
    assert [file["path"] for file in row["data"]["files"]] == ["--output=stolen", "-rf", ".gitattributes"]


def test_a_worktree_elsewhere_is_refused(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    for claimed in ("/", str(tmp_path)):
        folder.git("config", "core.worktree", claimed)
        with pytest.raises(PatinaError, match=r"core\.worktree .* outside of it"):
            scrape("git", folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user(folder: GitFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.commit("one")
    for path in (folder.path, folder.path / ".git"):
        os.chown(path, 12345, 12345)
    monkeypatch.setenv("HOME", str(tmp_path))
    command._trusted_folders.cache_clear()
    with pytest.raises(PatinaError, match="belongs to another user"):
        scrape("git", folder)
    (tmp_path / ".gitconfig").write_text(f"[safe]\n\tdirectory = {folder.path}\n")
    command._trusted_folders.cache_clear()
    assert scrape("git", folder).new == {"git.commit": 1}
    command._trusted_folders.cache_clear()


def test_linked_worktrees(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    folder.git("worktree", "add", "-q", str(tmp_path / "linked"))
    materialize(tmp_path / "linked", tmp_path / "linked.db")
    assert [row["data"]["message"] for row in rows(tmp_path / "linked.db")] == ["one"]


def test_a_shallow_clone_may_share_no_commit_with_an_older_eventlog(folder: GitFolder, tmp_path: Path) -> None:
    folder.commit("one")
    scrape("git", folder)
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


def test_a_folder_is_in_a_repository_or_not(tmp_path: Path) -> None:
    (tmp_path / "plain" / "objects").mkdir(parents=True)
    (tmp_path / "own" / "deep").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path / "own")], check=True)
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare")], check=True)
    inside = {name for name in ("plain", "own", "own/deep", "bare") if is_in_repository(tmp_path / name)}
    assert inside == {"own", "own/deep", "bare"}
