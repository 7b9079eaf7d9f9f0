"""The mutex between processes: a file that the kernel holds for one of them, or for all that share it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.files import open_regular

POLL_SECONDS = 0.05


def exclusive(path: Path, wait_seconds: float, doing: str) -> AbstractContextManager[int]:
    """Hold the mutex file `path` alone; the kernel lets it go when this process ends, however it ends.

    Yields its descriptor: a child process that inherits it holds the mutex until it has ended, too.

    Raises:
        PatinaError: Another process still holds it after `wait_seconds`, or it is no plain file.
    """
    return _held(path, fcntl.LOCK_EX, wait_seconds, doing)


def shared(path: Path, wait_seconds: float, doing: str) -> AbstractContextManager[int]:
    """Hold the mutex file `path` together with others who share it: who wants it alone waits for all of them.

    Raises:
        PatinaError: Another process still holds it alone after `wait_seconds`, or it is no plain file.
    """
    return _held(path, fcntl.LOCK_SH, wait_seconds, doing)


@contextmanager
def _held(path: Path, operation: int, wait_seconds: float, doing: str) -> Iterator[int]:
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise PatinaError(_busy(descriptor, doing)) from None
                time.sleep(POLL_SECONDS)
        with suppress(OSError):  # only for the message of who waits: a full disk is no reason to stop here
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether a process holds the mutex file `path` now, alone or shared."""
    if not path.exists():
        return False
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except (OSError, PatinaError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without such locks, or one that wants the file open for writing (NFS)
        return False
    finally:
        os.close(descriptor)
    return False


def _busy(descriptor: int, doing: str) -> str:
    holder = os.pread(descriptor, 20, 0).decode("ascii", "replace")
    holder = holder if holder.isdecimal() else "unknown"
    return f"busy: another process (pid {holder}) is writing here, so {doing} cannot: try again when it is done"
