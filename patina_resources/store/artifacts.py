"""The only place that puts artifacts under `.patina/data`: stages, their files and their manifest entries.

A stage's files and its manifest entry change together. New files are first written completely under a *pending*
name that carries their digest; renaming the manifest is the moment of change; the pending files then move to their
final names, and where that was interrupted, readers find them under the pending name and the next writer moves them.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.files import (
    TEMPORARY_PREFIX,
    exclusive,
    file_sha256,
    make_way,
    move,
    sha256,
    sync_folder,
    utc_now,
    write_atomic,
)
from patina_resources.store.manifests import Manifest, OutputFile, StageRecord, manifest_document, read_manifest
from patina_resources.store.paths import ProjectionPaths

PENDING_SUFFIX = ".pending"
READ_ATTEMPTS = 20
# Another process may be training: its stage is waited for.
MUTEX_WAIT_SECONDS = 900.0


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
    make_way(paths.manifest)
    write_atomic(paths.manifest, manifest_document(paths.name, {**manifest, stage: record}))
    for path, data in contents.items():
        make_way(path)
        move(_pending(paths, path.name, sha256(data)), path)
    sync_folder(paths.folder)
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
            if pending.is_file():
                make_way(paths.folder / output.file)
                move(pending, paths.folder / output.file)
    if paths.folder.exists():
        for pattern in (f"{paths.name}.*{PENDING_SUFFIX}", f"{TEMPORARY_PREFIX}*"):
            for leftover in paths.folder.glob(pattern):
                with suppress(IsADirectoryError, PermissionError):  # not made by us, and in nobody's way
                    leftover.unlink(missing_ok=True)
    return manifest


def settle_interrupted(places: Iterable[ProjectionPaths], mutex: Path) -> None:
    """Finish or remove what killed builds left, also where nothing is stale any more.

    Args:
        places: The projections.
        mutex: Held while something is moved.

    Raises:
        PatinaError: Another process is building, or something cannot be written.
    """
    unsettled = [paths for paths in places if any(paths.folder.glob(f"{paths.name}.*{PENDING_SUFFIX}"))]
    if unsettled:
        with exclusive(mutex, MUTEX_WAIT_SECONDS, "finishing an interrupted build"):
            for paths in unsettled:
                settle(paths)


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


def _pending(paths: ProjectionPaths, file: str, digest: str) -> Path:
    return paths.folder / f"{paths.name}.{file}.{digest[:16]}{PENDING_SUFFIX}"


def _candidates(paths: ProjectionPaths, output: OutputFile) -> tuple[Path, ...]:
    """Return where a file may be; its final place again, since it may move there after the first look."""
    final = paths.folder / output.file
    return (final, _pending(paths, output.file, output.sha256), final)
