"""Reads fleet.toml: which repositories belong to a fleet, what is built of them, and who may see it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from patina_resources.documents.checks import (
    MOST_ENTRIES,
    PRINTABLE_LINE,
    SHORT_TEXT,
    SWITCH,
    Check,
    list_of,
    one_of,
    read_by,
    read_document,
    short_list_of,
    table,
    whole,
)
from patina_resources.documents.document import Document, Fault, Location
from patina_resources.documents.toml_file import read_toml
from patina_resources.errors import PatinaError
from patina_resources.fleet.address import checked_address, last_part
from patina_resources.fleet.listing import Listed, listed_in_file, listed_in_folder
from patina_resources.fleet.model import FETCH_SECONDS, FETCHES, Fleet, FleetProject, folder_name
from patina_resources.postgres.address import GROUP_CHARACTERS, is_group
from patina_resources.store.mothership import Mothership, expanded

FILE_VARIABLE = "PATINA_FLEET"
FILE_NAME = "fleet.toml"
MOST_PRIORITY = 100
_WORD = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}"
_NAME = Check(
    "a name of letters, digits and . _ - (words may be joined by /), at most 100 characters",
    lambda value: isinstance(value, str) and len(value) <= 100 and _is_name(value),
)
_GROUP = Check(f"names of groups ({GROUP_CHARACTERS})", lambda value: isinstance(value, str) and is_group(value))
_PRIORITY = Check(
    f"a whole number from -{MOST_PRIORITY} to {MOST_PRIORITY}",
    lambda value: type(value) is int and -MOST_PRIORITY <= value <= MOST_PRIORITY,
)
_CHOICES: Mapping[str, Check] = {
    "model": SHORT_TEXT,
    "recipe": SHORT_TEXT,
    "groups": short_list_of(_GROUP)._replace(expected=f"a list of at most {MOST_ENTRIES} {_GROUP.expected}"),
    "priority": _PRIORITY,
    "borrows": SWITCH,
}


def _one_address(values: dict[str, Any]) -> dict[str, Any]:
    if ("url" in values) == ("path" in values):
        raise PatinaError("expected either url or path")
    return values


_FILE = table(
    {
        "fleet": table(
            {
                "folder": SHORT_TEXT,
                "workers": whole(1, 256),
                "fetches": whole(1, 64),
                "fetch_seconds": whole(1, 86_400),
                "share": SWITCH,
            }
        ),
        "defaults": table(_CHOICES),
        "repositories": list_of(
            table(
                {"url": read_by(checked_address), "path": PRINTABLE_LINE, "name": _NAME, **_CHOICES}, then=_one_address
            ),
            "tables such as [[repositories]]",
        ),
        "folders": list_of(table({"path": PRINTABLE_LINE, **_CHOICES}, needed=("path",)), "tables such as [[folders]]"),
        "lists": list_of(
            table(
                {
                    "file": SHORT_TEXT,
                    "match": short_list_of(SHORT_TEXT),
                    "transport": one_of("https", "ssh"),
                    **_CHOICES,
                },
                needed=("file",),
            ),
            "tables such as [[lists]]",
        ),
    }
)


class _Entry(NamedTuple):
    location: Location
    listed: Listed
    values: Mapping[str, Any]


def fleet_file(chosen: Path | None, home: Mothership) -> Path:
    """Return which fleet.toml is meant: a chosen one, else PATINA_FLEET's, else the one in the user's own folder.

    One that lies in the working folder is not: a repository must not choose what is fetched.
    """
    named = os.environ.get(FILE_VARIABLE)
    return (chosen or (expanded(named, FILE_VARIABLE) if named else home.own / FILE_NAME)).absolute()


def read_fleet(path: Path, home: Mothership) -> Fleet:
    """Return the fleet that a file describes.

    Args:
        path: The fleet.toml.
        home: The user's mothership: `folder` is below it unless the file names another one.

    Raises:
        PatinaError: There is no such file, it cannot be read, or something in it is wrong, with file, line and key.
    """
    try:
        document = read_toml(path)
    except FileNotFoundError as error:
        raise PatinaError(f"{path}: no such file: run `patina fleet init`, or name it by {FILE_VARIABLE}") from error
    values: Mapping[str, Any] = read_document(_FILE, document)
    settings, defaults = values.get("fleet", {}), values.get("defaults", {})
    folder = _place(settings["folder"], path) if "folder" in settings else home.own / "fleet"
    if folder.exists() and not folder.is_dir():
        told = "what has this name is a file: expected a folder for clones and what is built of them"
        raise document.error(Fault("rule", ("fleet", "folder"), expected=told))
    entries = list(_entries(document, values))
    _refuse_equal_names(document, entries)
    projects = [_project(path, folder, entry, defaults) for entry in entries]
    return Fleet(
        path,
        folder,
        tuple(sorted(projects, key=lambda project: project.name)),
        settings.get("workers", max(1, (os.cpu_count() or 1) // 2)),
        settings.get("fetches", FETCHES),
        settings.get("fetch_seconds", FETCH_SECONDS),
        settings.get("share", False),
    )


def _entries(document: Document, values: Mapping[str, Any]) -> Iterator[_Entry]:
    for number, entry in enumerate(values.get("repositories", ())):
        address = entry.get("url") or str(_place(entry["path"], document.path))
        yield _Entry(("repositories", number), Listed(entry.get("name") or last_part(address), address), entry)
    for number, entry in enumerate(values.get("folders", ())):
        for listed in listed_in_folder(_place(entry["path"], document.path)):
            yield _Entry(("folders", number), listed, entry)
    for number, entry in enumerate(values.get("lists", ())):
        patterns: Sequence[str] = entry.get("match", ("*",))
        for listed in listed_in_file(_place(entry["file"], document.path), entry.get("transport", "https")):
            if any(fnmatchcase(listed.name, pattern) for pattern in patterns):
                yield _Entry(("lists", number), listed, entry)


def _project(path: Path, folder: Path, entry: _Entry, defaults: Mapping[str, Any]) -> FleetProject:
    chosen = {**defaults, **entry.values}
    return FleetProject(
        entry.listed.name,
        entry.listed.address,
        tuple(chosen.get("groups", ())),
        _place(chosen["recipe"], path) if "recipe" in chosen else None,
        chosen.get("model"),
        chosen.get("priority", 0),
        folder / "projects" / folder_name(entry.listed.name),
        chosen.get("borrows", False),
    )


def _refuse_equal_names(document: Document, entries: Sequence[_Entry]) -> None:
    """Raise where two repositories have one name, on a file system that takes `A` for `a`, too."""
    before: dict[str, _Entry] = {}
    for entry in entries:
        name = entry.listed.name
        other = before.setdefault(name.casefold(), entry)
        if other is not entry:
            line = document.line_of(other.location)
            way_out = "add name" if entry.location[0] == "repositories" else "name one of them by [[repositories]]"
            raise document.error(
                Fault(
                    "rule", entry.location, expected=f"{name!r} is the name of the one of line {line}, too: {way_out}"
                )
            )


def _place(text: str, file: Path) -> Path:
    """Return a path of the file: absolute, or from the file's folder."""
    return file.parent / expanded(text, str(file))


def _is_name(text: str) -> bool:
    return re.fullmatch(rf"{_WORD}(?:/{_WORD})*+", text, re.ASCII) is not None
