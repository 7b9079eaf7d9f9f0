"""The user's cache of base models: hands out verified files, and says what is here, damaged or missing.

`~/.patina/cache/models/<name>/` holds `model_quantized.onnx` (int8) or `model.onnx` (fp32), and `tokenizer.json`.
models.lock says which bytes those must be. New files come in under a *pending* name that carries their digest; the
models.lock record is the moment of change; then they move to their names. A reader that comes in between, or after a
kill, finds the recorded bytes under the pending name.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from patina_resources.errors import PatinaError
from patina_resources.models_lock import LockRecord, read_lock, record_model
from patina_resources.project import Mothership
from patina_resources.registry import (
    CORPUS_STATIC,
    ModelFiles,
    ModelSpec,
    Precision,
    model_digest,
    reference_of,
)
from patina_resources.store.files import exclusive, file_sha256

ONNX_NAMES: dict[Precision, str] = {"int8": "model_quantized.onnx", "fp32": "model.onnx"}
TOKENIZER_NAME = "tokenizer.json"
PENDING_SUFFIX = ".pending"
# Another process may be downloading the same model: long enough for a slow line.
ADD_WAIT_SECONDS = 4 * 3600.0

ModelState = Literal["ready", "missing", "damaged"]


@dataclass(frozen=True)
class CachedModel:
    """What the cache knows of one model.

    Attributes:
        name: Registry name, or `hf--org--name` for a hub repository.
        state: `ready`, `missing` (recorded once, files gone), or `damaged`.
        record: Its provenance.
        bytes_on_disk: Size of its folder.
        problem: What is wrong, in words; empty where it is ready.
    """

    name: str
    state: ModelState
    record: LockRecord
    bytes_on_disk: int
    problem: str = ""


def cached_model(mothership: Mothership, spec: ModelSpec) -> ModelFiles:
    """Return the model's files, their SHA-256 checked against models.lock (once per process and file state).

    Raises:
        PatinaError: The model is not in the cache, or its files are not the recorded ones; the command that
            repairs it is named.
    """
    if spec.name == CORPUS_STATIC:
        raise PatinaError(f"{CORPUS_STATIC} is built in each project: run `patina oxidize` there")
    command = f"run `patina model add {spec.reference}`"
    folder = mothership.model_folder(spec.name)
    while True:
        record = read_lock(mothership.models_lock).get(spec.name)
        if record is None:
            raise PatinaError(f"model {spec.reference} is not in the cache ({folder}): {command}")
        onnx = _find(folder, _onnx_names(record), record.sha256_model)
        tokenizer = _find(folder, (TOKENIZER_NAME,), record.sha256_tokenizer)
        if onnx is not None and tokenizer is not None:
            _check_dimensions(spec, record, mothership.models_lock)
            digest = model_digest(record.sha256_model, record.sha256_tokenizer)
            return ModelFiles(onnx, tokenizer, digest, _precision(onnx))
        # Another process may have replaced the model between the record and the files: then read both again.
        if read_lock(mothership.models_lock).get(spec.name) == record:
            raise PatinaError(f"model {spec.reference}: {_problem(folder, record)} in {folder}: {command}")


def verify_model(mothership: Mothership, name: str) -> CachedModel:
    """Read every byte of one recorded model again, and return its state.

    Args:
        mothership: The cache.
        name: The model's folder name (`ModelSpec.name`).

    Raises:
        PatinaError: models.lock is damaged, or has no record of the model.
    """
    record = read_lock(mothership.models_lock).get(name)
    if record is None:
        reference = reference_of(name)
        raise PatinaError(f"models.lock has no record of {reference}: run `patina model add {reference}`")
    _sha256_of_state.cache_clear()
    return _state(mothership, name, record)


def model_state(mothership: Mothership, name: str) -> CachedModel | None:
    """Return the state of one model by its bytes (read once per process), or None where it was never recorded.

    Raises:
        PatinaError: models.lock is damaged.
    """
    record = read_lock(mothership.models_lock).get(name)
    return None if record is None else _state(mothership, name, record)


def cached_models(mothership: Mothership) -> list[CachedModel]:
    """Return the state of every recorded model, by name, judged by file sizes alone (`verify_model` reads the bytes).

    Raises:
        PatinaError: models.lock is damaged.
    """
    records = read_lock(mothership.models_lock)
    return [_state_by_size(mothership, name, records[name]) for name in sorted(records)]


def remove_model(mothership: Mothership, name: str) -> int:
    """Remove a model's folder, keep its record in models.lock, and return the number of bytes freed.

    Raises:
        PatinaError: The model has no folder in the cache, or it cannot be removed.
    """
    folder = mothership.model_folder(name)
    if folder.is_symlink() or not folder.is_dir():
        raise PatinaError(f"model {reference_of(name)} is not in the cache ({folder}): nothing to remove")
    with adding(mothership, name):
        freed = _folder_bytes(folder)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise PatinaError(f"{folder}: cannot be removed ({error.strerror or error})") from error
    return freed


@contextmanager
def adding(mothership: Mothership, name: str) -> Iterator[None]:
    """Hold the mutex of one model's folder, waiting for another process that is adding it."""
    mutex = mothership.incoming_folder(name).with_name(f"{name}.mutex")
    with exclusive(mutex, ADD_WAIT_SECONDS, f"adding {reference_of(name)}"):
        yield


