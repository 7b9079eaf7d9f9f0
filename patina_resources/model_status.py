"""What people are shown of base models: the registry beside the cache, and what a project still needs."""

from dataclasses import dataclass, replace
from typing import Literal

from patina_resources.model_cache import CachedModel, cached_models
from patina_resources.project import Mothership
from patina_resources.registry import CORPUS_STATIC, Registry, reference_of

RowState = Literal["ready", "missing", "damaged", "not added", "built in"]


@dataclass(frozen=True)
class ModelRow:
    """One model of the registry or the cache.

    Attributes:
        name: As a recipe writes it.
        dims: Length of a vector.
        max_tokens: Longest text in tokens; None where only another tool's record is known.
        state: `ready`, `missing` (recorded, files gone), `damaged`, `not added`, or `built in` (corpus-static).
        description: One line.
        licence: Of the weights.
        download_mb: Size of the int8 download in megabytes, if known.
        bytes_on_disk: In the cache.
        downloaded: UTC time (ISO 8601), or empty.
        precision: Of the cached file, or empty.
        source: Where the cached file came from, or empty.
        command: What repairs or adds it; empty where nothing is to be done.
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


def model_rows(mothership: Mothership, registry: Registry) -> list[ModelRow]:
    """Return every model of the registry, then what else is in the cache; judged by file sizes, no bytes are read.

    Raises:
        PatinaError: models.lock is damaged.
    """
    cached = {model.name: model for model in cached_models(mothership)}
    names = [*registry.entries, *(name for name in registry.added if name not in registry.entries)]
    rows = [_row(registry, name, cached.get(name)) for name in names]
    return rows + [_unknown_row(model) for name, model in cached.items() if name not in names]


def model_row(mothership: Mothership, registry: Registry, name: str) -> ModelRow:
    """Return the row of the model that `name` means; its `command` is what a project that uses it has to run.

    Raises:
        PatinaError: The name means nothing, or models.lock is damaged.
    """
    resolved = registry.resolve(name).name
    cached = {model.name: model for model in cached_models(mothership)}
    return _row(registry, resolved, cached.get(resolved))


def _row(registry: Registry, name: str, cached: CachedModel | None) -> ModelRow:
    entry = registry.entries.get(name) or registry.added[name]
    reference = reference_of(name)
    state: RowState = "built in" if name == CORPUS_STATIC else "not added" if cached is None else cached.state
    row = ModelRow(
        name=reference,
        dims=entry.spec.dims,
        max_tokens=entry.spec.max_tokens,
        state=state,
        description=entry.description,
        licence=entry.licence,
        download_mb=entry.size_mb.get("int8"),
        command="" if state in {"ready", "built in"} else f"patina model add {reference}",
    )
    return row if cached is None else _with_cached(row, cached)


def _unknown_row(cached: CachedModel) -> ModelRow:
    row = ModelRow(
        name=reference_of(cached.name),
        dims=cached.record.dimensions,
        max_tokens=None,
        state=cached.state,
        description="not in the registry",
        licence="not stated",
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
    )
