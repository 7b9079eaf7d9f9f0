"""The user's cache of base models: hands out verified files, and says what is here, damaged or missing.

`~/.patina/cache/models/<name>/` holds `model_quantized.onnx` (int8) or `model.onnx` (fp32), and `tokenizer.json`.
Models that a project defines lie in `.projects/<project>/<name>/` there. models.lock says which bytes those must be.
New files come in under a *pending* name that carries their digest; the models.lock record is the moment of change; then
they move to their names. A reader that comes in between, or after a kill, finds the recorded bytes under the pending
name.

Reading writes nothing, and follows no link.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from patina_resources.errors import PatinaError
from patina_resources.models.cache_files import (
    ONNX_NAMES,
    PENDING_SUFFIX,
    TOKENIZER_NAME,
    check_alone,
    expected_files,
    find_file,
    folder_bytes,
    forget_digests,
    pending_name,
    precision_of,
    problem_of,
)
from patina_resources.models.lock import LockRecord, record_model
from patina_resources.models.references import reference_of, shown_key, split_key
from patina_resources.models.registry import CORPUS_STATIC, ModelFiles, ModelSpec, Precision, model_digest
from patina_resources.models.stores import (
    Recorded,
    all_records,
    find_record,
    own_store,
    plain_folder,
    plain_incoming_folder,
)
from patina_resources.store.files import cannot_write
from patina_resources.store.mothership import Mothership
from patina_resources.store.mutex import exclusive

# Another process may be downloading the same model: long enough for a slow line.
ADD_WAIT_SECONDS = 4 * 3600.0

ModelState = Literal["ready", "missing", "damaged"]


@dataclass(frozen=True)
class CachedModel:
    """What the cache knows of one model.

    Attributes:
        key: `ModelSpec.key`.
        state: `ready`, `missing` (recorded once, files gone), or `damaged`.
        record: Its provenance.
        store: The mothership that has it.
        bytes_on_disk: Size of its folder.
        recorded_key: Its key in models.lock, and the name of its folder: `key`, or that of an older Patina.
        problem: What is wrong, in words; empty where it is ready.
    """

    key: str
    state: ModelState
    record: LockRecord
    store: Mothership
    bytes_on_disk: int
    recorded_key: str
    problem: str = ""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.store.model_folder(self.recorded_key)


def cached_model(mothership: Mothership, spec: ModelSpec) -> ModelFiles:
    """Return the model's files, their SHA-256 checked against models.lock (once per process and file state).

    Raises:
        PatinaError: The model is not in the cache, or its files are not the recorded ones; the command that
            repairs it is named.
    """
    if spec.name == CORPUS_STATIC:
        raise PatinaError(f"{CORPUS_STATIC} is built in each project: run `patina oxidize` there")
    command = f"run `patina model add {spec.reference}`"
    while True:
        found = find_record(mothership, spec.key)
        if found is None:
            raise PatinaError(f"{_absence(mothership, spec)}: {command}")
        folder, record = plain_folder(found.store, found.key), found.record
        onnx, tokenizer = (find_file(folder, names, digest) for names, digest in expected_files(record))
        if onnx is not None and tokenizer is not None:
            _check_dimensions(spec, record, found.store.models_lock)
            check_alone(onnx, tokenizer)
            digest = model_digest(record.sha256_model, record.sha256_tokenizer)
            return ModelFiles(onnx, tokenizer, digest, precision_of(onnx))
        # Another process may have replaced the model between the record and the files: then read both again.
        if find_record(mothership, spec.key) == found:
            raise PatinaError(f"model {spec.reference}: {problem_of(folder, record)} in {folder}: {command}")


def verify_model(mothership: Mothership, key: str) -> CachedModel:
    """Read every byte of one recorded model again, and return its state.

    Args:
        mothership: The cache.
        key: The model's `ModelSpec.key`.

    Raises:
        PatinaError: models.lock is damaged, or has no record of the model.
    """
    found = find_record(mothership, key)
    if found is None:
        reference = reference_of(split_key(key)[1])
        raise PatinaError(f"models.lock has no record of {reference}: run `patina model add {reference}`")
    forget_digests()
    return _state(found, key)


def model_state(mothership: Mothership, key: str) -> CachedModel | None:
    """Return the state of one model by its bytes (read once per process), or None where it was never recorded.

    Raises:
        PatinaError: models.lock is damaged.
    """
    found = find_record(mothership, key)
    return None if found is None else _state(found, key)


def cached_models(mothership: Mothership) -> list[CachedModel]:
    """Return the state of every recorded model, by key, judged by file sizes alone (`verify_model` reads the bytes).

    Raises:
        PatinaError: models.lock is damaged.
    """
    records = all_records(mothership)
    return [_state_by_size(records[key], key) for key in sorted(records)]


def remove_model(mothership: Mothership, key: str) -> int:
    """Remove a model's folder, keep its record in models.lock, and return the number of bytes freed.

    Raises:
        PatinaError: The model has no folder in the user's own cache, or it cannot be removed.
    """
    own, found = own_store(mothership), find_record(mothership, key)
    recorded_key = key if found is None else found.key
    folder = (own or mothership).model_folder(recorded_key)
    if own != mothership and not folder.is_dir() and mothership.model_folder(recorded_key).is_dir():
        raise PatinaError(
            f"model {shown_key(key)} is in {mothership.home}, which is not yours or cannot be written to: "
            "ask its owner to remove it, or set PATINA_HOME to a folder of yours"
        )
    if own is None or folder.is_symlink() or not folder.is_dir():
        raise PatinaError(f"model {shown_key(key)} is not in the cache ({folder}): nothing to remove")
    plain_folder(own, recorded_key)
    with adding(own, key):
        freed = folder_bytes(folder)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise PatinaError(f"{folder}: cannot be removed ({error.strerror or error})") from error
    return freed


@contextmanager
def adding(own: Mothership, key: str) -> Iterator[None]:
    """Hold the mutex of one model's folder, waiting for another process that is adding it."""
    incoming = plain_incoming_folder(own, key)
    with exclusive(incoming.with_name(f"{incoming.name}.mutex"), ADD_WAIT_SECONDS, f"adding {shown_key(key)}"):
        yield