def publish_model(
    mothership: Mothership, name: str, precision: Precision, onnx: Path, tokenizer: Path, record: LockRecord
) -> None:
    """Move two checked files into the cache together with their record. The caller holds `adding`.

    Args:
        mothership: The cache.
        name: The model's folder name.
        precision: Decides the name of the ONNX file.
        onnx: On the cache's own file system; moved away.
        tokenizer: On the cache's own file system; moved away.
        record: What models.lock will say.

    Raises:
        PatinaError: Something cannot be written. What was there before is then untouched.
    """
    folder = mothership.model_folder(name)
    places = {
        folder / ONNX_NAMES[precision]: (onnx, record.sha256_model),
        folder / TOKENIZER_NAME: (tokenizer, record.sha256_tokenizer),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, (source, digest) in places.items():
            _sync(source)
            source.replace(_pending(place, digest))
        record_model(mothership.models_lock, name, record)
    except OSError as error:
        raise PatinaError(f"{folder}: cannot be written ({error.strerror or error})") from error
    settle_model(mothership, name, record)


def settle_model(mothership: Mothership, name: str, record: LockRecord) -> None:
    """Finish what an interrupted `publish_model` left, and delete what else is there. The caller holds `adding`.

    The recorded files move from their pending to their final names; all other files of the folder go, and what was
    being downloaded.

    Raises:
        PatinaError: A file cannot be moved or deleted.
    """
    folder = mothership.model_folder(name)
    kept = set()
    try:
        for names, digest in ((_onnx_names(record), record.sha256_model), ((TOKENIZER_NAME,), record.sha256_tokenizer)):
            for place in (folder / entry for entry in names):
                if _find(folder, (place.name,), digest) == _pending(place, digest):
                    _pending(place, digest).replace(place)
                kept.add(place)
        for other in folder.iterdir():
            # Where a record does not say the precision, another tool made it: its other files are its own business.
            ours = record.precision or other.name.endswith(PENDING_SUFFIX)
            if ours and other not in kept and other.is_file():
                other.unlink(missing_ok=True)
    except OSError as error:
        raise PatinaError(f"{folder}: cannot be written ({error.strerror or error})") from error
    shutil.rmtree(mothership.incoming_folder(name), ignore_errors=True)


def _state(mothership: Mothership, name: str, record: LockRecord) -> CachedModel:
    folder = mothership.model_folder(name)
    problem = _problem(folder, record)
    size = _folder_bytes(folder)
    state: ModelState = "ready" if not problem else "damaged" if size else "missing"
    return CachedModel(name, state, record, size, problem)


def _state_by_size(mothership: Mothership, name: str, record: LockRecord) -> CachedModel:
    size = _folder_bytes(mothership.model_folder(name))
    if size == record.size_bytes:
        return CachedModel(name, "ready", record, size)
    if size == 0:
        return CachedModel(name, "missing", record, 0, "its files are missing")
    return CachedModel(name, "damaged", record, size, f"{size:,} bytes on disk, {record.size_bytes:,} recorded")


def _problem(folder: Path, record: LockRecord) -> str:
    found = []
    for names, digest in ((_onnx_names(record), record.sha256_model), ((TOKENIZER_NAME,), record.sha256_tokenizer)):
        if _find(folder, names, digest) is None:
            there = [name for name in names if (folder / name).exists()]
            found.append(f"{there[0]} is damaged (not the recorded bytes)" if there else f"{names[0]} is missing")
    return " and ".join(found)


def _find(folder: Path, names: tuple[str, ...], digest: str) -> Path | None:
    for name in names:
        for candidate in (folder / name, _pending(folder / name, digest)):
            if _sha256(candidate) == digest:
                return candidate
    return None


def _precision(onnx: Path) -> Precision | None:
    return next((precision for precision, name in ONNX_NAMES.items() if onnx.name.startswith(name)), None)


def _onnx_names(record: LockRecord) -> tuple[str, ...]:
    # Records of other tools do not say the precision: then both names are looked at.
    known = tuple(name for precision, name in ONNX_NAMES.items() if precision == record.precision)
    return known or tuple(ONNX_NAMES.values())


def _sha256(path: Path) -> str | None:
    try:
        state = path.stat()
        return _sha256_of_state(path, state.st_size, state.st_mtime_ns, state.st_ino)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror or error})") from error


@lru_cache(maxsize=64)
def _sha256_of_state(path: Path, _size: int, _mtime_ns: int, _inode: int) -> str:
    return file_sha256(path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _pending(path: Path, digest: str) -> Path:
    return path.with_name(f"{path.name}.{digest[:16]}{PENDING_SUFFIX}")


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*") if file.is_file())


def _check_dimensions(spec: ModelSpec, record: LockRecord, lock: Path) -> None:
    if record.dimensions != spec.dims:
        raise PatinaError(
            f"model {spec.reference}: the registry says {spec.dims} dimensions, {lock} says {record.dimensions}: "
            "correct the [models] table, or add the model again"
        )
