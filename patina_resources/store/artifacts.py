"""The only place that puts artifacts under `.patina/data`: stages, their files and their manifest entries.

A stage's files and its manifest entry change together. New files are first written completely under a *pending*
name that carries their digest; renaming the manifest is the moment of change; the pending files then move to their
final names, and where that was interrupted, readers find them under the pending name and the next writer moves them.
"""

import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from patina_resources.errors import PatinaError
from patina_resources.store.files import (
    TEMPORARY_PREFIX,
    make_way,
    move,
    sha256,
    sync_folder,
    unusual,
    utc_now,
    write_atomic,
)
from patina_resources.store.known_files import known_sha256, read_if_sha256, state_of, written
from patina_resources.store.manifests import Manifest, OutputFile, StageRecord, manifest_document, read_manifest
from patina_resources.store.mutex import exclusive, shared
from patina_resources.store.paths import ProjectionPaths

PENDING_SUFFIX = ".pending"
READ_ATTEMPTS = 20
# Another process may be training: its stage is waited for.
MUTEX_WAIT_SECONDS = 900.0

T = TypeVar("T")


@dataclass(frozen=True)
class Damage:
    """What is wrong with a file that a manifest names."""

    file: str
    state: Literal["missing", "damaged"]

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"{self.file} is {self.state}"


class BuiltStage:
    """A stage as one manifest names it. Each of its files is read and verified once, when it is first asked for."""

    def __init__(self, paths: ProjectionPaths, record: StageRecord, contents: Mapping[str, bytes]) -> None:
        """Take what is known.

        Args:
            paths: The projection's files.
            record: The manifest entry.
            contents: Files that need not be read, by role: this process has just written them.
        """
        self.paths, self.record = paths, record
        self._contents = dict(contents)

    def read(self, role: str) -> bytes:
        """Return the verified content of one of the stage's files.

        Raises:
            PatinaError: The file is missing or is not what the manifest names.
        """
        if role not in self._contents:
            self._contents[role] = read_output(self.paths, self.record, role)
        return self._contents[role]


class BuiltProjection:
    """The stages of a projection as one manifest names them: all of one moment."""

    def __init__(self, paths: ProjectionPaths, manifest: Manifest) -> None:
        """Take the projection's files, and its manifest as it was read."""
        self.paths, self.manifest = paths, manifest
        self._stages: dict[str, BuiltStage] = {}

    def stage(self, name: str) -> BuiltStage:
        """Return a stage.

        Raises:
            PatinaError: It is not built.
        """
        if name not in self._stages:
            record = _record(self.paths, self.manifest, name)
            self._stages[name] = BuiltStage(self.paths, record, {})
        return self._stages[name]

    def replaced(self, name: str, record: StageRecord, contents: Mapping[str, bytes]) -> "BuiltProjection":
        """Return the projection after a stage was published; what was read of the others is kept."""
        after = BuiltProjection(self.paths, {**self.manifest, name: record})
        after._stages = {**self._stages, name: BuiltStage(self.paths, record, contents)}
        return after


def publish_stage(
    paths: ProjectionPaths,
    stage: str,
    record: StageRecord,
    contents: Mapping[Path, bytes],
    digests: Mapping[Path, str] | None = None,
) -> StageRecord:
    """Replace a stage's files and its manifest entry together; return the entry as written.

    Args:
        paths: The projection's files.
        stage: Name of the manifest entry.
        record: The entry, its `outputs` and `built_at` still empty.
        contents: The new content of each of the stage's files.
        digests: Their SHA-256 (hex), where they are known already.

    Raises:
        PatinaError: Something cannot be written. What was there before is then untouched.
    """
    manifest = settle(paths)
    known = digests or {path: sha256(data) for path, data in contents.items()}
    outputs = {path: OutputFile(path.name, known[path], len(data)) for path, data in contents.items()}
    record = replace(
        record,
        outputs={path.name.removeprefix(f"{paths.name}."): output for path, output in outputs.items()},
        built_at=utc_now(),
    )
    states = {}
    # What is there already need not be written: it is right for the manifest of before, and for the new one.
    written_anew = {path: output for path, output in outputs.items() if not _is_there(path, output)}
    for path, output in written_anew.items():
        pending = _pending(paths, output.file, output.sha256)
        write_atomic(pending, contents[path], syncs_name=False)
        states[path] = state_of(pending.stat())
    if written_anew:  # before the manifest names them
        sync_folder(paths.folder)
    make_way(paths.manifest)
    write_atomic(paths.manifest, manifest_document(paths.name, {**manifest, stage: record}))
    for path, output in written_anew.items():
        make_way(path)
        move(_pending(paths, output.file, output.sha256), path)
        written(path, output.sha256, states[path])
    return record  # a move that a power failure undoes is made again: until then, readers find the pending file


def _is_there(path: Path, output: OutputFile) -> bool:
    with suppress(OSError):
        status = path.lstat()
        # What has a second name is another program's, too.
        is_like_it = not unusual(status) and status.st_size == output.bytes
        return is_like_it and known_sha256(path) == output.sha256
    return False


def publish_record(paths: ProjectionPaths, stage: str, record: StageRecord) -> StageRecord:
    """Replace the manifest entry of a stage whose files stay; return the entry. The caller holds the mutex.

    Raises:
        PatinaError: Something cannot be written. What was there before is then untouched.
    """
    manifest = settle(paths)
    write_atomic(paths.manifest, manifest_document(paths.name, {**manifest, stage: record}))
    return record


