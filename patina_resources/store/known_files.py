"""What this process already computed from a file, kept for as long as the file is in the same state.

A file's state is its device, inode, size, and the times of its last write and of its last change of any kind. The
system alone sets the last of these, so a file that somebody wrote to is read and hashed again.

Digests of files that were at rest when they were hashed may be noted for the next process (`file_digests.py`). Who
only looks at whether a file is as it was may believe them; whoever loads a file hashes it.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from patina_resources.store.files import file_sha256, sha256

MOST_KNOWN = 4096
# A write right after a file was hashed may fall into the same tick of the file system's clock, and leave its times.
REST_SECONDS = 2.0

State = tuple[int, int, int, int, int]
T = TypeVar("T")


class KnownFiles(Generic[T]):
    """Values computed from files, by the state that the file was in, and whatever else decides the value."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        """Remember at most so many; the oldest is dropped first."""
        self._most = most
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        """Return the value of a key; None where there is none."""
        return self._values.get(key)

    def put(self, key: Hashable, value: T) -> None:
        """Remember a value."""
        self._values[key] = value
        while len(self._values) > self._most:
            with suppress(KeyError):  # another thread was first
                self._values.popitem(last=False)


_DIGESTS: KnownFiles[str] = KnownFiles()


# What an earlier process noted, and what this one may note: only of files at rest.
_noted: Mapping[State, str] = {}
_at_rest: dict[State, str] = {}


def state_of(status: os.stat_result) -> State:
    """Return the state of a file."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def known_sha256(path: Path, *, believes_notes: bool = False) -> str:
    """Return the SHA-256 (hex) of a file; it is read only where its state is not a known one.

    Args:
        path: The file.
        believes_notes: Also take the word of an earlier process, which `note_digests` noted.

    Raises:
        OSError: The file cannot be read.
    """
    state = state_of(path.stat())
    digest = _DIGESTS.get(state)
    if digest is None and believes_notes and state in _noted:
        digest = _at_rest[state] = _noted[state]
    if digest is None:
        began = time.time()
        digest = file_sha256(path)
        if state_of(path.stat()) == state:
            _DIGESTS.put(state, digest)
            if began - max(state[-2:]) / 1e9 > REST_SECONDS:
                _at_rest[state] = digest
    return digest


def digests_at_rest() -> dict[State, str]:
    """Return the digests, by their state, of the files that were asked for and were at rest when they were hashed."""
    return dict(_at_rest)


def believe(digests: Mapping[State, str]) -> None:
    """Take an earlier process's word for files at rest; what was asked for before counts no more."""
    global _noted  # noqa: PLW0603 - the state of this module, as is all that it knows
    _noted = digests
    _at_rest.clear()


def read_if_sha256(path: Path, digest: str) -> bytes | None:
    """Return the content of a file; None where its SHA-256 is another.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        before = state_of(os.fstat(file.fileno()))
        data = file.read()
        unchanged = state_of(os.fstat(file.fileno())) == before
    if unchanged and _DIGESTS.get(before) == digest:
        return data
    found = sha256(data)
    if unchanged:
        _DIGESTS.put(before, found)
    return data if found == digest else None


def written(path: Path, digest: str, state: State) -> None:
    """Remember the digest of a file that this process has written, and may have renamed since.

    Args:
        path: Where it is now.
        digest: SHA-256 (hex) of what was written.
        state: Its state right after it was written.
    """
    with suppress(OSError):
        now = state_of(path.stat())
        if now[:-1] == state[:-1]:  # to rename a file changes the last of its times, and nothing else
            _DIGESTS.put(now, digest)