def publish_model(
    own: Mothership, key: str, precision: Precision, onnx: Path, tokenizer: Path, record: LockRecord
) -> None:
    """Move two checked files into the cache together with their record. The caller holds `adding`.

    Args:
        own: The user's own mothership.
        key: The model's `ModelSpec.key`.
        precision: Decides the name of the ONNX file.
        onnx: On the cache's own file system; moved away.
        tokenizer: On the cache's own file system; moved away.
        record: What models.lock will say.

    Raises:
        PatinaError: Something cannot be written. What was there before is then untouched.
    """
    folder = plain_folder(own, key)
    places = {
        folder / ONNX_NAMES[precision]: (onnx, record.sha256_model),
        folder / TOKENIZER_NAME: (tokenizer, record.sha256_tokenizer),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, (source, digest) in places.items():
            _sync(source)
            source.replace(pending_name(place, digest))
        record_model(own.models_lock, key, record)
    except OSError as error:
        raise cannot_write(folder, error) from error
    settle_model(own, key, record)


def settle_model(own: Mothership, key: str, record: LockRecord) -> None:
    """Finish what an interrupted `publish_model` left, and delete what else is there. The caller holds `adding`.

    The recorded files move from their pending to their final names; all other files of the folder go, and what was
    being downloaded.

    Raises:
        PatinaError: A file cannot be moved or deleted.
    """
    folder = plain_folder(own, key)
    kept = set()
    try:
        for names, digest in expected_files(record):
            for place in (folder / entry for entry in names):
                if find_file(folder, (place.name,), digest) == pending_name(place, digest):
                    pending_name(place, digest).replace(place)
                kept.add(place)
        for other in folder.iterdir():
            # Where a record does not say the precision, another tool made it: its other files are its own business.
            ours = record.precision or other.name.endswith(PENDING_SUFFIX)
            if ours and other not in kept and other.is_file():
                other.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    shutil.rmtree(own.incoming_folder(key), ignore_errors=True)


def _absence(mothership: Mothership, spec: ModelSpec) -> str:
    """Say that a model is not in the cache; of a project's, that files which lie under its plain name are not used."""
    place = plain_folder(own_store(mothership) or mothership, spec.key)
    text = f"model {spec.reference} is not in the cache ({place})"
    if spec.scope and spec.name in all_records(mothership):
        older = mothership.model_folder(spec.name)
        text += f"; {older} is not used, since models that a project defines are kept for each project apart"
    return text


def _state(found: Recorded, key: str) -> CachedModel:
    size = folder_bytes(found.folder)
    try:
        problem = problem_of(plain_folder(found.store, found.key), found.record)
    except PatinaError as error:
        return _cached(found, key, "damaged", size, str(error))
    return _cached(found, key, "ready" if not problem else "damaged" if size else "missing", size, problem)


def _state_by_size(found: Recorded, key: str) -> CachedModel:
    size, recorded = folder_bytes(found.folder), found.record.size_bytes
    if size == recorded:
        return _cached(found, key, "ready", size)
    if size == 0:
        return _cached(found, key, "missing", 0, "its files are missing")
    return _cached(found, key, "damaged", size, f"{size:,} bytes on disk, {recorded:,} recorded")


def _cached(found: Recorded, key: str, state: ModelState, size: int, problem: str = "") -> CachedModel:
    return CachedModel(key, state, found.record, found.store, size, found.key, problem)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _check_dimensions(spec: ModelSpec, record: LockRecord, lock: Path) -> None:
    if record.dimensions != spec.dims:
        raise PatinaError(
            f"model {spec.reference}: the registry says {spec.dims} dimensions, {lock} says {record.dimensions}: "
            "correct the [models] table, or add the model again"
        )