def settle(paths: ProjectionPaths) -> Manifest:
    """Finish what an interrupted `publish_stage` left, and return the manifest (empty where it is damaged).

    Files that the manifest names move from their pending to their final names; other pending files go, and what
    killed writers of this projection left half-written. The caller holds the projection's mutex.
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
    for pattern in (f"{paths.name}.*{PENDING_SUFFIX}", f"{TEMPORARY_PREFIX}{paths.name}.*"):
        for leftover in paths.folder.glob(pattern):
            # What is gone by now, or was not made by us and is in nobody's way.
            with suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                leftover.unlink()
    return manifest


def settle_interrupted(places: Iterable[ProjectionPaths], mutex: Path) -> None:
    """Finish or remove what killed builds left, also where nothing of a projection is stale any more.

    Args:
        places: The projections; others may be built meanwhile.
        mutex: Held with them while something is moved.

    Raises:
        PatinaError: Another process is building, or something cannot be written.
    """
    doing = "finishing an interrupted build"
    for paths in places:
        if any(paths.folder.glob(f"{paths.name}.*{PENDING_SUFFIX}")):
            with shared(mutex, MUTEX_WAIT_SECONDS, doing), exclusive(paths.mutex, MUTEX_WAIT_SECONDS, doing):
                settle(paths)


def damages(paths: ProjectionPaths, record: StageRecord) -> tuple[Damage, ...]:
    """Return what is wrong with a stage's files: missing, or not what the manifest names.

    A file whose state this process knows, or an earlier one noted, is not read again: who loads a file does so.
    """
    return tuple(
        Damage(output.file, "damaged" if (paths.folder / output.file).exists() else "missing")
        for output in record.outputs.values()
        if _intact(paths, output, believes_notes=True) is None
    )


def verified_path(paths: ProjectionPaths, record: StageRecord, role: str) -> Path:
    """Return where one of a stage's files is, its digest checked: for loaders that want a path.

    A file is hashed once in a process, and again when its size, time or inode changes.

    Raises:
        PatinaError: The file is missing or is not what the manifest names.
    """
    output = _output(paths, record, role)
    path = _intact(paths, output)
    if path is None:
        raise _not_intact(paths.folder / output.file)
    return path


def _intact(paths: ProjectionPaths, output: OutputFile, *, believes_notes: bool = False) -> Path | None:
    """Return where a file is, its digest checked; None where it is missing or damaged."""
    for candidate in _candidates(paths, output):
        with suppress(OSError):
            if candidate.is_file() and known_sha256(candidate, believes_notes=believes_notes) == output.sha256:
                return candidate
    return None


def read_output(paths: ProjectionPaths, record: StageRecord, role: str) -> bytes:
    """Return the verified content of one of a stage's files.

    Raises:
        PatinaError: The file is missing or is not what the manifest names.
    """
    output = _output(paths, record, role)
    for candidate in _candidates(paths, output):
        with suppress(OSError):
            data = read_if_sha256(candidate, output.sha256) if candidate.is_file() else None
            if data is not None:
                return data
    raise _not_intact(paths.folder / output.file)


def _output(paths: ProjectionPaths, record: StageRecord, role: str) -> OutputFile:
    try:
        return record.outputs[role]
    except KeyError:
        raise PatinaError(f"{paths.manifest}: names no {role} file: run `patina oxidize` to build it again") from None


def _not_intact(path: Path) -> PatinaError:
    state = "damaged (its digest is not the manifest's)" if path.exists() else "missing"
    with suppress(OSError):
        path.chmod(stat.S_IMODE(path.stat().st_mode))  # it gets another state, of which nothing is noted
    return PatinaError(f"{path}: {state}: run `patina oxidize` to build it again")


def read_outputs(paths: ProjectionPaths, stage: str, roles: tuple[str, ...]) -> tuple[StageRecord, list[bytes]]:
    """Return a stage's record and the verified contents of some of its files, all of one build.

    Raises:
        PatinaError: The stage was never built, or a file is missing or damaged.
    """

    def read(built: BuiltProjection) -> tuple[StageRecord, list[bytes]]:
        found = built.stage(stage)
        return found.record, [found.read(role) for role in roles]

    return of_one_build(BuiltProjection(paths, read_manifest(paths.manifest)), read)


def of_one_build(built: BuiltProjection, read: Callable[[BuiltProjection], T]) -> T:
    """Return what `read` makes of a projection, whose files another process may replace at any moment.

    Where a file is not what the manifest names, and the manifest is another one by now, `read` is called with that.

    Raises:
        PatinaError: A stage was never built, or a file is missing or damaged.
    """
    for _ in range(READ_ATTEMPTS - 1):
        try:
            return read(built)
        except PatinaError:
            manifest = read_manifest(built.paths.manifest)
            if manifest == built.manifest:
                raise
            built = BuiltProjection(built.paths, manifest)
    return read(built)


def _record(paths: ProjectionPaths, manifest: Manifest, stage: str) -> StageRecord:
    if stage not in manifest:
        raise PatinaError(f"{paths.name}/{stage} is not built: run `patina oxidize`")
    return manifest[stage]


def _pending(paths: ProjectionPaths, file: str, digest: str) -> Path:
    return paths.folder / f"{paths.name}.{file}.{digest[:16]}{PENDING_SUFFIX}"


def _candidates(paths: ProjectionPaths, output: OutputFile) -> tuple[Path, ...]:
    """Return where a file may be; its final place again, since it may move there after the first look."""
    final = paths.folder / output.file
    return (final, _pending(paths, output.file, output.sha256), final)
