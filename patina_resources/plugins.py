"""What other distributions add: entry points of installed packages (*Entry points specification* of the PyPA).

A plugin is a program that the user installed beside this one, and is trusted like it. Nothing that lies anywhere else
is one: not in the working folder, and not in a repository, whatever is on Python's path.
"""

import site
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

GROUPS = ("patina.item_sources", "patina.languages", "patina.models", "patina.pair_types")


@dataclass(frozen=True)
class Plugin:
    """What one entry point gives.

    Attributes:
        name: Name of the entry point.
        origin: The distribution and its version, such as `patina-starlark 1.0`: what it gives may change with that.
        value: The object that it names.
    """

    name: str
    origin: str
    value: object


@dataclass(frozen=True)
class Plugins:
    """What is installed for one group.

    Attributes:
        found: Those that could be loaded, by distribution and name.
        problems: A sentence for each that could not.
    """

    found: tuple[Plugin, ...]
    problems: tuple[str, ...]


@cache
def plugins(group: str) -> Plugins:
    """Return the plugins of a group, loaded once for each process. Who asks first waits for their imports.

    Args:
        group: One of `GROUPS`.
    """
    from importlib.metadata import distributions  # where nobody asks for plugins, nobody waits for it

    found: list[Plugin] = []
    problems: list[str] = []
    for distribution in distributions(path=_installed_places()):
        origin, entries, reason = _entries_of(distribution, group)
        if reason:
            problems.append(broken("entry_points.txt", origin, reason))
        for entry in entries:
            try:
                found.append(Plugin(entry.name, origin, entry.load()))
            except (Exception, SystemExit) as error:  # whatever the foreign program does when it is imported
                problems.append(broken(entry.name, origin, f"{type(error).__name__}: {error}"))
    return Plugins(tuple(sorted(found, key=lambda plugin: (plugin.origin, plugin.name))), tuple(sorted(problems)))


def broken(name: str, origin: str, reason: str) -> str:
    """Return the sentence about a plugin that cannot be used."""
    distribution = origin.partition(" ")[0]
    return f"the plugin {name} of {origin} is left out ({reason}): update it, or run `pip uninstall {distribution}`"


def _entries_of(distribution: "Distribution", group: str) -> tuple[str, list["EntryPoint"], str]:
    """Return name and version of a distribution, its plugins, and why these cannot be read.

    What is damaged, or was removed by half, and has no plugin is left out without a word.
    """
    try:
        entries, reason = [entry for entry in distribution.entry_points if entry.group == group], ""
    except Exception as error:  # its files say whatever they say
        has_plugin = group in (distribution.read_text("entry_points.txt") or "")
        entries, reason = [], f"{type(error).__name__}: {error}" if has_plugin else ""
    return f"{distribution.name} {distribution.version}" if entries or reason else "", entries, reason


def _installed_places() -> list[str]:
    """Return the folders that packages are installed in, of those that Python looks into."""
    places = {Path(place).resolve() for place in (*site.getsitepackages(), site.getusersitepackages())}
    return [entry for entry in sys.path if Path(entry).is_absolute() and Path(entry).resolve() in places]
