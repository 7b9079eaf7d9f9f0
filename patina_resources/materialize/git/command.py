"""Git, called so that nothing in a repository can run a command, ask a question or reach the network.

Only objects are read: no hooks, no external diff or text conversion, no fsmonitor, no pager, no signature check, no
lazy fetch, no attributes of the checked-out files, and no configuration of the user or the machine.
"""

import functools
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO

from patina_resources.errors import PatinaError
from patina_resources.store.child_environment import child_environment

BARE_IF_NAMED, BARE_ANYWHERE = "safe.bareRepository=explicit", "safe.bareRepository=all"
SAFE_CONFIGURATION = (
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    f"core.excludesFile={os.devnull}",
    "core.bigFileThreshold=512m",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.untrackedCache=false",
    "diff.algorithm=myers",
    "diff.ignoreSubmodules=none",
    f"diff.orderFile={os.devnull}",
    "diff.renameLimit=1000",
    "i18n.logOutputEncoding=UTF-8",
    "log.showRoot=true",
    "log.showSignature=false",
    # Of the repository alone, as HEAD has it.
    "mailmap.blob=HEAD:.mailmap",
    f"mailmap.file={os.devnull}",
    # A folder of a repository can look like a bare repository, with settings of its own.
    BARE_IF_NAMED,
)
SAFE_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone must not fetch what it lacks
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": os.devnull,  # as with replaced objects: a commit has the same history in every clone
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
READ_BYTES = 1 << 16
# What the user's own configuration is, where it is not in the usual places.
OWN_CONFIGURATION = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
# Git holds what a commit changes before it prints it; packs are not counted, since they are only mapped.
MOST_MEMORY_BYTES = 2 << 30


class GitFailedError(PatinaError):
    """A git command ended with an error: a damaged repository, as a rule."""


def run_git(
    arguments: list[str], folder: Path, environment: dict[str, str], stdin: bytes = b"", inherits: Sequence[int] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Return how a git command ended, with what it printed.

    Args:
        arguments: The command and its arguments.
        folder: Where it runs.
        environment: What is added to its environment.
        stdin: What it reads.
        inherits: Descriptors that it keeps open, such as that of a mutex.
    """
    return subprocess.run(  # noqa: S603 - a fixed program and no shell
        [git_program(), *_options(), *arguments],
        input=stdin,
        capture_output=True,
        env=_environment() | environment,
        cwd=folder,
        pass_fds=inherits,
        check=False,
    )


@contextmanager
def stream_git(
    arguments: list[str],
    folder: Path,
    environment: dict[str, str],
    stdin: bytes,
    name: str,
    seconds: float | None = None,
) -> Iterator[Iterator[bytes]]:
    """Yield blocks of what a git command prints, while it runs.

    Args:
        arguments: The command and its arguments.
        folder: Where it runs.
        environment: What is added to its environment.
        stdin: What it reads.
        name: What the command is called in an error.
        seconds: How long it may take; None for as long as it takes.

    Raises:
        GitFailedError: Git failed, or took longer; what it had printed by then was yielded.
        PatinaError: The clone is a partial one, and lacks what is needed.
    """
    with (
        tempfile.TemporaryFile() as errors,
        _file_of(stdin) as given,
        subprocess.Popen(  # noqa: S603 - a fixed program and no shell
            [git_program(), *_options(), *arguments],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment() | environment,
            cwd=folder,
        ) as process,
    ):
        with suppress(AttributeError, OSError, ValueError):  # not every system can limit another process
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
        ended = Timer(seconds, process.kill) if seconds is not None else None
        try:
            if ended is not None:
                ended.start()
            yield _blocks(process.stdout)
            if process.wait():
                errors.seek(0)
                raise git_failure(folder, name, errors.read())
        finally:
            process.kill()
            if ended is not None:
                ended.cancel()


def path_setting(folder: Path, name: str) -> tuple[str, Path] | None:
    """Return a path that the configuration names, as git itself would find it in a folder; None where it names none.

    Only git's files of settings are read. The path may be relative.

    Args:
        folder: A folder of the repository.
        name: The setting, such as `core.hooksPath`.

    Returns:
        Which file says it (`system`, `global`, `local`, `worktree`), and the path.
    """
    environment = {key: value for key, value in child_environment().items() if not key.startswith("GIT_")}
    own = {key: os.environ[key] for key in OWN_CONFIGURATION if key in os.environ}
    done = subprocess.run(  # noqa: S603 - a fixed program and no shell
        [git_program(), "config", "--show-scope", "-z", "--type=path", "--get", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment | own,
        cwd=folder,
        check=False,
    )
    scope, _, value = done.stdout.rstrip(b"\0").partition(b"\0")
    return (scope.decode(), Path(os.fsdecode(value))) if done.returncode == 0 and value else None


def split_at_nul(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what stands between the NUL bytes of what a command prints (`-z`); an empty end is not yielded."""
    pending: list[bytes] = []
    for block in blocks:
        first, *others = block.split(b"\0")
        pending.append(first)
        for part in others:
            yield b"".join(pending)
            pending = [part]
    if rest := b"".join(pending):
        yield rest


def git_failure(folder: Path, command: str, stderr: bytes) -> PatinaError:
    """Return the error of a git command that failed, by what it printed."""
    if b"promisor remote" in stderr:
        return PatinaError(
            f"{folder}: this is a partial clone, which lacks contents that the line counts need: run "
            "`git fetch --refetch --no-filter` there"
        )
    return GitFailedError(
        f"{folder}: `git {command}` failed ({said_by_git(stderr)}): check the repository with `git fsck`"
    )


def said_by_git(stderr: bytes) -> str:
    """Return what a git command printed about its failure, on one line."""
    # Eight lines of advice about the empty file of grafts would leave no room for what is wrong.
    said = (line for line in stderr.decode("utf-8", "replace").split("\n") if not line.startswith("hint:"))
    return "; ".join(said).strip("; ")[:500] or "no message"


@contextmanager
def _file_of(content: bytes) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file


def _blocks(pipe: IO[bytes] | None) -> Iterator[bytes]:
    while pipe is not None and (block := pipe.read(READ_BYTES)):
        yield block


def _environment() -> dict[str, str]:
    inherited = child_environment()
    kept = {name: value for name, value in inherited.items() if not name.startswith(("GIT_", "LC_", "LANG"))}
    return kept | SAFE_ENVIRONMENT


def git_program() -> str:
    """Return where git is.

    Raises:
        PatinaError: It is not installed.
    """
    # A program in the repository must not be taken for git.
    program = shutil.which("git", path=child_environment()["PATH"])
    if program is None:
        raise PatinaError(
            "git is not on PATH, and history cannot be read without it: install git, and run the same command again"
        )
    return program


def _options() -> list[str]:
    fixed = [part for setting in SAFE_CONFIGURATION for part in ("-c", setting)]
    trusted = [part for folder in _trusted_folders() for part in ("-c", f"safe.directory={folder}")]
    return ["--no-pager", "--literal-pathspecs", *fixed, *trusted]


@functools.cache
def _trusted_folders() -> tuple[str, ...]:
    """Return the user's own `safe.directory` settings: all that is taken over from the user's configuration."""
    done = subprocess.run(  # noqa: S603 - a fixed program and no shell
        [git_program(), "config", "-z", "--get-all", "safe.directory"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        check=False,
    )
    return tuple(os.fsdecode(value) for value in done.stdout.split(b"\0") if value)
