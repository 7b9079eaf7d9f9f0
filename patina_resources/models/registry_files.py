"""Puts the registry together: the shipped `registry.toml`, the user's own, and `[models.NAME]` of a project. Strict."""

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from patina_resources.documents.checks import faults_named, read_document, table
from patina_resources.documents.document import Document, key_name
from patina_resources.documents.toml_file import read_toml
from patina_resources.errors import PatinaError, shown
from patina_resources.models.lock import LockRecord
from patina_resources.models.names import TakenNames, says_the_same
from patina_resources.models.plugged import models_of_packages
from patina_resources.models.references import is_hub_name, model_key, reference_of, split_key
from patina_resources.models.registry import ModelSpec, Registry, RegistryEntry, hub_reference
from patina_resources.models.registry_tables import POOLINGS, REQUIRED, checked_table, table_entry, table_name
from patina_resources.models.stores import Recorded, all_records, own_store, stores
from patina_resources.project.config import MODEL_TABLES
from patina_resources.project.project import Project
from patina_resources.store.mothership import Mothership

SHIPPED = "registry.toml"
_FILE = table({"models": MODEL_TABLES})

RegistryEntries = dict[str, RegistryEntry]
Settings = dict[str, Mapping[str, Any]]


def load_registry(mothership: Mothership, project: Project | None = None) -> Registry:
    """Return the models that can be named: the shipped ones, the user's, and those of a project.

    The user's `registry.toml` may change what a shipped name means. One that somebody else wrote for all who share a
    mothership only adds names. So does a project's config.toml, and its models are its own (`ModelSpec.scope`).

    Args:
        mothership: Holds the user's registry, and models.lock, which knows the shape of added hub repositories.
        project: The project whose `[models.NAME]` tables count.

    Raises:
        PatinaError: A file or a table is wrong: the file, the table and the key are named.
    """
    described = {key: at for key, at in all_records(mothership).items() if at.record.pooling is not None}
    added = {key: _added(key, at) for key, at in described.items() if not split_key(key)[0]}
    entries: RegistryEntries = dict(_shipped())
    settings: Settings = {}
    own = own_store(mothership)
    for store in reversed(stores(mothership)):  # the user's own has the last word
        free = None if store == own or _is_ours(store.registry) else TakenNames(_shipped().values())
        _read_user(store.registry, entries, added, settings, free)
    _check_aliases(entries)
    known = Registry(entries, added, settings, plugged=lambda: _plugged()[0])
    if project is None or not project.config.models:
        return known
    return _with_project(known, project, mothership.project_folder(project.root).name, described)


def spec_of_record(key: str, record: LockRecord, lock: Path) -> ModelSpec:
    """Return the spec of a model that only models.lock describes.

    Raises:
        PatinaError: The record does not describe it.
    """
    scope, name = split_key(key)
    pooling = POOLINGS.get(record.pooling or "")
    if pooling is None or record.max_tokens is None:
        raise PatinaError(f"{lock}: [{key_name(key)}] does not say its pooling and max_tokens: add the model again")
    prefixes = (record.query_prefix, record.passage_prefix)
    return ModelSpec(name, record.dimensions, record.max_tokens, pooling, *prefixes, scope=scope)


def plugin_problems() -> tuple[str, ...]:
    """Return a sentence for each model of an installed package that is left out."""
    return _plugged()[1]


@cache
def _plugged() -> tuple[Mapping[str, RegistryEntry], tuple[str, ...]]:
    return models_of_packages(_shipped().values())


@cache
def _shipped() -> Mapping[str, RegistryEntry]:
    document = tomllib.loads(files("patina_resources.models").joinpath(SHIPPED).read_text("utf-8"))
    return {
        name: table_entry(name, checked_table(table, name, shipped=True), SHIPPED, None)
        for name, table in document["models"].items()
    }


def _is_ours(path: Path) -> bool:
    """Return whether a file is this user's, wherever it lies."""
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _read_user(
    path: Path,
    entries: RegistryEntries,
    added: Mapping[str, RegistryEntry],
    settings: Settings,
    free: TakenNames | None,
) -> None:
    """Put what a `registry.toml` says into entries and settings; with `free`, it must not use names that are taken."""
    document = _user_document(path)
    for written, said in read_document(_FILE, document).get("models", {}).items():
        name = table_name(written, str(path))
        base = entries.get(name) or added.get(name)
        with faults_named(document):
            values = {**settings.get(name, {}), **checked_table(said, written)}
        if is_hub_name(name) and base is None and not values.keys() >= REQUIRED:
            settings[name] = values
            continue
        if free is not None:
            free.check((name, *values.get("aliases", ())), str(path), "the registry of somebody else's mothership")
        entries[name] = table_entry(name, values, str(path), base)


def _with_project(known: Registry, project: Project, scope: str, described: Mapping[str, Recorded]) -> Registry:
    """Return the registry with a project's own models beside those that are known without it."""
    where = str(project.config_file)
    entries, added, settings = dict(known.entries), dict(known.added), dict(known.settings)
    taken, own_names = _taken(known), set()
    for written, said in project.config.models.items():
        name = table_name(written, where)
        with faults_named(_config_document(project)):
            values = checked_table(said, written)
        if says_the_same(name, values, _said_of(known, name)):
            continue
        names = (name, *values.get("aliases", ()))
        taken.check(names, where, "a project")
        taken.take(names, where)
        own_names.add(name)
        recorded = described.get(model_key(name, scope))
        if is_hub_name(name) and not values.keys() >= REQUIRED:
            settings[name] = values
            added |= {} if recorded is None else {name: _added(model_key(name, scope), recorded)}
        else:
            entries[name] = table_entry(name, values, where, None, scope)
    return Registry(entries, added, settings, scope, frozenset(own_names), known.plugged)


def _taken(known: Registry) -> TakenNames:
    taken = TakenNames(_shipped().values())
    for entry in (*known.entries.values(), *known.added.values(), *known.plugged().values()):
        if entry.origin != SHIPPED:
            taken.take((entry.spec.name, *entry.aliases), entry.origin)
    for name in known.settings:
        taken.take((name,), "your registry.toml")
    return taken


def _said_of(known: Registry, name: str) -> Mapping[str, Any]:
    entry = known.entries.get(name) or known.added.get(name)
    return known.settings.get(name, {}) if entry is None else vars(entry.spec)


def _user_document(path: Path) -> Document:
    try:
        return read_toml(path)
    except FileNotFoundError:
        return Document(path, "TOML", {}, dict)


def _config_document(project: Project) -> Document:
    """Return the document that a project's tables come from; it is read again only where a line in it is asked for."""
    path = project.config_file
    return Document(path, "TOML", {"models": project.config.models}, lambda: _user_document(path).lines)


def _added(key: str, recorded: Recorded) -> RegistryEntry:
    name = split_key(key)[1]
    lock = recorded.store.models_lock
    hub = hub_reference(reference_of(name)) if is_hub_name(name) else None
    return RegistryEntry(spec_of_record(key, recorded.record, lock), "added by you", hub=hub, origin=str(lock))


def _check_aliases(entries: Mapping[str, RegistryEntry]) -> None:
    owners = {name.lower(): name for name in entries}
    for name, entry in entries.items():
        for alias in entry.aliases:
            owner = owners.setdefault(alias, name)
            if owner != name:
                raise PatinaError(
                    f"{entry.origin}: [models.{key_name(name)}] alias {shown(alias)} already means {owner}"
                )
