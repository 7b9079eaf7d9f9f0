"""Repositories of an attacker, and what a victim gets by `git clone`."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from commands import Commands
from installations import OTHER_KEY, give_key
from small_project import Ran, make_project


def git(folder: Path, *arguments: str) -> str:
    """Run a git command of the attacker, or of the victim before Patina."""
    identity = ["-c", "user.name=Mallory", "-c", "user.email=m@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@cache
def _commands() -> Commands:
    """Return what runs `patina` in processes of its own; it ends with this process."""
    return Commands({})


def run(folder: Path, home: Path, *arguments: str, **environment: str) -> Ran:
    """Run `patina` in a process of its own, as a user with that mothership: a crash of native code is seen."""
    own = {"HOME": str(home.parent), "PATINA_HOME": str(home), **environment}
    ended = _commands().run(folder, *arguments, environment=own)
    assert ended.signal is None, f"{arguments} was ended by signal {ended.signal}"
    return Ran(-1 if ended.code is None else ended.code, ended.out, ended.err)


def built_by_attacker(folder: Path) -> Path:
    """Return a project that another installation has built, with its eventlog in git and its artifacts not."""
    attacker = give_key(folder / "attacker-home", OTHER_KEY)
    root = make_project(folder / "attacker").root
    (root / ".gitignore").write_text(".patina/data/\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "Begin")
    done = run(root, attacker, "oxidize")
    assert done.code == 0, done.err
    return root


def commit_all(root: Path) -> None:
    """Commit everything, ignored files included."""
    git(root, "add", "--force", ".")
    git(root, "commit", "-qm", "Add what is derived")


def clone(root: Path, place: Path) -> Path:
    """Return a clone of a repository."""
    git(root, "clone", "-q", str(root), str(place))
    return place


def unpack(root: Path, place: Path) -> Path:
    """Return a copy without git, as an archive would give it."""
    shutil.copytree(root, place, ignore=shutil.ignore_patterns(".git"))
    return place
