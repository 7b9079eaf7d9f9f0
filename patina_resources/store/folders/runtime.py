"""A folder for the life of one process: it is new and empty, and nobody else can enter it."""

import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

# The address of a Unix socket has at most 103 bytes on some systems, and the names of sockets take some.
LONGEST_NAME = 70
MOST_COPIES = 5
SHORT_PLACE = "/tmp"  # noqa: S108 - a new folder of mode 0700 is made there


def make_runtime_folder() -> Path:
    """Return a new folder of mode 0700 whose name is short enough for Unix sockets in it.

    Raises:
        OSError: It cannot be made.
    """
    usual = Path(tempfile.gettempdir()).absolute()
    place = usual if len(os.fsencode(usual)) <= LONGEST_NAME else SHORT_PLACE
    return Path(tempfile.mkdtemp(prefix="patina-", dir=place))


def remove_runtime_folder(folder: Path) -> None:
    """Delete such a folder with what is in it; what cannot be deleted stays."""
    shutil.rmtree(folder, ignore_errors=True)


def copy_unchanged(sources: Sequence[Path], folder: Path) -> None:
    """Copy files into a folder, all as they were at one moment: again where one of them changed meanwhile.

    Raises:
        OSError: One cannot be read or written, or they change all the time.
    """
    for _ in range(MOST_COPIES):
        before = [_state(source) for source in sources]
        for source in sources:
            shutil.copyfile(source, folder / source.name, follow_symlinks=False)
        if before == [_state(source) for source in sources]:
            return
    raise OSError(errno.EBUSY, "it is being written to")


def _state(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def write_secret(file: Path, secret: str) -> None:
    """Write a new file that only this user can read.

    Raises:
        OSError: It is there already, or cannot be written.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(secret)
