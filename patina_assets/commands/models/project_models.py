"""The models that projects name: which are missing, and by whose word they are downloaded.

A recipe and a config.toml come from a repository. They choose a model, and may say where it is to be had; the network
is asked only by its user's word. `--yes` is that word for places that the registry names, or that the user has agreed
to before; for places that only the project names, it takes `patina model add`.
"""

from collections.abc import Iterable
from pathlib import Path

from patina_assets.pairs.types import pair_types_by_source
from patina_assets.recipe.reader import read_recipe
from patina_assets.search.base_model import OLD_MODELS, model_name
from patina_assets.terminal.questions import confirm, say_on_stderr
from patina_resources.embedding.side_by_side import part_names, resolve_base
from patina_resources.errors import PatinaError
from patina_resources.models.add.add import add_model
from patina_resources.models.provenance import came_from
from patina_resources.models.references import JOINT, folder_name_of, is_hub_name, reference_of
from patina_resources.models.registry import CORPUS_STATIC, HubSource, Registry, RegistryEntry, hub_reference
from patina_resources.models.registry_files import load_registry
from patina_resources.models.status import missing_shipped, model_row
from patina_resources.models.stores import find_record
from patina_resources.project.known_projects import known_projects
from patina_resources.project.project import Project, find_project
from patina_resources.store.mothership import Mothership, mothership


def missing_models(project: Project, name: str) -> list[str]:
    """Return which of the models side by side that a project names have to be downloaded, as far as file sizes tell."""
    home = mothership()
    registry = load_registry(home, project)
    return [part for part in part_names(name) if not _is_here(home, registry, part)]


def add_missing(project: Project, name: str) -> None:
    """Bring the missing ones of the models that a project names into the cache, as far as `--yes` is a word for that.

    Raises:
        PatinaError: A model is not known, could not be added, or only the project says where it is to be had.
    """
    home = mothership()
    registry = load_registry(home, project)
    for part in missing_models(project, name):
        entry = _entry(registry, part)
        if entry is not None and _hub(entry, part) is None and entry.package is None:
            continue  # there is nowhere to download it from: what is missing is said where it is looked for
        place = place_named_by_project(registry, part)
        if place is not None and not _was_added_from(home, registry, part):
            raise PatinaError(
                f"model {part} is not in the cache: this project, not the registry, says to download it from {place}, "
                f"and `--yes` does not answer for that: run `patina model add {part}`"
            )
        add_model(home, registry, part, say=say_on_stderr, same_bytes=place is not None)


def add_shipped(project: Project, names: Iterable[str]) -> None:
    """Bring models that come with Patina into the cache.

    Raises:
        PatinaError: The installation is damaged, or the cache cannot be written.
    """
    home = mothership()
    registry = load_registry(home, project)
    for name in names:
        add_model(home, registry, name, say=say_on_stderr)


def offer_missing(project: Project, name: str, *, is_needed: bool) -> None:
    """Ask for each missing model that a project names whether to add it, and name the command where it stays missing.

    Args:
        project: The project.
        name: The model, or those side by side.
        is_needed: Whether a build follows, which needs them all.

    Raises:
        PatinaError: A model could not be added, or stays missing and is needed.
    """
    home = mothership()
    registry = load_registry(home, project)
    add_shipped(project, missing_shipped(home, registry, name))
    for part in missing_models(project, name):
        place = place_named_by_project(registry, part)
        if confirm(question(project, part, place), default=place is None):
            add_model(home, registry, part, say=say_on_stderr)
    missing = missing_models(project, name)
    tell_unused_folders(project, name)
    if missing and is_needed:
        commands = ", ".join(f"`patina model add {part}`" for part in missing)
        are = "is" if len(missing) == 1 else "are"
        raise PatinaError(f"{' and '.join(missing)} {are} not in the cache: run {commands}, then `patina init`")
    for part in missing:
        say_on_stderr(f"{part} is not in the cache: run `patina model add {part}`")


def question(project: Project, name: str, place: str | None) -> str:
    """Return what is asked before a model is downloaded: where from, where the project and not the registry says so."""
    if place is None:
        return f"{name} is not in the cache: add it now?"
    return f"{name} is not in the cache: {project.root}, not the registry, says to download it from {place}: do so?"


def known_models() -> list[str]:
    """Return the names of the models that can be named here."""
    try:
        project = find_project()
    except PatinaError:
        project = None
    return sorted(load_registry(mothership(), project).entries)


def place_named_by_project(registry: Registry, name: str) -> str | None:
    """Return the place that only a project names for a model; None where the registry or its user names one."""
    entry = _entry(registry, name)
    hub = _hub(entry, name)
    known = entry.spec.name if entry is not None else folder_name_of(reference_of(name)) if is_hub_name(name) else name
    if hub is None or (known not in registry.own_names and (known in registry.entries or known in registry.settings)):
        return None
    return f"the hub repository {hub.repository}" + (f"@{hub.revision}" if hub.revision else "")


def tell_unused_folders(project: Project, name: str) -> None:
    """Say so where a repository brings files of a missing model: they are taken by the user's word only."""
    for part in missing_models(project, name):
        folder = project.root / OLD_MODELS / part
        if not is_hub_name(part) and folder.is_dir():
            say_on_stderr(
                f"{folder} comes with the repository, so it is not used as {part} without your word: "
                f"`patina model add {part} --from {folder}` takes it"
            )


def project_models(home: Mothership) -> list[tuple[Path, str]]:
    """Return every known project that still exists, and the model that it names ("" where that cannot be read)."""
    found: list[tuple[Path, str]] = []
    for root in known_projects(home):
        try:
            project = find_project(root)
            if project.root != root:
                continue
            recipe = read_recipe(project.recipe, pair_types_by_source())
            found.append((root, model_name(recipe, project)))
        except PatinaError:
            if (root / ".patina").is_dir():
                found.append((root, ""))
    return found


def uses(home: Mothership, root: Path, used: str, key: str) -> bool:
    """Return whether what a project names means the model of that key, alone or beside others."""
    try:
        base = resolve_base(load_registry(home, find_project(root)), used)
    except PatinaError:
        return key in used.split(JOINT)
    return any(part.key == key for part in base.parts)


def _entry(registry: Registry, name: str) -> RegistryEntry | None:
    try:
        return registry.entry(name)
    except PatinaError:
        return None


def _hub(entry: RegistryEntry | None, name: str) -> HubSource | None:
    if is_hub_name(name):
        return hub_reference(reference_of(name))
    return None if entry is None else entry.hub


def _is_here(home: Mothership, registry: Registry, name: str) -> bool:
    try:
        is_embedded = name == CORPUS_STATIC or registry.entry(name).shipped is not None
        return is_embedded or not model_row(home, registry, name).command
    except PatinaError:
        return False


def _was_added_from(home: Mothership, registry: Registry, name: str) -> bool:
    """Return whether the user has added a model before, from the repository that is named for it now."""
    entry = _entry(registry, name)
    hub, found = _hub(entry, name), None if entry is None else find_record(home, entry.spec.key)
    return hub is not None and found is not None and came_from(hub, found.record)
