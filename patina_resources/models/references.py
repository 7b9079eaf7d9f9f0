"""How base models are named: in recipes and commands, as folders, and as keys of the cache and models.lock."""

import re

from patina_resources.errors import PatinaError, shown, shown_path

HUB_PREFIX = "hf:"
HUB_FOLDER_PREFIX = "hf--"
# Joins names in a recipe: models side by side. No name of a model may hold it.
JOINT = "+"
# Stands before the name of a project's own model wherever models are listed.
PROJECT_PREFIX = "project/"
LONGEST_FOLDER_NAME = 200
# Hub names never contain two dashes in a row, so a repository's folder name leads back to the repository.
_HUB_PART = r"(?!.*(?:\.\.|--))[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_HUB_NAME = re.compile(rf"({_HUB_PART})/({_HUB_PART})(?:@([A-Za-z0-9][A-Za-z0-9._-]{{0,79}}))?")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
# Names that Windows gives to devices, in every folder and with every ending.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def check_model_name(name: str, where: str = "model name") -> str:
    """Return `name` if it can name a model and its folder: letters, digits, dots, dashes, underscores.

    Raises:
        PatinaError: It cannot (a path, `..`, an empty or over-long name).
    """
    if _PLAIN_NAME.fullmatch(name) and ".." not in name and not _DEVICE.fullmatch(name):
        return name
    if JOINT in name:
        raise PatinaError(
            f"{where}: {shown_path(name)} cannot name a model: '{JOINT}' joins models in `embedding_model`, so name "
            "one of them"
        )
    raise PatinaError(
        f"{where}: {shown(name)} cannot name a model: expected at most 64 letters, digits, dots, dashes or "
        f"underscores that name no device, or {HUB_PREFIX}org/name[@revision]"
    )


def hub_parts(reference: str) -> tuple[str, str | None]:
    """Return the repository (`org/name`) and revision, None where none is named, of `hf:org/name[@revision]`.

    Raises:
        PatinaError: It has another form.
    """
    match = _HUB_NAME.fullmatch(reference.removeprefix(HUB_PREFIX))
    if match is None or len(reference) > LONGEST_FOLDER_NAME:
        raise PatinaError(f"model name: {shown(reference)} is not a hub repository: expected hf:org/name[@revision]")
    organisation, repository, revision = match.groups()
    return f"{organisation}/{repository}", revision


def folder_name_of(reference: str) -> str:
    """Return the name that `hf:org/name[@revision]` has as a folder: `hf--org--name[@revision]`."""
    hub_parts(reference)
    return HUB_FOLDER_PREFIX + reference.removeprefix(HUB_PREFIX).replace("/", "--", 1)


def reference_of(name: str) -> str:
    """Return how a recipe names the model of that folder name (the inverse of `folder_name_of`)."""
    if not name.startswith(HUB_FOLDER_PREFIX):
        return name
    return HUB_PREFIX + name.removeprefix(HUB_FOLDER_PREFIX).replace("--", "/", 1)


def is_hub_name(name: str) -> bool:
    """Return whether a name, or a folder name, is that of a hub repository."""
    return name.startswith((HUB_PREFIX, HUB_FOLDER_PREFIX))


def model_key(name: str, scope: str) -> str:
    """Return how the cache and models.lock name a model: no plain name holds the slash of a project's."""
    return f"{scope}/{name}" if scope else name


def split_key(key: str) -> tuple[str, str]:
    """Return scope (empty where no project defines it) and name of a model's key."""
    scope, _, name = key.rpartition("/")
    return scope, name


def shown_key(key: str) -> str:
    """Return how a model is called in lists: as a recipe names it, behind `project/` where a project defines it."""
    scope, name = split_key(key)
    return (PROJECT_PREFIX if scope else "") + reference_of(name)
