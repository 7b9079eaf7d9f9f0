"""Which names a project may give to its own models: none that means, or reads like, one that somebody else gave.

A name in the mothership means what the shipped registry or its user says. A project's `.patina/config.toml` comes from
a repository, so it only adds names, and those count in that project alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from patina_resources.documents.document import key_name
from patina_resources.errors import PatinaError
from patina_resources.models.references import HUB_PREFIX, folder_name_of, is_hub_name, reference_of
from patina_resources.models.registry import SPEC_KEYS, RegistryEntry

_ALIKE = str.maketrans("1i0", "llo", "_.-")


def folded(name: str) -> str:
    """Return what names have in common that mean one folder where case makes no difference."""
    return (folder_name_of(name) if name.startswith(HUB_PREFIX) else name).casefold()


def skeleton(name: str) -> str:
    """Return what names that read alike have in common.

    Case, separators, a hub repository's revision, and letters that look the same in many fonts make no difference.
    """
    return folded(name).partition("@")[0].translate(_ALIKE).replace("rn", "m")


class TakenNames:
    """The names that a file cannot give to a model, each with who gave it."""

    def __init__(self, shipped: Iterable[RegistryEntry]) -> None:
        """Take the names, aliases and hub repositories of shipped models, and all that reads like those."""
        self._alike: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        for entry in shipped:
            owner = f"{entry.spec.name} of the shipped registry"
            self._alike |= {skeleton(word): owner for word in (entry.spec.name, *entry.aliases)}
        for entry in shipped:
            if entry.hub is not None:
                owner = f"the hub repository of {entry.spec.name} in the shipped registry"
                self._alike.setdefault(skeleton(HUB_PREFIX + entry.hub.repository), owner)

    def take(self, names: Iterable[str], where: str) -> None:
        """Take the names of one more model, which `where` defines."""
        first, *_ = names = tuple(names)
        self._folded |= {folded(name): f"{reference_of(first)} of {where}" for name in names}

    def check(self, names: Iterable[str], where: str, who: str) -> None:
        """Check that a model's names are free.

        Args:
            names: Its name and its aliases.
            where: The file that defines it.
            who: Whose file that is, for the message.

        Raises:
            PatinaError: One of them is taken, or reads like a shipped one.
        """
        first, *_ = names = tuple(names)
        for name in names:
            owner = self._folded.get(folded(name)) or self._alike.get(skeleton(name))
            if owner is not None:
                alias = "" if name == first else f" alias {name!r}"
                raise PatinaError(
                    f"{where}: [models.{key_name(reference_of(first))}]{alias} means or reads like {owner}: {who} "
                    "cannot redefine that: give the model another name"
                )


def says_the_same(name: str, values: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Return whether a project's table of a hub repository says of it only what is known of it without the project.

    The name of a hub repository tells where its bytes come from, whoever writes it; such a table redefines nothing.
    """
    same = bool(known) and all(known.get(key) == value for key, value in values.items() if key in SPEC_KEYS)
    return is_hub_name(name) and same and not values.keys() & {"hub", "aliases"}
