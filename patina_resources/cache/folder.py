"""A store in a folder (`file://`): on a shared disk, or on this machine for all its users.

Whoever can write to the folder may have put anything there, links and pipes included: only plain files are opened.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from patina_resources.cache.remote import CacheRefusedError, CacheUnavailableError, StoredObject, too_large
from patina_resources.store.files import FILE_MODE, TEMPORARY_PREFIX

NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


class FolderRemote:
    """A store in a folder."""

    writable = True

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made by the first who writes."""
        self._folder = folder

    def read(self, name: str, most: int, expected: int) -> bytes | None:  # noqa: ARG002 - a disk is waited for
        """Return an object, or None where there is none; see `Remote`."""
        try:
            descriptor = self._opened(name)
            if descriptor is None:
                return None
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(most + 1)
        except OSError as error:
            raise self._unavailable("read", error) from error
        if len(data) > most:
            raise too_large(str(self._folder), name, most)
        return data

    def size(self, name: str) -> int | None:
        """Return the size of an object, or None; see `Remote`."""
        try:
            status = self._place(name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unavailable("read", error) from error
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def write(self, name: str, data: bytes, *, replaces: bool = False) -> bool:
        """Put an object; see `Remote`."""
        path = self._place(name)
        temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                return _put(temporary, path, replaces=replaces)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise self._unavailable("written to", error) from error

    def entries(self) -> Iterator[StoredObject]:
        """Yield all objects; see `Remote`."""
        try:
            for folder, _, files in os.walk(self._folder, onerror=_fail_to_list):
                for file in files:
                    path = Path(folder, file)
                    with suppress(FileNotFoundError):  # removed meanwhile
                        status = path.lstat()
                        yield StoredObject(path.relative_to(self._folder).as_posix(), status.st_size, status.st_mtime)
        except OSError as error:
            raise self._unavailable("listed", error) from error

    def remove(self, name: str) -> None:
        """Remove an object; see `Remote`."""
        try:
            self._place(name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unavailable("written to", error) from error

    def _place(self, name: str) -> Path:
        """Return where an object lies.

        Raises:
            CacheRefusedError: A folder of the store is a link: it may lead anywhere.
        """
        path = self._folder / name
        # Not `resolve`: it fails where links lead in a circle.
        if Path(os.path.realpath(path.parent)) != Path(os.path.realpath(self._folder), name).parent:
            raise CacheRefusedError(f"{path.parent}: is a link out of the store: it was not used")
        return path

    def _opened(self, name: str) -> int | None:
        """Return a descriptor of an object, or None where there is none.

        Raises:
            OSError: It cannot be opened.
            CacheRefusedError: It is no plain file.
        """
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._place(name), flags)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise CacheRefusedError(f"{self._folder / name}: is no plain file: it was not used") from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise CacheRefusedError(f"{self._folder / name}: is no plain file: it was not used")
        return descriptor

    def _unavailable(self, what: str, error: OSError) -> CacheUnavailableError:
        return CacheUnavailableError(f"{self._folder}: cannot be {what} ({error.strerror or error})")


def _fail_to_list(error: OSError) -> None:
    """Raise what keeps a folder from being listed: what its records name must not seem to be needed by nobody."""
    if not isinstance(error, FileNotFoundError):  # not made yet, or removed meanwhile
        raise error


def _put(temporary: Path, path: Path, *, replaces: bool) -> bool:
    """Give a whole file its name; return whether it has it."""
    if not replaces:
        try:
            path.hardlink_to(temporary)  # fails where there is one: of two writers one wins
            return True
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if path.exists():  # this file system has no hard links: of two equal objects the last stays
                return False
    temporary.replace(path)
    return True
