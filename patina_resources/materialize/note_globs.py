"""Which files a glob names. It comes from a repository: it never leads through a link, and reads each folder once."""

import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from patina_resources.errors import PatinaError

RECURSIVE = "**"
GIT = ".git"
DERIVED = (".patina", "data")


def matching_files(folder: Path, pattern: str) -> set[bytes]:
    """Return the files and links that a glob names, relative to `folder`.

    A wildcard names nothing hidden. Git's own files, and what Patina derived, are left out.

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
            elif not is_folder and len(steps) in after and not name.startswith("."):
                found.add(os.fsencode("/".join((*place, name))))
    return found


def _steps(pattern: str) -> Sequence[str]:
    path = PurePath(pattern)
    wrong = path.is_absolute() or ".." in path.parts or not pattern.strip() or "\0" in pattern
    if wrong or any(RECURSIVE in part and part != RECURSIVE for part in path.parts):
        raise PatinaError(
            f"[sessions] globs of config.toml: {pattern!r}: expected a path in the repository, such as `notes/*.md` "
            "or `notes/**/*.md`"
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
            if is_folder and not name.startswith("."):
                yield step
        elif steps[step] == name or (
            fnmatch.fnmatchcase(name, steps[step]) and not (name.startswith(".") and not steps[step].startswith("."))
        ):
            yield step + 1
