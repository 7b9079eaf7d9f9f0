"""Who calls whom, as far as the names in a file say it for certain. Pure.

A callee is a name in a caller's file. What it means is told here only where nothing else can be meant: a definition in
that file, a method of the caller's own class behind `self`, or a name that the file imports, or that its language sees
without an import. A method of an object whose type is not known is left out.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from patina_assets.pairs.code_text import normal_path
from patina_assets.pairs.functions import FUNCTIONS, IMPORTS, TYPES
from patina_assets.pairs.types.caller_callee import CALL_GRAPH
from patina_resources.eventlog.reader import Row

SOURCES = (CALL_GRAPH, FUNCTIONS, IMPORTS, TYPES)
OWN = frozenset({"self", "Self", "this", "cls", "@"})
# Where a name of the folder, or of the whole program, needs no import.
SEES_FOLDER = frozenset({".go", ".java", ".cs"})
SEES_ALL = frozenset({".c", ".h", ".cc", ".cpp", ".hpp"})
# Where a plain name in a method is that of another method of its type before anything else.
SEES_OWN_TYPE = frozenset({".java", ".cs", ".cc", ".cpp", ".hpp", ".h"})
# Parts of an import's path that are no names of a package, folder or file.
PLACES_OF_IMPORT = frozenset({"", "crate", "self", "super", "js", "mjs", "cjs", "ts", "jsx", "tsx"})
ALL_NAMES = "*"
_JOINTS = re.compile(r"::|[./]")


@dataclass(frozen=True, order=True)
class Definition:
    """A function or type.

    Attributes:
        file: Its path.
        name: Its qualified name.
        line: Its first line, where that is known.
    """

    file: str
    name: str
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Calls:
    """What a function calls, and what calls it, sorted."""

    callees: tuple[Definition, ...]
    callers: tuple[Definition, ...]


def calls_of(rows: Mapping[str, Sequence[Row]], of: Definition) -> Calls:
    """Return the calls of one function or type.

    Args:
        rows: The rows of `SOURCES`.
        of: The function or type.
    """
    known = _KnownDefinitions(
        (Definition(row[0], row[1]) for row in (*rows[FUNCTIONS.name], *rows[TYPES.name])), rows[IMPORTS.name]
    )
    last = _parts(of.name)[-1]
    callees, callers = set(), set()
    for file, name, callee in rows[CALL_GRAPH.name]:
        caller = Definition(normal_path(file), name)
        if caller != of and last not in callee:
            continue
        target = known.target(caller, callee)
        if target is not None and target != caller:
            if caller == of:
                callees.add(target)
            if target == of:
                callers.add(caller)
    return Calls(tuple(sorted(callees)), tuple(sorted(callers)))


class _KnownDefinitions:
    """The definitions of a project by the last part of their names, and what each file imports."""

    def __init__(self, definitions: Iterable[Definition], imports: Iterable[Row]) -> None:
        self._by_last: dict[str, list[Definition]] = defaultdict(list)
        for definition in sorted(set(definitions)):
            self._by_last[_parts(definition.name)[-1]].append(definition)
        self._imports: dict[tuple[str, str], list[str]] = defaultdict(list)
        for file, path, name in imports:
            self._imports[normal_path(file), name].append(path)

    def target(self, caller: Definition, callee: str) -> Definition | None:
        """Return what a callee means in its caller's file; None where that is not certain."""
        if "(" in callee or "[" in callee:  # a method of what another call returns
            return None
        parts = _parts(callee)
        named = self._by_last.get(parts[-1], [])
        if parts[0] in OWN and len(parts) > 1:
            return _of_own_type(caller, named) if len(parts) == 2 else None
        plain = len(parts) == 1
        if plain and PurePosixPath(caller.file).suffix.lower() in SEES_OWN_TYPE:
            own = _of_own_type(caller, named)
            if own is not None:
                return own
        fitting = [found for found in named if (found.name == callee if plain else _is_in(found, parts[-2]))]
        here = [found for found in fitting if found.file == caller.file]
        found = _only(here) or _only(fitting)
        return found if found is not None and self._is_seen(caller.file, parts[-1 if plain else -2], found) else None

    def _is_seen(self, file: str, name: str, found: Definition) -> bool:
        """Return whether a name in a file, plain or before the last one, can be that of a definition."""
        suffix = PurePosixPath(file).suffix.lower()
        if found.file == file or suffix in SEES_ALL:
            return True
        if suffix in SEES_FOLDER and PurePosixPath(file).parent == PurePosixPath(found.file).parent:
            return True
        paths = (*self._imports.get((file, name), ()), *self._imports.get((file, ALL_NAMES), ()))
        return any(_leads_to(path, name, found.file) for path in paths)


def _leads_to(imported: str, name: str, file: str) -> bool:
    """Return whether the path of an import is one of this project that may lead to a name in a file of it."""
    if file.endswith(".go"):  # the paths of modules begin with a host
        return "." in imported.split("/")[0] and imported.rsplit("/", 1)[-1] == PurePosixPath(file).parent.name
    there = {*_JOINTS.split(file), name, ALL_NAMES}
    return all(part in there or part in PLACES_OF_IMPORT for part in _JOINTS.split(imported))


def _of_own_type(caller: Definition, named: Sequence[Definition]) -> Definition | None:
    """Return the method of the innermost type around a caller; of older scans, that of its file."""
    here = {tuple(_parts(found.name)): found for found in named if found.file == caller.file}
    owner = _parts(caller.name)[:-1]
    for depth in range(len(owner), 0, -1):
        found = next((found for parts, found in here.items() if list(parts[:-1]) == owner[:depth]), None)
        if found is not None:
            return found
    return _only([found for parts, found in here.items() if len(parts) == 1]) if not owner else None


def _is_in(found: Definition, qualifier: str) -> bool:
    """Return whether a definition is one of a type, or of a file or folder, of a name."""
    parts = _parts(found.name)
    if len(parts) > 1:
        return parts[-2] == qualifier
    path = PurePosixPath(found.file)
    return qualifier in {path.stem, path.parent.name}


def _parts(name: str) -> list[str]:
    return name.replace("::", ".").split(".")


def _only(found: Sequence[Definition]) -> Definition | None:
    return found[0] if len(found) == 1 else None
