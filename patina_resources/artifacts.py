"""The only place that puts files under `.patina/data`: atomic writes, digests, stages, the project mutex.

A stage's files and its manifest entry change together. New files are first written completely under a *pending*
name that carries their digest; renaming the manifest is the moment of change; the pending files then move to their
final names, and where that was interrupted, readers find them under the pending name and the next writer moves them.
"""

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.manifests import Manifest, OutputFile, StageRecord, manifest_document, read_manifest
from patina_resources.project import ProjectionPaths

PENDING_SUFFIX = ".pending"
TEMPORARY_PREFIX = ".tmp-"
# No single file takes this long to write.
LEFTOVER_SECONDS = 3600.0
READ_ATTEMPTS = 20
MAX_LOG_BYTES = 1_000_000
MAX_LOG_LINE = 10_000
MUTEX_POLL_SECONDS = 0.05


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


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, wholly or not at all; the folder is made where it is missing.

    Raises:
        PatinaError: The file cannot be written (full disk, no permission). The old file is then untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_if_changed(path: Path, data: bytes) -> bool:
    """Write `data` to `path` unless it is there already, byte for byte; return whether anything was written."""
    with suppress(OSError):
        if path.read_bytes() == data:
            return False
    write_atomic(path, data)
    return True


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files directly in `folder` that are more than an hour old: their writers were killed."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError):  # one that cannot be deleted does no harm
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                leftover.unlink()


