"""A git repository: what it holds, and where it is."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from patina_resources.errors import PatinaError, shown_path
from patina_resources.materialize.git.command import (
    BARE_ANYWHERE,
    GitFailedError,
    git_failure,
    run_git,
    said_by_git,
    stream_git,
)
from patina_resources.materialize.git.head import branch_of, fault_of, fault_of_head, last_of_log, waits_for_ever
from patina_resources.materialize.git.times import commit_time

# A name, and steps to parents: nothing that searches messages or dates.
_REVISION = re.compile(r"[A-Za-z0-9_][\w./-]{0,250}(?:[~^][0-9]{0,6}){0,8}", re.ASCII)


@dataclass(frozen=True)
class Repository:
    """A git repository.

    Attributes:
        git_dir: Where its objects are.
        worktree: The top of its checked-out files; None for a bare repository.
    """

    git_dir: Path
    worktree: Path | None

    def output(self, *arguments: str) -> bytes:
        """Return what a git command on the objects prints.

        Raises:
            PatinaError: Git failed.
        """
        done = run_git([*self._on_objects(), *arguments], self.git_dir, self._no_worktree())
        if done.returncode:
            raise git_failure(self.git_dir, arguments[0], done.stderr)
        return done.stdout

    def succeeds(self, *arguments: str) -> bool:
        """Return whether a git command on the objects ends with 0."""
        return run_git([*self._on_objects(), *arguments], self.git_dir, self._no_worktree()).returncode == 0

    @contextmanager
    def stream(self, *arguments: str, stdin: bytes = b"", seconds: float | None = None) -> Iterator[Iterator[bytes]]:
        """Yield blocks of what a git command on the objects prints, while it runs.

        Args:
            arguments: The command and its arguments.
            stdin: What it reads.
            seconds: How long it may take; None for as long as it takes.

        Raises:
            GitFailedError: Git failed, or took longer; what it had printed by then was yielded.
            PatinaError: The clone is a partial one, and lacks what is needed.
        """
        command = [*self._on_objects(), *arguments]
        with stream_git(command, self.git_dir, self._no_worktree(), stdin, arguments[0], seconds) as blocks:
            yield blocks

    def files(self, folder: Path) -> list[bytes]:
        """Return the path of every tracked, or untracked and not ignored, file below `folder`, from the worktree's top.

        Raises:
            PatinaError: Git failed.
        """
        return self._list(folder, "--cached", "--others", "--exclude-standard", "--deduplicate")

    def prefix(self, folder: Path) -> bytes:
        """Return what the path of a folder of the worktree begins with, from the worktree's top: "" or `a/b/`."""
        below = folder.relative_to(self.worktree or folder).as_posix()
        return b"" if below == "." else os.fsencode(below) + b"/"

    def ignored(self, folder: Path) -> list[bytes]:
        """Return what git ignores below `folder`, from the worktree's top; a folder of nothing else ends with `/`.

        Raises:
            PatinaError: Git failed.
        """
        return self._list(folder, "--others", "--ignored", "--exclude-standard", "--directory")

    def _list(self, folder: Path, *options: str) -> list[bytes]:
        command = [f"--git-dir={self.git_dir}", f"--work-tree={self.worktree}", "ls-files", "-z", "--full-name"]
        done = run_git([*command, *options], folder, {})
        if done.returncode:
            raise git_failure(folder, "ls-files", done.stderr)
        return sorted(path for path in done.stdout.split(b"\0") if path)

    def tracked(self, folder: Path, below: Sequence[str] = ()) -> list[bytes]:
        """Return the path, from `folder`, of every file in the index below it.

        Args:
            folder: A folder of the worktree.
            below: Only paths below these, from `folder`.

        Raises:
            PatinaError: Git failed.
        """
        command = [f"--git-dir={self.git_dir}", f"--work-tree={self.worktree}", "ls-files", "-z", "--cached", "--"]
        done = run_git([*command, *below], folder, {})
        if done.returncode:
            raise git_failure(folder, "ls-files", done.stderr)
        return [path for path in done.stdout.split(b"\0") if path]

    def submodules(self, folder: Path) -> list[bytes]:
        """Return the path, from the worktree's top, of every submodule below a folder of the worktree.

        Raises:
            PatinaError: Git failed.
        """
        entries = self._list(folder, "--cached", "--stage")
        return [entry.partition(b"\t")[2] for entry in entries if entry.startswith(b"160000 ")]

    def on_files(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Return what a git command on the index and the checked-out files prints, run at the worktree's top.

        Raises:
            PatinaError: Git failed.
        """
        top = self.worktree or self.git_dir
        done = run_git([f"--git-dir={self.git_dir}", f"--work-tree={top}", *arguments], top, {}, stdin)
        if done.returncode:
            raise git_failure(top, arguments[0], done.stderr)
        return done.stdout

    def head(self) -> str | None:
        """Return the sha of HEAD, or None where its branch has no commits yet.

        Raises:
            PatinaError: HEAD names a commit or a branch that is lost or damaged, or git cannot read any branch.
        """
        head = self._verified("HEAD^{commit}")
        if head is None:
            self._refuse_damaged_head()
        return head

    def _refuse_damaged_head(self) -> None:
        if fault := fault_of_head(self.git_dir):
            raise GitFailedError(fault)
        if named := self._verified("HEAD"):
            raise GitFailedError(
                f"{self.git_dir}: HEAD is commit {named[:10]}, which git cannot read: "
                "check the repository with `git fsck`"
            )
        listed = run_git([*self._on_objects(), "for-each-ref", "--count=1"], self.git_dir, self._no_worktree())
        if listed.returncode:
            raise git_failure(self.git_dir, "for-each-ref", listed.stderr)
        last = last_of_log(self.git_dir)
        is_known = last is not None and self._verified(f"{last}^{{commit}}") is not None
        symbolic = run_git([*self._on_objects(), "symbolic-ref", "-q", "HEAD"], self.git_dir, self._no_worktree())
        is_damaged = symbolic.returncode != 0
        if is_damaged or (is_known and not listed.stdout):
            branch = shown_path(branch_of(self.git_dir))
            removed = f"remove the file {branch} in the git folder, and " if is_damaged else ""
            raise GitFailedError(
                f"{self.git_dir}: HEAD is the branch {branch}, which {'git cannot read' if is_damaged else 'is lost'}: "
                + (f"{removed}run `git update-ref HEAD {last}`" if is_known else "clone the repository again")
            )

    def elsewhere(self) -> list[str]:
        """Return the first branches and tags that have commits, for when HEAD has none."""
        kinds = ("refs/heads", "refs/remotes", "refs/tags")
        return self.output("for-each-ref", "--count=3", "--format=%(refname:short)", *kinds).decode().split()

    def why_no_commit(self) -> str:
        """Return in words why HEAD is no commit, where `head` returns None, and the way on if there are commits."""
        names = ", ".join(map(shown_path, self.elsewhere()))
        if not names:
            return "there are no commits yet"
        branch = shown_path(branch_of(self.git_dir).removeprefix("refs/heads/"))
        return f"HEAD is the branch {branch}, which has no commits yet: make one, or go to another branch ({names})"

    def checked_out(self) -> tuple[Path, str] | str:
        """Return the top of the checked-out files and the sha of HEAD, or in words why there are none."""
        head = self.head()
        if head is None:
            return self.why_no_commit()
        return "a bare repository has no files" if self.worktree is None else (self.worktree, head)

    def commit_named(self, revision: str) -> str | None:
        """Return the sha of the commit that a branch, tag or `HEAD~2` means; None where it means none."""
        if not _REVISION.fullmatch(revision):
            return None
        return self._verified("--end-of-options", f"{revision}^{{commit}}")

    def commit_time(self, sha: str) -> str:
        """Return the author's time of a commit (ISO 8601)."""
        return _commit_time(self, sha)

    def raw_commit(self, sha: str) -> bytes:
        """Return a commit object as it is stored."""
        return self.output("cat-file", "commit", sha)

    def blob_name(self, revision: str, path: str) -> str | None:
        """Return the name of the object at a path of a commit, or None where there is none."""
        return self._verified(f"{revision}:{path}")

    def shallow_edge(self) -> frozenset[str]:
        """Return the commits whose parents a shallow clone does not have."""
        printed = self.output("rev-parse", "--path-format=absolute", "--git-path", "shallow")
        path = Path(os.fsdecode(printed.removesuffix(b"\n")))
        return frozenset(path.read_text("ascii", "replace").split()) if path.is_file() else frozenset()

    def _verified(self, *arguments: str) -> str | None:
        """Return the name of the object that a revision means, or None where it means none."""
        command = [*self._on_objects(), "rev-parse", "--verify", "--quiet", *arguments]
        return run_git(command, self.git_dir, self._no_worktree()).stdout.decode().strip() or None

    def _on_objects(self) -> list[str]:
        # The git folder itself stands in for the worktree, so that no .gitattributes is read.
        return [f"--git-dir={self.git_dir}", f"--work-tree={self.git_dir}"]

    def _no_worktree(self) -> dict[str, str]:
        return {"GIT_INDEX_FILE": str(self.git_dir / "no-index-is-read")}


# Each scraper of a run asks for that of HEAD.
@lru_cache(maxsize=16)
def _commit_time(repository: Repository, sha: str) -> str:
    printed = repository.output("log", "--no-walk", "--format=%at%n%aI%n%ct%n%cI", sha, "--").decode().split("\n")
    return commit_time(printed[:4], lambda: repository.raw_commit(sha)).text


def find_repository(folder: Path) -> Repository:
    """Return the git repository that `folder` is in.

    Raises:
        PatinaError: There is none, git is not installed, or git refuses it because of its owner.
    """
    if not folder.is_dir():
        raise PatinaError(f"{folder}: no such folder: expected a git repository")
    if waits_for_ever(folder):
        raise PatinaError(fault_of(folder) or f"{folder}/HEAD: is no plain file: clone the repository again")
    found = run_git(["rev-parse", "--absolute-git-dir"], folder, {})
    if found.returncode and b"safe.bareRepository" in found.stderr and not _is_in_a_worktree(folder):
        found = run_git(["-c", BARE_ANYWHERE, "rev-parse", "--absolute-git-dir"], folder, {})
    if found.returncode:
        raise PatinaError(_not_found(folder, found.stderr))
    git_dir = Path(os.fsdecode(found.stdout.removesuffix(b"\n")))
    worktree = _worktree(folder)
    # Versions of git before 2.38 accept it.
    if worktree is None and git_dir.name != ".git" and _is_in_a_worktree(git_dir):
        raise PatinaError(_embedded(folder))
    return Repository(git_dir, worktree)


def top_of(folder: Path) -> Path:
    """Return the nearest folder at or above one that has a `.git`, else the folder itself."""
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), folder)


