"""Whether a repository on this machine leads git out of its own folder.

Git reads objects as the user who fetches. Who may write into a git folder can lead it to objects elsewhere that this
user may read, and so have them built and shown under another name.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

# What git reads of a repository that is fetched from, and may be a link.
READ = ("HEAD", "config", "config.worktree", "objects", "packed-refs", "refs", "reftable", "shallow")
# A worktree names the folder of its repository.
COMMON = "commondir"
ALTERNATES = Path("objects", "info", "alternates")


def git_folder(address: str) -> Path:
    """Return the git folder that a path means: `.git` in it, else itself; where there is none, that of `PATH.git`."""
    named = Path(address) if os.path.lexists(address) else Path(f"{address}.git")
    inner = named / ".git"
    return inner if os.path.lexists(inner) else named


def leads_out(address: str) -> Path | None:
    """Return what leads git out of a repository's own folder, or hides whether it does; None where nothing does.

    That is a link, a file that names another folder, or a folder that cannot be listed. What is changed later is not
    seen.

    Args:
        address: The path of the repository.
    """
    folder = git_folder(address)
    named = folder.parent if folder.name == ".git" else folder
    links = [named, folder, *(folder / name for name in READ)]
    files = [folder, folder / COMMON, folder / ALTERNATES]
    found = [place for place in links if place.is_symlink()] + [place for place in files if _says_something(place)]
    return next(iter(found), None) or next(_linked(folder / "objects"), None)


def _says_something(place: Path) -> bool:
    """Return whether there is a file that is not empty, or something else that can be read."""
    try:
        found = place.lstat()
    except OSError:
        return False
    return not stat.S_ISDIR(found.st_mode) and (found.st_size > 0 or not stat.S_ISREG(found.st_mode))


def _linked(folder: Path) -> Iterator[Path]:
    """Yield links at any depth, and folders that cannot be listed: git finds what it knows the name of."""
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        yield Path(entry.path)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except FileNotFoundError:
            pass
        except OSError:
            yield place