def append_line(path: Path, text: str) -> None:
    """Append one line to a log, in one write; of a log of more than 1 MB the newer half is kept.

    Raises:
        PatinaError: The file cannot be written.
    """
    line = " ".join(text.split())[:MAX_LOG_LINE].encode("utf-8", "replace") + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(line)
            size = file.tell()
    except OSError as error:
        raise _cannot_write(path, error) from error
    if size > MAX_LOG_BYTES:
        write_atomic(path, path.read_bytes()[size // 2 :].split(b"\n", 1)[1])


def publish_stage(
    paths: ProjectionPaths, stage: str, record: StageRecord, contents: Mapping[Path, bytes]
) -> StageRecord:
    """Replace a stage's files and its manifest entry together; return the entry as written.

    Args:
        paths: The projection's files.
        stage: Name of the manifest entry.
        record: The entry, its `outputs` and `built_at` still empty.
        contents: The new content of each of the stage's files.

    Raises:
        PatinaError: Something cannot be written. What was there before is then untouched.
    """
    manifest = settle(paths)
    outputs = {
        path.name.removeprefix(f"{paths.name}."): OutputFile(path.name, sha256(data), len(data))
        for path, data in contents.items()
    }
    record = replace(record, outputs=outputs, built_at=utc_now())
    for path, data in contents.items():
        write_atomic(_pending(paths, path.name, sha256(data)), data)
    write_atomic(paths.manifest, manifest_document(paths.name, {**manifest, stage: record}))
    for path, data in contents.items():
        _move(_pending(paths, path.name, sha256(data)), path)
    _sync_folder(paths.folder)
    return record


def settle(paths: ProjectionPaths) -> Manifest:
    """Finish what an interrupted `publish_stage` left, and return the manifest (empty where it is damaged).

    Files that the manifest names move from their pending to their final names; other pending files go, and what
    killed writers left half-written in the folder. The caller holds the project mutex.
    """
    try:
        manifest = read_manifest(paths.manifest)
    except PatinaError:
        manifest = {}
    for record in manifest.values():
        for output in record.outputs.values():
            pending = _pending(paths, output.file, output.sha256)
            if pending.exists():
                _move(pending, paths.folder / output.file)
    if paths.folder.exists():
        for pattern in (f"{paths.name}.*{PENDING_SUFFIX}", f"{TEMPORARY_PREFIX}*"):
            for leftover in paths.folder.glob(pattern):
                leftover.unlink(missing_ok=True)
    return manifest


def damages(paths: ProjectionPaths, record: StageRecord) -> tuple[str, ...]:
    """Return what is wrong with a stage's files, one sentence each: missing, or not what the manifest names."""
    found = []
    for output in record.outputs.values():
        path = paths.folder / output.file
        candidates = _candidates(paths, output)
        if not any(file.is_file() and file_sha256(file) == output.sha256 for file in candidates):
            found.append(f"{output.file} is {'damaged' if path.exists() else 'missing'}")
    return tuple(found)


def verified_path(paths: ProjectionPaths, record: StageRecord, role: str) -> Path:
    """Return where one of a stage's files is, its digest checked: for loaders that want a path.

    A file is hashed once in a process, and again when its size, time or inode changes.

    Raises:
        PatinaError: The file is missing or is not what the manifest names.
    """
    output = _output(paths, record, role)
    for candidate in _candidates(paths, output):
        with suppress(OSError):
            status = candidate.stat()
            if _sha256_of_state(candidate, status.st_size, status.st_mtime_ns, status.st_ino) == output.sha256:
                return candidate
    raise _not_intact(paths.folder / output.file)


@lru_cache(maxsize=64)
def _sha256_of_state(path: Path, _size: int, _mtime_ns: int, _inode: int) -> str:
    return file_sha256(path)


def read_output(paths: ProjectionPaths, record: StageRecord, role: str) -> bytes:
    """Return the verified content of one of a stage's files.

    Raises:
        PatinaError: The file is missing or is not what the manifest names.
    """
    output = _output(paths, record, role)
    for candidate in _candidates(paths, output):
        with suppress(OSError):
            data = candidate.read_bytes()
            if sha256(data) == output.sha256:
                return data
    raise _not_intact(paths.folder / output.file)


def _output(paths: ProjectionPaths, record: StageRecord, role: str) -> OutputFile:
    try:
        return record.outputs[role]
    except KeyError:
        raise PatinaError(f"{paths.manifest}: names no {role} file: run `patina oxidize` to build it again") from None


def _not_intact(path: Path) -> PatinaError:
    state = "damaged (its digest is not the manifest's)" if path.exists() else "missing"
    return PatinaError(f"{path}: {state}: run `patina oxidize` to build it again")


def read_outputs(paths: ProjectionPaths, stage: str, roles: tuple[str, ...]) -> tuple[StageRecord, list[bytes]]:
    """Return a stage's record and the verified contents of some of its files, all of one build.

    A writer may publish a new build at any moment: the manifest is then read again.

    Raises:
        PatinaError: The stage was never built, or a file is missing or damaged.
    """
    for attempt in range(READ_ATTEMPTS):
        record = read_manifest(paths.manifest).get(stage)
        if record is None:
            raise PatinaError(f"{paths.name}/{stage} is not built: run `patina oxidize`")
        try:
            return record, [read_output(paths, record, role) for role in roles]
        except PatinaError:
            current = read_manifest(paths.manifest).get(stage)
            if attempt == READ_ATTEMPTS - 1 or current == record:
                raise
    raise AssertionError("unreachable")


@contextmanager
def exclusive(path: Path, wait_seconds: float, doing: str) -> Iterator[None]:
    """Hold the mutex file `path`; the kernel lets it go when this process ends, however it ends.

    Raises:
        PatinaError: Another process still holds it after `wait_seconds`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise PatinaError(_busy(path, doing)) from None
                time.sleep(MUTEX_POLL_SECONDS)
        with suppress(OSError):  # only for the message of who waits: a full disk is no reason to stop here
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _busy(path: Path, doing: str) -> str:
    holder = path.read_text("utf-8", "replace").strip() or "unknown"
    return f"busy: another process (pid {holder}) is writing here, so {doing} cannot: try again when it is done"


def _pending(paths: ProjectionPaths, file: str, digest: str) -> Path:
    return paths.folder / f"{paths.name}.{file}.{digest[:16]}{PENDING_SUFFIX}"


def _candidates(paths: ProjectionPaths, output: OutputFile) -> tuple[Path, ...]:
    """Return where a file may be; its final place again, since it may move there after the first look."""
    final = paths.folder / output.file
    return (final, _pending(paths, output.file, output.sha256), final)


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> PatinaError:
    remedy = {
        errno.ENOSPC: "free some space and run it again",
        errno.EDQUOT: "free some space and run it again",
        errno.EACCES: "give yourself write permission there",
        errno.EROFS: "the file system is read-only",
    }.get(error.errno or 0, "what was there before is untouched")
    return PatinaError(f"{path}: cannot be written ({error.strerror or error}): {remedy}")
