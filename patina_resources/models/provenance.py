"""Where a cached model's bytes came from, and whether they are those that the registry pins."""

from pathlib import PurePath
from typing import Literal

from patina_resources.models.lock import LockRecord
from patina_resources.models.registry import HubSource, PackageSource, RegistryEntry, ShippedSource

SHIPPED_WITH = "comes with Patina"
Pin = Literal["met", "not pinned", "not met"]


def shipped_with(entry: RegistryEntry) -> str:
    """Return what a model comes with: this program, or an installed package."""
    return SHIPPED_WITH if entry.folder is None else f"comes with {entry.origin}"


def package_source(package: PackageSource) -> str:
    """Return what models.lock says of a graph that was made of a package's weights, whose digest the registry pins."""
    return f"{package.requirement}: {package.folder}/model.safetensors (SHA-256 {package.sha256_weights})"


def origin_of(record: LockRecord) -> str:
    """Return where a model's bytes came from: `hub org/name@commit`, `package name==version`, or `folder PATH`."""
    source = record.source_model
    repository, found, _ = source.partition(f"/resolve/{record.revision}/")
    if found:
        return f"hub {'/'.join(repository.split('/')[-2:])}@{record.revision}"
    package, found, _ = source.partition(": ")
    if found and package.endswith(f"=={record.revision}"):
        return f"package {package}"
    return f"folder {PurePath(source).parent}" if source.startswith("/") else source


def came_from(place: HubSource, record: LockRecord) -> bool:
    """Return whether a model was downloaded from a hub repository."""
    return f"/{place.repository}/resolve/" in record.source_model


def pin_of(entry: RegistryEntry | None, record: LockRecord) -> Pin:
    """Return whether a model's bytes are those whose SHA-256 its registry entry states.

    A graph that was made here of a package counts by the weights that it was made of.

    Returns:
        `met`; `not pinned` where the entry states no digest for them; `not met` where they are others.
    """
    if entry is not None and entry.shipped is not None:
        return "met" if ShippedSource(record.sha256_model, record.sha256_tokenizer) == entry.shipped else "not met"
    if entry is None or entry.hub is None:
        return "not pinned"
    if _is_made_of_package(entry, record):
        return "met"
    models = {entry.hub.sha256[name] for name in _graphs(entry.hub, record.precision) if name in entry.hub.sha256}
    tokenizer = entry.hub.sha256.get(entry.hub.tokenizer)
    if (models and record.sha256_model not in models) or tokenizer not in (None, record.sha256_tokenizer):
        return "not met"
    return "met" if models and tokenizer is not None else "not pinned"


def is_pinned(entry: RegistryEntry) -> bool:
    """Return whether a registry entry states the digests of all files that it names."""
    hub = entry.hub
    if entry.shipped is not None:
        return True
    return hub is not None and bool(hub.onnx) and {*hub.onnx.values(), hub.tokenizer} <= hub.sha256.keys()


def _graphs(hub: HubSource, precision: str) -> list[str]:
    """Return the hub's files that a record may be of; all where it does not say its precision."""
    return [name for known, name in hub.onnx.items() if precision in ("", known)]


def _is_made_of_package(entry: RegistryEntry, record: LockRecord) -> bool:
    package = entry.package
    return (
        package is not None
        and record.source_model == package_source(package)
        and record.sha256_tokenizer == package.sha256_tokenizer
    )
