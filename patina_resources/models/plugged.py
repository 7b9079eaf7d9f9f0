"""Base models that installed packages bring: entry points of the group `patina.models`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from patina_resources.errors import PatinaError
from patina_resources.models.names import TakenNames
from patina_resources.models.references import check_model_name
from patina_resources.models.registry import RegistryEntry
from patina_resources.plugins import broken, plugins

GROUP = "patina.models"


def models_of_packages(shipped: Iterable[RegistryEntry]) -> tuple[Mapping[str, RegistryEntry], tuple[str, ...]]:
    """Return the models of installed packages by name, and a sentence for each that is left out.

    Args:
        shipped: The models that this program names: a package adds, and redefines none of them.
    """
    installed = plugins(GROUP)
    taken = TakenNames(shipped)
    found: dict[str, RegistryEntry] = {}
    problems = list(installed.problems)
    for plugin in installed.found:
        try:
            entry = _checked(plugin.value, plugin.origin)
            taken.check((entry.spec.name,), plugin.origin, "a package")
        except PatinaError as error:
            problems.append(broken(plugin.name, plugin.origin, str(error)))
        else:
            taken.take((entry.spec.name,), plugin.origin)
            found[entry.spec.name] = entry
    return found, tuple(problems)


def _checked(value: object, origin: str) -> RegistryEntry:
    """Return the entry that a plugin gives, with its origin.

    Raises:
        PatinaError: It is none, its name cannot name a model, or it says where no files are.
    """
    if not isinstance(value, RegistryEntry):
        raise PatinaError(f"expected a RegistryEntry, got {type(value).__name__}")
    check_model_name(value.spec.name)
    if value.hub is None and (value.shipped is None or value.folder is None):
        raise PatinaError(f"{value.spec.name}: names neither a hub repository, nor a folder with pinned files")
    return replace(value, origin=origin, aliases=(), package=None, spec=replace(value.spec, scope=""))
