"""Files that change wholly or not at all, and logs: the only place that opens a file of ours for writing.

No link is followed, and nothing is opened that is not a regular file with one name: what a repository or another
program put in the place of one of our files is refused.
"""

import errno
import hashlib
import itertools
import os
import secrets
import stat
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from patina_resources.errors import PatinaError

TEMPORARY_PREFIX = ".tmp-"
MOST_OF_NAME = 200  # characters; with what is added, a name stays below the 255 bytes of file systems
# No single file takes this long to write.
LEFTOVER_SECONDS = 3600.0
MAX_LOG_BYTES = 1_000_000
MAX_LOG_LINE = 10_000
# The user's umask takes away from it.
FILE_MODE = 0o666
ASIDE_SUFFIX = ".aside"
KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def sha256(data: bytes | memoryview) -> str:
    """Return the SHA-256 (hex) of `data`."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def utc_now() -> str:
    """Return the current UTC time to the second (ISO 8601)."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def write_atomic(path: Path, data: bytes, mode: int = FILE_MODE, *, syncs_name: bool = True) -> None:
    """Replace `path` by `data`, wholly or not at all; the folder is made where it is missing.

    Args:
        path: The file; a link in its place is replaced, not followed.
        data: The new content.
        mode: Permissions of the file, less the umask.
        syncs_name: Make its name durable, too. Who writes several files into a folder syncs that once, at the end.

    Raises:
        PatinaError: The file cannot be written (full disk, no permission). The old file is then untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name tells whose it is: who tidies up for one projection must not take what another one writes.
        temporary = path.parent / f"{TEMPORARY_PREFIX}{path.name[:MOST_OF_NAME]}.{secrets.token_hex(8)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            move(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if syncs_name:
            sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_new(path: Path, data: bytes) -> bool:
    """Write a file where there is none, and tell whether there was none; the folder is made where it is missing.

    Args:
        path: The file. What stands in its place stays, a link that leads nowhere, too.
        data: The content.

    Raises:
        PatinaError: It cannot be written; nothing is left of it then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        return False
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise
    return True


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether links of a path lead out of a folder, or in a circle."""
    try:
        return not without_links(path).is_relative_to(folder.resolve())
    except RuntimeError:  # a circle
        return True


def without_links(path: Path) -> Path:
    """Return a path without links.

    Raises:
        RuntimeError: They lead in a circle. Python says so itself before 3.13.
    """
    found = path.resolve()
    if any(part.is_symlink() for part in (found, *found.parents)):
        raise RuntimeError(f"links lead in a circle: {path}")
    return found


def kept_mode(path: Path, otherwise: int) -> int:
    """Return the permissions of a file, so that they stay when it is replaced; others where there is none."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return otherwise


def move(source: Path, target: Path) -> None:
    """Rename `source` to `target`, which it replaces.

    Raises:
        PatinaError: It cannot be renamed.
    """
    try:
        source.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error


def make_way(path: Path) -> None:
    """Move a folder that stands in the place of a derived file aside, to `NAME.aside`: it would stay there for ever.

    Raises:
        PatinaError: It cannot be moved.
    """
    if path.is_dir() and not path.is_symlink():
        move(path, _free_name(path))


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}{ASIDE_SUFFIX}{number or ''}") for number in itertools.count())
    return next(name for name in names if not os.path.lexists(name))


def write_if_changed(path: Path, data: bytes) -> bool:
    """Write `data` to a derived file unless it is there, byte for byte; return whether anything was written.

    Raises:
        PatinaError: The file cannot be written.
    """
    with suppress(OSError):
        if path.read_bytes() == data:
            return False
    make_way(path)
    write_atomic(path, data)
    return True


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files directly in `folder` that are more than an hour old: their writers were killed."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError):  # one that cannot be deleted does no harm
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                leftover.unlink()


def delete_file(path: Path) -> None:
    """Delete a file of ours, if it is there.

    Raises:
        PatinaError: It cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def append_line(path: Path, text: str) -> None:
    """Append one line to a log, in one write; of a log of more than 1 MB the newer half is kept.

    Raises:
        PatinaError: The file cannot be written, or is a link or something else than a file.
    """
    line = " ".join(text.split())[:MAX_LOG_LINE].encode("utf-8", "replace") + b"\n"
    descriptor = open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
        size = os.fstat(descriptor).st_size
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        os.close(descriptor)
    if size > MAX_LOG_BYTES:
        write_atomic(path, path.read_bytes()[size // 2 :].split(b"\n", 1)[1])


def open_regular(path: Path, flags: int) -> int:
    """Return a descriptor of a regular file that has no other name; its folder is made where it is missing.

    Args:
        path: The file; a link in its place is not followed.
        flags: Of `os.open`.

    Raises:
        PatinaError: It cannot be opened, or is a link, has a second name, or is no regular file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, FILE_MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PatinaError(irregular(path, "a symbolic link")) from error
        if error.errno == errno.ENXIO:  # a named pipe that nobody reads
            raise PatinaError(irregular(path, KINDS[stat.S_IFIFO])) from error
        raise cannot_write(path, error) from error
    kind = unusual(os.fstat(descriptor))
    if kind:
        os.close(descriptor)
        raise PatinaError(irregular(path, kind))
    return descriptor


def unusual(status: os.stat_result) -> str:
    """Return what a file is, in words, if it is no regular file with one name; else an empty text."""
    if not stat.S_ISREG(status.st_mode):
        return KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
    return "a file with a second name (hard link)" if status.st_nlink > 1 else ""


def irregular(path: Path, kind: str) -> str:
    """Return the sentence about a path that is something else than a file of our own."""
    return (
        f"{path}: is {kind}: expected a plain file: move it away (`mv {path} {path}.bad`), then run the command again"
    )


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> PatinaError:
    """Return the sentence about a file that cannot be written."""
    remedy = {
        errno.ENOSPC: "free some space and run it again",
        errno.EDQUOT: "free some space and run it again",
        errno.EACCES: "give yourself write permission there",
        errno.EROFS: "mount the file system with write permission, or use a copy elsewhere",
    }.get(error.errno or 0, "what was there before is untouched")
    return PatinaError(f"{path}: cannot be written ({error.strerror or error}): {remedy}")
