"""What the user says of a project, outside of it: `config.toml` in the user's own folder, and the environment.

A repository cannot say these things: they choose places outside of it, and who is told what happens here.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from patina_resources.documents.checks import (
    SHORT_TEXT,
    SWITCH,
    Check,
    read_document,
    record,
    short_list_of,
    table,
    table_of,
    whole,
)
from patina_resources.documents.toml_file import read_toml
from patina_resources.errors import PatinaError, shown_path

EVENTLOG_VARIABLE = "PATINA_EVENTLOG"
DATA_VARIABLE = "PATINA_DATA"
_PLACE = Check(
    "an absolute path",
    lambda value: isinstance(value, str) and value[:1] == "/" and "\0" not in value,
    convert=lambda value, _: Path(value),
)
_WEBHOOK = Check(
    "a URL that starts with https:// or http://",
    lambda value: isinstance(value, str) and value.startswith(("https://", "http://")) and value.isprintable(),
    secret=True,
)
_DSN = Check(
    "an address of Postgres, such as postgresql://reader@host/patina",
    lambda value: isinstance(value, str) and bool(value) and value.isprintable(),
    secret=True,
)
_HEADER = Check(
    "the name of a header, such as X-Forwarded-Groups",
    lambda value: isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,99}", value) is not None,
)
_SECRET = Check(
    "a secret of 32 to 200 letters and digits, such as `openssl rand -hex 32` gives",
    lambda value: isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{32,200}", value) is not None,
    secret=True,
)
# Links of what may be clicked: never one that a browser runs, or takes for a page.
EDITORS = {
    "vscode": "vscode://file{path}:{line}",
    "vscodium": "vscodium://file{path}:{line}",
    "cursor": "cursor://file{path}:{line}",
    "zed": "zed://file{path}:{line}",
    "idea": "idea://open?file={path}&line={line}",
}
_RUN_BY_BROWSERS = ("javascript:", "data:", "vbscript:", "blob:", "file:", "http:", "https:")
_EDITOR = Check(
    f"one of {', '.join(EDITORS)}, or a link with {{path}} in it, such as {EDITORS['vscode']}",
    lambda value: isinstance(value, str) and (value in EDITORS or _is_link(value)),
    convert=lambda value, _: EDITORS.get(value, value),
)
_PLACES = table(
    {"data": _PLACE, "eventlog": _PLACE, "webhook": _WEBHOOK, "push": SWITCH},
    then=lambda values: ProjectPlaces(**values),
)


@dataclass(frozen=True)
class CacheSettings:
    """A cache that a team shares: `[cache]`.

    Attributes:
        url: Where it is.
        keys: Public keys of those whose records are accepted.
        loopback_http: Whether `http://` is allowed on this machine, for tests.
        timeout_seconds: How long an answer is waited for.
    """

    url: Annotated[str, SHORT_TEXT]
    keys: Annotated[tuple[str, ...], short_list_of(SHORT_TEXT)] = ()
    loopback_http: Annotated[bool, SWITCH] = False
    timeout_seconds: Annotated[int, whole(1, 600)] = 20


@dataclass(frozen=True)
class FleetAccess:
    """What the user says of the fleet: `[fleet]`.

    Attributes:
        projects: Folders of projects, or patterns of such.
        dsn: Where the Postgres of the fleet is; it may hold a password. None for none.
        groups: The groups that the user asks as.
        groups_header: The header in which the proxy of `patina fleet serve` says the groups of who asks.
        proxy_secret: What that proxy sends to show that it is the proxy.
    """

    projects: Annotated[tuple[str, ...], short_list_of(SHORT_TEXT)] = ()
    dsn: Annotated[str | None, _DSN] = None
    groups: Annotated[tuple[str, ...], short_list_of(SHORT_TEXT)] = ()
    groups_header: Annotated[str, _HEADER] = "X-Forwarded-Groups"
    proxy_secret: Annotated[str | None, _SECRET] = None


_FILE = table(
    {
        "automation": table({"webhook": _WEBHOOK}),
        "cache": record(CacheSettings),
        "editor": table({"link": _EDITOR}),
        "fleet": record(FleetAccess),
        "notes": table({"from_page": SWITCH}),
        "projects": table_of(_PLACES, 'tables such as [projects."/path/of/project"]'),
    }
)


@dataclass(frozen=True)
class ProjectPlaces:
    """Places of one project that the user has chosen.

    Attributes:
        data: The data folder; None for `.patina/data`.
        eventlog: The eventlog; None for what the project says.
        webhook: An http(s) URL that is told of failed runs; None for none. It holds the right to post there.
        push: Whether what is built is offered to the team's cache without being asked.
    """

    data: Path | None = None
    eventlog: Path | None = None
    webhook: str | None = None
    push: bool = False


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
    chosen = _chosen(settings, root.resolve())
    data, eventlog = _absolute(DATA_VARIABLE), _absolute(EVENTLOG_VARIABLE)
    return replace(
        chosen,
        data=data / project_id if data is not None else chosen.data,
        eventlog=eventlog if eventlog is not None else chosen.eventlog,
    )


def editor_link(settings: Path) -> str:
    """Return the link that opens a file in the user's editor, with `{path}` and `{line}` in it.

    Args:
        settings: The user's `config.toml`; it need not exist.

    Raises:
        PatinaError: The file is not TOML, or says something else than it may.
    """
    return str(_read(settings).get("editor", {}).get("link", EDITORS["vscode"]))


def notes_from_page(settings: Path) -> bool:
    """Return whether `patina ui` writes notes: `[notes] from_page`, off where it is not said.

    Raises:
        PatinaError: The file is not TOML, or says something else than it may.
    """
    return bool(_read(settings).get("notes", {}).get("from_page", False))


def _is_link(value: str) -> bool:
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,40}:", value)
    return (
        scheme is not None
        and scheme[0].lower() not in _RUN_BY_BROWSERS
        and "{path}" in value
        and value.isprintable()
        and " " not in value
    )


def user_cache(settings: Path) -> CacheSettings | None:
    """Return the cache that the user has chosen for all projects; None for none.

    Raises:
        PatinaError: The file is not TOML, or says something else than it may.
    """
    found: CacheSettings | None = _read(settings).get("cache")
    return found


def fleet_patterns(settings: Path) -> tuple[str, ...]:
    """Return `[fleet] projects`: folders of projects, or patterns of such.

    Raises:
        PatinaError: The file is not TOML, or says something else than it may.
    """
    return fleet_access(settings).projects


def fleet_access(settings: Path) -> FleetAccess:
    """Return what the user says of the fleet.

    Raises:
        PatinaError: The file is not TOML, or says something else than it may.
    """
    found: FleetAccess = _read(settings).get("fleet", FleetAccess())
    return found


def _read(settings: Path) -> dict[str, Any]:
    try:
        return dict(read_document(_FILE, read_toml(settings)))
    except FileNotFoundError:
        return {}


def _chosen(settings: Path, root: Path) -> ProjectPlaces:
    values = _read(settings)
    named = values.get("projects", {}).items()
    chosen = next((places for name, places in named if _is_place(name, root)), NOT_CHOSEN)
    return replace(chosen, webhook=chosen.webhook or values.get("automation", {}).get("webhook"))


def _is_place(name: str, place: Path) -> bool:
    return name.startswith("/") and "\0" not in name and Path(name).resolve() == place


def _absolute(variable: str) -> Path | None:
    value = os.environ.get(variable)
    if not value:
        return None
    if "\0" in value:
        raise PatinaError(f"{variable}: expected a path, got {shown_path(value)}")
    return Path(value).absolute()
