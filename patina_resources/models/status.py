"""What people are shown of base models: the registry beside the cache, and what a project still needs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from patina_resources.models.cache import CachedModel, cached_models
from patina_resources.models.provenance import Pin, is_pinned, origin_of, pin_of, shipped_with
from patina_resources.models.references import JOINT, PROJECT_PREFIX, is_hub_name, shown_key, split_key
from patina_resources.models.registry import CORPUS_STATIC, Registry, RegistryEntry
from patina_resources.models.stores import find_record
from patina_resources.store.mothership import Mothership

RowState = Literal["ready", "missing", "damaged", "not added", "built in", "not the pinned bytes"]
RowPin = Literal["pinned", "not pinned", "differs", "by the project", ""]
_ROW_PINS: dict[Pin, RowPin] = {"met": "pinned", "not pinned": "not pinned", "not met": "differs"}


@dataclass(frozen=True)
class ModelRow:
    """One model of the registry or the cache.

    Attributes:
        name: As a recipe writes it, behind `project/` where a project defines it.
        dims: Length of a vector.
        max_tokens: Longest text in tokens; None where only another tool's record is known.
        state: `ready`, `missing` (recorded, files gone), `damaged`, `not added`, `built in` (corpus-static), or
            `not the pinned bytes`: the files are the recorded ones, but the registry pins others.
        description: One line.
        licence: Of the weights.
        download_mb: Size of the int8 download in megabytes, if known.
        bytes_on_disk: In the cache.
        downloaded: UTC time (ISO 8601), or empty.
        precision: Of the cached file, or empty.
        source: Where the cached file came from (URL, path, or package and file), or empty.
        command: What repairs or adds it; empty where nothing is to be done.
        origin: Where the bytes came from, or would: `hub org/name@commit`, `package name==version`, `folder PATH`,
            or that it comes with Patina.
        pin: Whether the registry states the SHA-256 of the files: `pinned` (of cached files: they have it),
            `not pinned`, `differs` (the cached files have another), `by the project` (the registry does not know the
            model), or empty (corpus-static).
        project: The project that defines it: its folder, or its name in the cache where that is not known; or empty.
        folder: Where its files are in the cache; empty where it was never added.
    """

    name: str
    dims: int
    max_tokens: int | None
    state: RowState
    description: str
    licence: str
    download_mb: int | None = None
    bytes_on_disk: int = 0
    downloaded: str = ""
    precision: str = ""
    source: str = ""
    command: str = ""
    origin: str = ""
    pin: RowPin = ""
    project: str = ""
    folder: str = ""


def model_rows(mothership: Mothership, registry: Registry, projects: Iterable[Path] = ()) -> list[ModelRow]:
    """Return every model of the registry, then what else is in the cache; judged by file sizes, no bytes are read.

    Args:
        mothership: The cache.
        registry: The models that can be named here.
        projects: Roots of known projects, whose models are shown with them.

    Raises:
        PatinaError: models.lock is damaged.
    """
    roots = _roots(mothership, projects)
    cached = {model.key: model for model in cached_models(mothership)}
    entries = _entries(registry)
    rows = [_row(entry, cached.get(key), roots) for key, entry in entries.items()]
    return rows + [_unknown_row(model, roots) for key, model in cached.items() if key not in entries]


def model_row(mothership: Mothership, registry: Registry, name: str) -> ModelRow:
    """Return the row of the model that `name` means; its `command` is what a project that uses it has to run.

    Raises:
        PatinaError: The name means nothing, or models.lock is damaged.
    """
    entry = registry.entry(name)
    cached = {model.key: model for model in cached_models(mothership)}
    return _row(entry, cached.get(entry.spec.key), {})


def missing_shipped(mothership: Mothership, registry: Registry, name: str) -> list[str]:
    """Return which of the models side by side that a name means come with Patina and are not in the cache yet.

    What the name has wrong is left to whoever resolves it.

    Raises:
        PatinaError: models.lock is damaged.
    """
    parts = name.split(JOINT)
    entries = [registry.entry(part) for part in parts if not is_hub_name(part) and registry.knows(part)]
    shipped = [entry.spec for entry in entries if entry.shipped is not None]
    return [spec.name for spec in shipped if find_record(mothership, spec.key) is None]


def cached_row(
    mothership: Mothership, registry: Registry, model: CachedModel, projects: Iterable[Path] = ()
) -> ModelRow:
    """Return the row of a model that is in the cache, whether or not it can be named here."""
    entry = _entries(registry).get(model.key)
    roots = _roots(mothership, projects)
    return _unknown_row(model, roots) if entry is None else _row(entry, model, roots)


def _roots(mothership: Mothership, projects: Iterable[Path]) -> dict[str, str]:
    return {mothership.project_folder(root).name: str(root) for root in projects}


def _entries(registry: Registry) -> dict[str, RegistryEntry]:
    return {entry.spec.key: entry for entry in registry.all_entries().values()}


def _row(entry: RegistryEntry, cached: CachedModel | None, roots: dict[str, str]) -> ModelRow:
    spec = entry.spec
    state: RowState = "built in" if spec.name == CORPUS_STATIC else "not added" if cached is None else cached.state
    row = ModelRow(
        name=(PROJECT_PREFIX if spec.scope else "") + spec.reference,
        dims=spec.dims,
        max_tokens=spec.max_tokens,
        state=state,
        description=entry.description,
        licence=entry.licence,
        download_mb=entry.size_mb.get("int8"),
        command="" if state in {"ready", "built in"} else f"patina model add {spec.reference}",
        origin=_place(entry),
        pin=_pin(entry, cached),
        project=roots.get(spec.scope, spec.scope),
    )
    row = row if cached is None else _with_cached(row, cached)
    return replace(row, state="not the pinned bytes") if row.state == "ready" and row.pin == "differs" else row


def _place(entry: RegistryEntry) -> str:
    """Return where a model would come from."""
    if entry.shipped is not None:
        return shipped_with(entry)
    if entry.hub is None:
        return ""
    return f"hub {entry.hub.repository}" + (f"@{entry.hub.revision}" if entry.hub.revision else "")


def _pin(entry: RegistryEntry, cached: CachedModel | None) -> RowPin:
    if entry.spec.name == CORPUS_STATIC:
        return ""
    pin: RowPin = "pinned" if is_pinned(entry) else "not pinned"
    if cached is not None:
        pin = _ROW_PINS[pin_of(entry, cached.record)]
    return "by the project" if entry.spec.scope and pin != "differs" else pin


def _unknown_row(cached: CachedModel, roots: dict[str, str]) -> ModelRow:
    scope, _ = split_key(cached.key)
    row = ModelRow(
        name=shown_key(cached.key),
        dims=cached.record.dimensions,
        max_tokens=None,
        state=cached.state,
        description="" if scope else "not in the registry, not used",
        licence="not stated",
        pin="by the project" if scope else "not pinned",
        project=roots.get(scope, scope),
    )
    return _with_cached(row, cached)


def _with_cached(row: ModelRow, cached: CachedModel) -> ModelRow:
    record = cached.record
    return replace(
        row,
        bytes_on_disk=cached.bytes_on_disk,
        downloaded=record.downloaded,
        precision=record.precision,
        source=record.source_model,
        origin=origin_of(record),
        folder=str(cached.folder),
    )