def is_in_repository(folder: Path) -> bool:
    """Return whether a folder is in a git repository, bare or not; whether git can read it is another question."""
    above = (folder.resolve(), *folder.resolve().parents)
    return any((place / ".git").exists() or _looks_bare(place) for place in above)


def _looks_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def _is_in_a_worktree(folder: Path) -> bool:
    return any((above / ".git").exists() for above in folder.resolve().parents)


def _embedded(folder: Path) -> str:
    return (
        f"{folder}: is a bare repository in the files of another one, which may have put anything into its settings: "
        "clone it to another place, and name that"
    )


def _worktree(folder: Path) -> Path | None:
    """Return the top of the checked-out files, None for a bare repository.

    Raises:
        PatinaError: The repository's configuration claims a folder that is not its own, such as `/`.
    """
    printed = run_git(["rev-parse", "--show-toplevel"], folder, {})
    if printed.returncode:
        return None
    top = Path(os.fsdecode(printed.stdout.removesuffix(b"\n")))
    resolved = folder.resolve()
    nearest = next((path for path in (resolved, *resolved.parents) if (path / ".git").exists()), None)
    if nearest != top.resolve():
        raise PatinaError(
            f"{folder}: core.worktree in this repository's configuration points to {top}, outside of it: "
            "run `git config --unset core.worktree` there"
        )
    return nearest


def _not_found(folder: Path, stderr: bytes) -> str:
    if b"dubious ownership" in stderr:
        return (
            f"{folder}: this repository belongs to another user, so git does not read it: if you trust it, run "
            f"`git config --global --add safe.directory {folder}`"
        )
    if b"safe.bareRepository" in stderr:
        return _embedded(folder)
    if b"not a git repository" in stderr or b"invalid gitfile" in stderr:
        return fault_of(folder) or f"{folder}: is not in a git repository: run `git init` there, or name another folder"
    return f"{folder}: git does not read this repository ({said_by_git(stderr)}): mend what it names, or update git"
