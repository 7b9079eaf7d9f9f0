"""The folder that belongs to this user alone: key, records of projects, Dagster homes.

It is the mothership, unless that belongs to somebody else or cannot be written to: a home that several users share,
or a read-only one. Then it is `~/.patina`, else a folder of this user's in the folder for temporary files.
"""

import os
import stat
import tempfile
from pathlib import Path

from patina_resources.errors import PatinaError

MODE = 0o700


def own_folder(home: Path) -> Path:
    """Return the first place of three that belongs to this user and can be written to; it need not exist yet.

    Args:
        home: The mothership.

    Raises:
        PatinaError: None of the three can be used.
    """
    temporary = Path(tempfile.gettempdir()) / f"patina-{os.geteuid()}"
    for candidate in (home, _default_home()):
        if candidate is not None and _belongs_to_us(candidate):
            return candidate
    if _is_private(temporary):
        return temporary
    raise PatinaError(
        f"no folder for this user's own files: neither {home} nor {temporary} belongs to you alone and can be written "
        "to: set PATINA_HOME to a folder of yours"
    )


def make_private_folder(folder: Path) -> Path:
    """Return `folder`, made with mode 0700 where it is missing, as are the folders above it.

    Raises:
        PatinaError: It cannot be made.
    """
    try:
        # `parents=True` would make those above with the umask's mode.
        for place in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
            place.mkdir(mode=MODE, exist_ok=True)
        folder.mkdir(mode=MODE, exist_ok=True)
    except OSError as error:
        raise PatinaError(f"{folder}: cannot be made ({error.strerror or error}): give yourself permission") from error
    return folder


def can_write_in(folder: Path) -> bool:
    """Return whether this process may make files in a folder, with the rights that it has now."""
    effective = os.access in os.supports_effective_ids
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)


def make_exclusive_folder(folder: Path) -> Path:
    """Return `folder`, made where it is missing, once nobody else can enter it.

    Raises:
        PatinaError: It cannot be made, or what is there is a link, a file, or a folder of somebody else.
    """
    if not os.path.lexists(folder):
        make_private_folder(folder)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PatinaError(f"{folder}: expected a folder of your own, no link and no file: move away what is there")
    if stat.S_IMODE(status.st_mode) != MODE:
        folder.chmod(MODE)
    return folder


def _default_home() -> Path | None:
    try:
        return Path("~/.patina").expanduser()
    except RuntimeError:  # no home folder is known
        return None


def _belongs_to_us(folder: Path) -> bool:
    """Return whether a folder is this user's and can be written to; of one that is missing, whether it can be made."""
    for place in (folder, *folder.parents):
        try:
            status = place.stat()
        except FileNotFoundError:
            continue
        except OSError:
            return False
        ours = status.st_uid == os.geteuid() or place != folder
        return ours and stat.S_ISDIR(status.st_mode) and can_write_in(place)
    return False


def _is_private(folder: Path) -> bool:
    """Return whether a folder in a place that all users share is ours alone; it is made where it is missing."""
    try:
        folder.mkdir(mode=MODE)
    except FileExistsError:
        pass
    except OSError:
        return False
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
