"""What a store of a team's cache can do, whatever it is made of; and how it fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from patina_resources.errors import PatinaError

# A record of one stage, or of all stages of a project.
MOST_RECORD_BYTES = 16 << 20
USUAL_RECORD_BYTES = 256 << 10
# What comes more slowly than this is not waited for.
LEAST_BYTES_PER_SECOND = 64 << 10
ATTEMPTS = 3


class CacheError(PatinaError):
    """The cache is of no use for this; whoever builds goes on without it."""


class CacheUnavailableError(CacheError):
    """The store cannot be reached, read or written: it is not asked again by this process."""


class CacheRefusedError(CacheError):
    """What the store gave is not what was asked for: it was not used."""


@dataclass(frozen=True)
class StoredObject:
    """An object of a store.

    Attributes:
        name: Its name.
        bytes: Its size.
        modified: When it was last written, in seconds since 1970.
    """

    name: str
    bytes: int
    modified: float


class Remote(Protocol):
    """A store. Names are relative paths of letters, digits and `/`."""

    writable: bool

    def read(self, name: str, most: int, expected: int) -> bytes | None:
        """Return an object, or None where there is none.

        Args:
            name: Its name.
            most: The most bytes that are accepted.
            expected: About how many there are: it says how long to wait.

        Raises:
            CacheRefusedError: There are more bytes than that.
            CacheUnavailableError: The store cannot be read.
        """

    def size(self, name: str) -> int | None:
        """Return the size of an object, or None where there is none.

        Raises:
            CacheUnavailableError: The store cannot be read.
        """

    def write(self, name: str, data: bytes, *, replaces: bool = False) -> bool:
        """Put an object, wholly or not at all; return whether it was put.

        Args:
            name: Its name.
            data: Its content.
            replaces: Put it even where there is one; else the first who puts it wins.

        Raises:
            CacheUnavailableError: The store cannot be written to.
        """

    def entries(self) -> Iterator[StoredObject]:
        """Yield all objects.

        Raises:
            CacheUnavailableError: The store cannot be listed.
        """

    def remove(self, name: str) -> None:
        """Remove an object, if it is there.

        Raises:
            CacheUnavailableError: It cannot be removed.
        """


def seconds_for(expected: int, timeout_seconds: float) -> float:
    """Return how long an object of an expected size is waited for."""
    return timeout_seconds + expected / LEAST_BYTES_PER_SECOND


def too_large(where: str, name: str, most: int) -> CacheRefusedError:
    """Return the error about an object that is larger than it may be."""
    return CacheRefusedError(f"{where}/{name}: holds more than the {most} bytes that were expected: it was not used")
