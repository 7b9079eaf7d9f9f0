"""What the user says of a project, outside of it: `config.toml` in the user's own folder, and the environment.

A repository cannot say these things: they choose places outside of it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.store.text_file import read_toml

EVENTLOG_VARIABLE = "PATINA_EVENTLOG"
DATA_VARIABLE = "PATINA_DATA"
KEYS = ("data", "eventlog")


@dataclass(frozen=True)
class ProjectPlaces:
    """Places of one project that the user has chosen.

    Attributes:
        data: The data folder; None for `.patina/data`.
        eventlog: The eventlog; None for what the project says.
    """

    data: Path | None = None
    eventlog: Path | None = None


NOT_CHOSEN = ProjectPlaces()


def project_places(settings: Path, root: Path, project_id: str) -> ProjectPlaces:
    """Return the places that the user has chosen for a project: the environment's, else those of the settings file.

    Args:
        settings: The user's `config.toml`; it need not exist.
        root: The project's root.
        project_id: Name of its folder below `PATINA_DATA`.

    Raises:
        PatinaError: The file is not TOML, or says something else than it may.
    """
    table = _table(settings, root)
    data, eventlog = os.environ.get(DATA_VARIABLE), os.environ.get(EVENTLOG_VARIABLE)
    return ProjectPlaces(
        _absolute(data, DATA_VARIABLE) / project_id if data else _optional(table.get("data"), f"{settings}: data"),
        _absolute(eventlog, EVENTLOG_VARIABLE)
        if eventlog
        else _optional(table.get("eventlog"), f"{settings}: eventlog"),
    )


def _table(settings: Path, root: Path) -> Mapping[str, Any]:
    try:
        document = read_toml(settings)
    except FileNotFoundError:
        return {}
    _only(document, ("projects",), f"{settings}: unknown section")
    projects = document.get("projects", {})
    if not isinstance(projects, dict):
        raise PatinaError(f'{settings}: projects: expected tables such as [projects."/path/of/project"]')
    for name, table in projects.items():
        if not isinstance(table, dict):
            raise PatinaError(f"{settings}: [projects] {shown(name)}: expected a table, got {shown(table)}")
        _only(table, KEYS, f"{settings}: [projects.{shown(name)}] unknown key")
        for key, value in table.items():
            if not isinstance(value, str) or not value:
                raise PatinaError(f"{settings}: [projects.{shown(name)}] {key}: expected a path, got {shown(value)}")
    place = root.resolve()
    return next((table for name, table in projects.items() if _is_place(name, place)), {})


def _is_place(name: str, place: Path) -> bool:
    return name.startswith("/") and "\0" not in name and Path(name).resolve() == place


def _only(table: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    for key in table:
        if key not in known:
            raise PatinaError(f"{what} {shown(key)}{did_you_mean(key, known)}: expected {' or '.join(known)}")


def _optional(value: str | None, where: str) -> Path | None:
    if value is None:
        return None
    path = Path(value)
    if not path.is_absolute() or "\0" in value:
        raise PatinaError(f"{where}: expected an absolute path, got {shown(value)}")
    return path


def _absolute(value: str, variable: str) -> Path:
    if "\0" in value:
        raise PatinaError(f"{variable}: expected a path, got {shown(value)}")
    return Path(value).absolute()
