"""Hooks in real repositories: what git calls, what stays as it was, and what is refused."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from amounts import amount
from materialize_helpers import GitFolder

from patina_resources.errors import PatinaError
from patina_resources.hooks.installation import install, state_of_hooks, uninstall
from patina_resources.hooks.records import wanted
from patina_resources.hooks.script import HOOKS, Starter
from patina_resources.store.mothership import mothership

REBASED = amount(20, 50)
WAIT_SECONDS = 20.0


class Project(GitFolder):
    """A repository with a `.patina` folder, and a Python that only writes down that it was started."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        (path / ".patina").mkdir(exist_ok=True)
        self.calls = path.parent / f"{path.name}-calls"
        self.python = path.parent / f"{path.name} 'python"
        self.python.write_text(f"#!/bin/sh\necho \"$(pwd) $PYTHONSAFEPATH $PATINA_HOME $*\" >>'{self.calls}'\n")
        self.python.chmod(0o755)
        self.starter = Starter(str(self.python), f"{path.parent}/a 'home")

    def install(self) -> Path:
        """Install the hooks; return their folder."""
        return install(self.path, mothership(), self.starter)

    def called(self, count: int) -> list[str]:
        """Return the calls, once there are so many; then none may follow."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self._lines()) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.1)
        found = self._lines()
        assert len(found) == count, found
        return found

    def _lines(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "repository")
    made.commit("Begin")
    return made


def content_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in folder.iterdir() if path.is_file()}


def write_hook(folder: Path, name: str, text: str | bytes, mode: int = 0o755) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


# What git calls


def test_a_commit_starts_the_installed_patina_at_the_top(project: Project) -> None:
    project.install()
    project.commit("Second")
    assert project.called(1) == [f"{project.path} 1 {project.starter.home} -m patina_assets.cli hook run"]


def test_merge_checkout_and_amend_start_it_and_a_restored_file_does_not(project: Project) -> None:
    project.write("a.txt", "one")
    project.commit("Add")
    project.git("branch", "other")
    project.commit("Second")
    project.install()
    project.git("checkout", "-q", "other")
    project.called(1)
    project.git("checkout", "--", "a.txt")
    project.called(1)
    project.git("merge", "-q", "main")
    project.called(2)
    project.git("commit", "-q", "--allow-empty", "--amend", "-m", "Other words")
    project.called(4)  # git calls post-commit and post-rewrite


def test_a_rebase_starts_it_when_it_begins_and_when_it_ends(project: Project) -> None:
    project.git("checkout", "-q", "-b", "topic")
    for number in range(REBASED):
        project.write(f"{number}.txt", "x")
        project.commit(f"Commit {number}")
    project.git("checkout", "-q", "main")
    project.write("main.txt", "x")
    project.commit("On main")
    project.git("checkout", "-q", "topic")
    project.install()
    project.git("rebase", "-q", "main")
    project.called(2)
    assert int(project.git("rev-list", "--count", "HEAD")) == REBASED + 2


def test_a_bisect_starts_nothing(project: Project) -> None:
    for number in range(4):
        project.commit(f"Commit {number}")
    project.install()
    project.git("bisect", "start", "HEAD", "HEAD~4")
    project.git("bisect", "good")
    project.called(0)


def test_a_worktree_starts_it_in_its_own_folder(project: Project) -> None:
    folder = project.install()
    other = project.path.parent / "other"
    project.git("worktree", "add", "-q", str(other))
    project.called(1)  # a new worktree is checked out
    GitFolder(other).commit("There")
    assert project.called(2)[-1].startswith(f"{other} ")
    (other / ".patina").mkdir()
    assert install(other, mothership(), project.starter) == folder  # its hooks are those of the repository
    assert uninstall(project.path, mothership()) == []
    assert len(uninstall(other, mothership())) == len(HOOKS)


@pytest.mark.parametrize(
    ("path", "left"), [("/a:/b", "/a:/b"), ("", ""), ("/a:", ""), (":/a", ""), ("/a::/b", ""), ("/a:b", ""), (".", "")]
)
def test_what_it_starts_imports_nothing_of_the_repository(
    project: Project, monkeypatch: pytest.MonkeyPatch, path: str, left: str
) -> None:
    project.python.write_text(f"#!/bin/sh\necho \"[$PYTHONPATH]\" >>'{project.calls}'\n")
    project.install()
    monkeypatch.setenv("PYTHONPATH", path)
    project.commit("Second")
    assert project.called(1) == [f"[{left}]"]


def test_a_commit_succeeds_when_patina_is_gone(project: Project) -> None:
    project.install()
    project.python.unlink()
    project.commit("Second")
    assert project.git("log", "--format=%s").split() == [b"Second", b"Begin"]


def test_a_commit_does_not_wait_for_what_it_starts(project: Project) -> None:
    ended = project.path.parent / "ended"
    project.python.write_text(f"#!/bin/sh\nsleep 3\necho >'{ended}'\n")
    project.install()
    # Whoever reads what git prints reads to its end at once, too: nothing that was started holds the pipe.
    project.commit("Second")
    assert not ended.exists()


# What is kept


def test_uninstalling_leaves_every_byte_as_it_was(project: Project) -> None:
    folder = project.path / ".git" / "hooks"
    write_hook(folder, "post-commit", b"#!/usr/bin/env bash\n# caf\xe9\nexit 0")
    write_hook(folder, "post-rewrite", "#!/bin/sh -e\ncat >/dev/null\n", 0o700)
    before = content_of(folder)
    project.install()
    project.install()
    assert content_of(folder) != before
    assert {path.name for path in uninstall(project.path, mothership())} == set(HOOKS)
    assert content_of(folder) == before
    assert uninstall(project.path, mothership()) == []


def test_a_hook_of_the_users_own_runs_beside_it_and_decides_how_it_ends(project: Project) -> None:
    told = project.path.parent / "told"
    write_hook(project.path / ".git" / "hooks", "post-rewrite", f"#!/bin/sh\ncat >'{told}'\nexit 0\n")
    write_hook(project.path / ".git" / "hooks", "post-checkout", "#!/bin/sh\nexit 7\n")
    project.install()
    project.git("commit", "-q", "--allow-empty", "--amend", "-m", "Other words")
    assert len(told.read_text().split()) == 2  # the old and the new commit, from its standard input
    done = subprocess.run(["git", "checkout", "-q", "-b", "topic"], cwd=project.path, check=False)
    assert done.returncode == 1  # git's word for any failure
    project.called(3)


def test_installing_again_replaces_the_lines_of_another_patina(project: Project) -> None:
    folder = project.install()
    other = project.path.parent / "another"
    shutil.copy(project.python, other)
    assert {hook.state for hook in state_of_hooks(project.path, mothership(), Starter(str(other))).hooks} == {
        "of another Patina"
    }
    install(project.path, mothership(), Starter(str(other)))
    assert {hook.state for hook in state_of_hooks(project.path, mothership(), Starter(str(other))).hooks} == {
        "installed"
    }
    assert "python" not in (folder / "post-commit").read_text().replace("PYTHONSAFEPATH", "")


def test_core_hooks_path_is_respected(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project.git("config", "core.hooksPath", ".own/hooks")
    assert project.install() == project.path / ".own" / "hooks"
    assert not (project.path / ".git" / "hooks" / "post-commit").exists()
    project.git("commit", "-q", "--allow-empty", "-m", "Second")
    project.called(1)
    uninstall(project.path, mothership())
    assert list((project.path / ".own" / "hooks").iterdir()) == []
    # The user's own configuration may name a folder for all repositories: other projects keep their lines there.
    project.git("config", "--unset", "core.hooksPath")
    shared = tmp_path / "shared"
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\nhooksPath = {shared}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    second = Project(tmp_path / "second")
    assert project.install() == second.install() == shared
    assert uninstall(project.path, mothership()) == []
    assert len(uninstall(second.path, mothership())) == len(HOOKS)


# What is refused


def linked(folder: Path) -> None:
    write_hook(folder.parent, "elsewhere", "#!/bin/sh\n")
    (folder / "post-merge").symlink_to(folder.parent / "elsewhere")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "python": (lambda folder: write_hook(folder, "post-merge", "#!/usr/bin/env python3\npass\n"), "no script of a"),
    "binary": (lambda folder: write_hook(folder, "post-merge", b"\x7fELF\0\0"), "no script of a shell"),
    "windows": (lambda folder: write_hook(folder, "post-merge", "#!/bin/sh\r\nexit 0\r\n"), "no script of a shell"),
    "not executable": (lambda folder: write_hook(folder, "post-merge", "#!/bin/sh\n", 0o644), "may not be executed"),
    "link": (linked, "a symbolic link"),
    "half": (lambda folder: write_hook(folder, "post-merge", "#!/bin/sh\n# <<< patina <<<\n"), "not as they were"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_hook_that_nothing_can_be_added_to_is_named_and_nothing_is_changed(project: Project, case: str) -> None:
    make, words = REFUSED[case]
    folder = project.path / ".git" / "hooks"
    make(folder)
    before = content_of(folder)
    with pytest.raises(PatinaError, match=words) as raised:
        project.install()
    assert str(folder / "post-merge") in str(raised.value)
    assert content_of(folder) == before
    assert wanted(mothership()) == []


def test_a_link_leads_neither_to_tracked_hooks_nor_out_of_the_repository(project: Project, tmp_path: Path) -> None:
    tracked = write_hook(project.path / "own", "post-commit", "#!/bin/sh\n")
    project.commit("Add hooks")
    folder = project.path / ".git" / "hooks"
    shutil.rmtree(folder)
    folder.symlink_to(tracked.parent)
    with pytest.raises(PatinaError, match="git tracks this hook"):
        project.install()
    folder.unlink()
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.symlink_to(outside)
    with pytest.raises(PatinaError, match="outside of the repository: nothing is written there"):
        project.install()
    folder.unlink()
    folder.symlink_to(folder)
    with pytest.raises(PatinaError, match="links lead in a circle"):
        project.install()
    assert (tracked.read_text(), list(outside.iterdir())) == ("#!/bin/sh\n", [])


def test_a_bare_clone_has_no_such_hooks(project: Project) -> None:
    bare = project.path.parent / "bare.git"
    project.git("clone", "-q", "--bare", str(project.path), str(bare))
    with pytest.raises(PatinaError, match="is a bare repository"):
        install(bare, mothership(), project.starter)


def test_a_clone_brings_no_hooks_and_chooses_no_place_for_them(project: Project, tmp_path: Path) -> None:
    write_hook(project.path / "hooks", "post-commit", "#!/bin/sh\n")
    project.commit("Add hooks")
    clone = tmp_path / "clone"
    project.git("clone", "-q", str(project.path), str(clone))
    (clone / ".patina").mkdir()
    assert not state_of_hooks(clone, mothership(), Starter("/python")).wanted
    # Hooks that git tracks would reach everybody.
    project.git("-C", str(clone), "config", "core.hooksPath", "hooks")
    with pytest.raises(PatinaError, match="git tracks this hook"):
        install(clone, mothership(), Starter("/python"))
    # A `.git` out of an archive may name any place.
    outside = tmp_path / "outside"
    outside.mkdir()
    (clone / "away").symlink_to(outside)
    for place in (str(outside), "../outside", "away"):
        project.git("-C", str(clone), "config", "core.hooksPath", place)
        with pytest.raises(PatinaError, match="outside of the repository"):
            install(clone, mothership(), Starter("/python"))
    assert list(outside.iterdir()) == []


def test_a_damaged_record_is_named(project: Project) -> None:
    project.install()
    record = mothership().own / "hooks.json"
    for damage in ("[]", "{", '{"/a": 1}', "\udcff"):
        record.write_bytes(os.fsencode(damage))
        with pytest.raises(PatinaError, match="is damaged: delete it"):
            wanted(mothership())
