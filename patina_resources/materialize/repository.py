"""Git, called so that nothing in a repository can run a command, ask a question or reach the network.

Only objects are read: no hooks, no external diff or text conversion, no fsmonitor, no pager, no signature check, no
lazy fetch, no attributes of the checked-out files, and no configuration of the user or the machine.
"""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from patina_resources.child_environment import child_environment
from patina_resources.errors import PatinaError
from patina_resources.materialize.git_log import first_time

BARE_IF_NAMED, BARE_ANYWHERE = "safe.bareRepository=explicit", "safe.bareRepository=all"
SAFE_CONFIGURATION = (
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    f"core.excludesFile={os.devnull}",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.untrackedCache=false",
    "diff.algorithm=myers",
    "diff.ignoreSubmodules=none",
    "diff.renameLimit=1000",
    "log.showSignature=false",
    # A folder of a repository can look like a bare repository, with settings of its own.
    BARE_IF_NAMED,
)
SAFE_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone must not fetch what it lacks
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
READ_BYTES = 1 << 16


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
        done = _run([*self._on_objects(), *arguments], self.git_dir, self._no_worktree())
        if done.returncode:
            raise PatinaError(_failure(self.git_dir, arguments[0], done.stderr))
        return done.stdout

    def succeeds(self, *arguments: str) -> bool:
        """Return whether a git command on the objects ends with 0."""
        return _run([*self._on_objects(), *arguments], self.git_dir, self._no_worktree()).returncode == 0

    @contextmanager
    def stream(self, *arguments: str) -> Iterator[Iterator[bytes]]:
        """Yield blocks of what a git command on the objects prints, while it runs.

        Raises:
            PatinaError: Git failed.
        """
        command = [_git(), *_options(), *self._on_objects(), *arguments]
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(  # noqa: S603 - a fixed program and no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment() | self._no_worktree(),
                cwd=self.git_dir,
            ) as process,
        ):
            try:
                yield _blocks(process.stdout)
                if process.wait():
                    errors.seek(0)
                    raise PatinaError(_failure(self.git_dir, arguments[0], errors.read()))
            finally:
                process.kill()

    def files(self, folder: Path) -> list[bytes]:
        """Return the path of every tracked, or untracked and not ignored, file below `folder`, from the worktree's top.

        Raises:
            PatinaError: Git failed.
        """
        listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name", "--deduplicate"]
        command = [f"--git-dir={self.git_dir}", f"--work-tree={self.worktree}", *listing]
        done = _run(command, folder, {})
        if done.returncode:
            raise PatinaError(_failure(folder, "ls-files", done.stderr))
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
        done = _run([*command, *below], folder, {})
        if done.returncode:
            raise PatinaError(_failure(folder, "ls-files", done.stderr))
        return [path for path in done.stdout.split(b"\0") if path]

    def head(self) -> str | None:
        """Return the sha of HEAD, or None where there are no commits yet."""
        command = [*self._on_objects(), "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]
        return _run(command, self.git_dir, self._no_worktree()).stdout.decode().strip() or None

    def commit_time(self, sha: str) -> str:
        """Return the author's time of a commit (ISO 8601)."""
        return first_time(*self.output("log", "-1", "--format=%aI%n%cI", sha, "--").decode().splitlines())

    def shallow_edge(self) -> frozenset[str]:
        """Return the commits whose parents a shallow clone does not have."""
        printed = self.output("rev-parse", "--path-format=absolute", "--git-path", "shallow")
        path = Path(os.fsdecode(printed.removesuffix(b"\n")))
        return frozenset(path.read_text("ascii", "replace").split()) if path.is_file() else frozenset()

    def _on_objects(self) -> list[str]:
        # The git folder itself stands in for the worktree, so that no .gitattributes is read.
        return [f"--git-dir={self.git_dir}", f"--work-tree={self.git_dir}"]

    def _no_worktree(self) -> dict[str, str]:
        return {"GIT_INDEX_FILE": str(self.git_dir / "no-index-is-read")}


def find_repository(folder: Path) -> Repository:
    """Return the git repository that `folder` is in.

    Raises:
        PatinaError: There is none, git is not installed, or git refuses it because of its owner.
    """
    if not folder.is_dir():
        raise PatinaError(f"{folder}: no such folder: expected a git repository")
    found = _run(["rev-parse", "--absolute-git-dir"], folder, {})
    if found.returncode and b"safe.bareRepository" in found.stderr and not _is_in_a_worktree(folder):
        found = _run(["-c", BARE_ANYWHERE, "rev-parse", "--absolute-git-dir"], folder, {})
    if found.returncode:
        raise PatinaError(_not_found(folder, found.stderr))
    git_dir = Path(os.fsdecode(found.stdout.removesuffix(b"\n")))
    worktree = _worktree(folder)
    # Versions of git before 2.38 accept it.
    if worktree is None and git_dir.name != ".git" and _is_in_a_worktree(git_dir):
        raise PatinaError(_embedded(folder))
    return Repository(git_dir, worktree)


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
    printed = _run(["rev-parse", "--show-toplevel"], folder, {})
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
    if b"not a git repository" in stderr:
        return f"{folder}: is not in a git repository: run `git init` there, or name another folder"
    return _failure(folder, "rev-parse", stderr)


def _failure(folder: Path, command: str, stderr: bytes) -> str:
    if b"promisor remote" in stderr:
        return (
            f"{folder}: this is a partial clone, which lacks contents that the line counts need: run "
            "`git fetch --refetch --no-filter` there"
        )
    reason = "; ".join(stderr.decode("utf-8", "replace").split("\n")).strip("; ")[:500]
    return f"{folder}: `git {command}` failed ({reason or 'no message'}): check the repository with `git fsck`"


def _run(arguments: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - a fixed program and no shell
        [_git(), *_options(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=_environment() | environment,
        cwd=folder,
        check=False,
    )


def _blocks(pipe: IO[bytes] | None) -> Iterator[bytes]:
    while pipe is not None and (block := pipe.read(READ_BYTES)):
        yield block


def _environment() -> dict[str, str]:
    inherited = child_environment()
    kept = {name: value for name, value in inherited.items() if not name.startswith(("GIT_", "LC_", "LANG"))}
    return kept | SAFE_ENVIRONMENT


def _git() -> str:
    # A program in the repository must not be taken for git.
    program = shutil.which("git", path=child_environment()["PATH"])
    if program is None:
        raise PatinaError("git is not installed: `patina materialize` needs it to read the history")
    return program


def _options() -> list[str]:
    fixed = [part for setting in SAFE_CONFIGURATION for part in ("-c", setting)]
    trusted = [part for folder in _trusted_folders() for part in ("-c", f"safe.directory={folder}")]
    return ["--no-pager", "--literal-pathspecs", *fixed, *trusted]


@functools.cache
def _trusted_folders() -> tuple[str, ...]:
    """Return the user's own `safe.directory` settings: all that is taken over from the user's configuration."""
    done = subprocess.run(  # noqa: S603 - a fixed program and no shell
        [_git(), "config", "-z", "--get-all", "safe.directory"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        check=False,
    )
    return tuple(os.fsdecode(value) for value in done.stdout.split(b"\0") if value)
