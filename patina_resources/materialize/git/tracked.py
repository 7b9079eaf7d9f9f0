"""Which derived files git tracks: none may be, since whoever writes the repository then writes them."""

import os
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.materialize.git.repository import find_repository

FOLDERS = (b".patina/data", b".patina/local")
NAMED = 3


def refuse_tracked(root: Path) -> None:
    """Return if git tracks nothing of what Patina derives; a folder that is in no repository tracks nothing.

    Args:
        root: The project's root.

    Raises:
        PatinaError: Git tracks some of it; names the command that ends that.
    """
    tracked = _tracked(root)
    if not tracked:
        return
    named = ", ".join(os.fsdecode(path).encode("ascii", "backslashreplace").decode() for path in tracked[:NAMED])
    more = f" and {len(tracked) - NAMED} more" if len(tracked) > NAMED else ""
    raise PatinaError(
        f"{root}: git tracks {named}{more}: files below .patina/data are built on each machine, and are not taken from "
        "a repository: run `git rm -r -q --cached --ignore-unmatch .patina/data .patina/local` there, and commit"
    )


def _tracked(root: Path) -> list[bytes]:
    try:
        repository = find_repository(root)
    except PatinaError:  # no repository, or no git: then none of it came with one
        return []
    if repository.worktree is None:
        return []
    # Some file systems take `.Patina/DATA` for the same folder.
    everything = (root / ".PATINA").exists()
    paths = repository.tracked(root, () if everything else (".patina",))
    return [path for path in paths if any((path.lower() + b"/").startswith(folder + b"/") for folder in FOLDERS)]
