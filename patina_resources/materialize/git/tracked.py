"""Which derived files git tracks: none may be, since whoever writes the repository then writes them."""

import os
from contextlib import suppress
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.materialize.git.repository import find_repository
from patina_resources.store.known_files import State, state_of

FOLDERS = (b".patina/data", b".patina/local")
NAMED = 3
# By root: the index that was looked through and held nothing of ours, and its state then. Git replaces it to change it.
_seen: dict[Path, tuple[Path, State]] = {}


def refuse_tracked(root: Path) -> None:
    """Return if git tracks nothing of what Patina derives; a folder that is in no repository tracks nothing.

    Args:
        root: The project's root.

    Raises:
        PatinaError: Git tracks some of it; names the command that ends that.
    """
    if _is_as_seen(root):
        return
    tracked = _tracked(root)
    if not tracked:
        return
    named = ", ".join(os.fsdecode(path).encode("ascii", "backslashreplace").decode() for path in tracked[:NAMED])
    more = f" and {len(tracked) - NAMED} more" if len(tracked) > NAMED else ""
    raise PatinaError(
        f"{root}: git tracks {named}{more}: files below .patina/data are built on each machine, and are not taken from "
        "a repository: run `git rm -r -q --cached --ignore-unmatch .patina/data .patina/local` there, and commit"
    )


def _is_as_seen(root: Path) -> bool:
    with suppress(KeyError, OSError):
        index, state = _seen[root]
        return state_of(index.stat()) == state
    return False


def _tracked(root: Path) -> list[bytes]:
    """Return what git tracks of ours, from the root; where that is nothing, it is remembered for this process."""
    try:
        repository = find_repository(root)
    except PatinaError:  # no repository, or no git: then none of it came with one
        return []
    if repository.worktree is None:
        return []
    index = repository.git_dir / "index"
    state = state_of(index.stat()) if index.is_file() else None
    # Some file systems take `.Patina/DATA` for the same folder.
    everything = (root / ".PATINA").exists()
    paths = repository.tracked(root, () if everything else (".patina",))
    found = [path for path in paths if any((path.lower() + b"/").startswith(folder + b"/") for folder in FOLDERS)]
    if state is not None and not found:
        _seen[root] = index, state
    return found
