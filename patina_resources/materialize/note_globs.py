"""Which files a glob names. It comes from a repository: it never leads through a link, and reads each folder once."""

import fnmatch
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from patina_resources.errors import PatinaError, shown_path
from patina_resources.materialize.git.git_log import path_text
from patina_resources.materialize.git.repository import Repository

RECURSIVE = "**"
GIT = ".git"
DERIVED = (".patina", "data")


@dataclass
class GlobbedFiles:
    """The files that globs name.

    Attributes:
        paths: Those to be read, from the folder, in order.
        skipped: Why each of the others is left out, one sentence each; a folder of them is one sentence.
    """

    paths: list[bytes] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def readable_files(repository: Repository, folder: Path, named: Iterable[bytes]) -> GlobbedFiles:
    """Return which files are read, as of source code: those that git tracks or does not ignore. None that is hidden.

    Args:
        repository: The repository that `folder` is in.
        folder: The folder that the paths are from.
        named: What `matching_files` found.

    Raises:
        PatinaError: Git failed.
    """
    paths = sorted(named)
    if repository.worktree is None or not paths:
        return GlobbedFiles()
    top = repository.prefix(folder)
    known = {path.removeprefix(top) for path in repository.files(folder)}
    ignored: frozenset[bytes] | None = None
    found = GlobbedFiles()
    reasons: Counter[str] = Counter()
    for path in paths:
        if hidden := _hidden(path):
            reasons[f"{hidden}: hidden"] += 1
        elif path in known:
            found.paths.append(path)
        else:
            if ignored is None:
                ignored = frozenset(entry.removeprefix(top) for entry in repository.ignored(folder))
            if reason := _unknown(folder, path, ignored):
                reasons[reason] += 1
            else:
                found.paths.append(path)
    found.skipped = [_counted(reason, count) for reason, count in sorted(reasons.items())]
    return found


def _hidden(path: bytes) -> str | None:
    """Return the outermost part of a path that is hidden; a folder ends with `/`."""
    parts = PurePosixPath(path_text(path)).parts
    for depth, part in enumerate(parts, 1):
        if part.startswith("."):
            return "/".join(parts[:depth]) + ("/" if depth < len(parts) else "")
    return None


def _unknown(folder: Path, path: bytes, ignored: frozenset[bytes]) -> str:
    """Return why git does not list a file, or "" for what it never lists: a pipe, or a device."""
    folders = path.split(b"/")[:-1]
    entries = [*(b"/".join(folders[:depth]) + b"/" for depth in range(1, len(folders) + 1)), path]
    entry = next((entry for entry in entries if entry in ignored), None)
    if entry is not None:
        return f"{path_text(entry)}: git-ignored"
    whole = folder / os.fsdecode(path)
    return f"{path_text(path)}: of another git repository" if whole.is_file() else ""


def _counted(reason: str, count: int) -> str:
    return f"{reason} ({count} file(s))" if "/: " in reason else reason


def matching_files(folder: Path, pattern: str) -> set[bytes]:
    """Return the files and links that a glob names, relative to `folder`, hidden ones included.

    Git's own files, and what Patina derived, are left out.

    Raises:
        PatinaError: It is no glob, or leads out of the folder.
    """
    steps = _steps(pattern)
    found: set[bytes] = set()
    pending: list[tuple[tuple[str, ...], frozenset[int]]] = [((), frozenset({0}))]
    while pending:
        place, reached = pending.pop()
        for name, is_folder in _entries(folder, place):
            after = frozenset(_after(steps, _with_skipped(steps, reached), name, is_folder=is_folder))
            if is_folder and after - {len(steps)}:
                pending.append(((*place, name), after))
            elif not is_folder and len(steps) in after:
                found.add(os.fsencode("/".join((*place, name))))
    return found


def _steps(pattern: str) -> Sequence[str]:
    path = PurePath(pattern)
    wrong = path.is_absolute() or ".." in path.parts or not pattern.strip() or "\0" in pattern
    if wrong or any(RECURSIVE in part and part != RECURSIVE for part in path.parts):
        raise PatinaError(
            f"[sessions] globs of config.toml: {shown_path(pattern)}: expected a path in the repository, such as "
            "`notes/*.md` or `notes/**/*.md`"
        )
    return path.parts


def _entries(folder: Path, place: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Yield the names in a folder, and whether each is a folder itself; a link is none."""
    try:
        with os.scandir(folder.joinpath(*place)) as entries:
            for entry in entries:
                if entry.name != GIT and (*place[-1:], entry.name) != DERIVED:
                    yield entry.name, entry.is_dir(follow_symlinks=False)
    except OSError:  # it may not be read, or is gone
        return


def _with_skipped(steps: Sequence[str], reached: frozenset[int]) -> set[int]:
    """Return the steps that may come next, where `**` may stand for no folder at all."""
    found = set(reached)
    for step in sorted(reached):
        while step < len(steps) and steps[step] == RECURSIVE:
            step += 1
            found.add(step)
    return found


def _after(steps: Sequence[str], reached: set[int], name: str, *, is_folder: bool) -> Iterator[int]:
    for step in reached:
        if step == len(steps):
            continue
        if steps[step] == RECURSIVE:
            if is_folder:
                yield step
        elif steps[step] == name or fnmatch.fnmatchcase(name, steps[step]):
            yield step + 1
