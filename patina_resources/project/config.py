"""What `.patina/config.toml` may say, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from patina_resources.devices import DEVICES, Device
from patina_resources.documents.checks import (
    ANYTHING,
    FILLED_TEXT,
    SHORT_TEXT,
    SWITCH,
    one_of,
    read_document,
    record,
    short_list_of,
    table,
    table_of,
    whole,
)
from patina_resources.documents.toml_file import read_toml
from patina_resources.errors import PatinaError

MODEL_TABLES = table_of(ANYTHING, "tables such as [models.my-model]")
DEFAULT_SESSION_GLOBS = ("layer/sessions/*.md",)
_SECONDS = whole(1, 86_400)


@dataclass(frozen=True)
class AutomationConfig:
    """What happens alone while `patina ui` runs: `[automation]` of config.toml.

    Attributes:
        sensor: Whether what went stale is rebuilt without being asked for.
        nightly: Whether the nightly schedule is on.
        cron: When it runs, as five fields of cron.
        timezone: The time zone of `cron` (IANA name).
        interval_seconds: How often the sensor looks.
        settle_seconds: How long nothing must have been written before a build starts.
        webhook: What the repository would like to be told of failed runs. It is not used: only the user may choose
            who is told (`ProjectPlaces.webhook`).
    """

    sensor: Annotated[bool, SWITCH] = True
    nightly: Annotated[bool, SWITCH] = True
    cron: Annotated[str, SHORT_TEXT] = "0 3 * * *"
    timezone: Annotated[str, SHORT_TEXT] = "UTC"
    interval_seconds: Annotated[int, _SECONDS] = 10
    settle_seconds: Annotated[int, _SECONDS] = 5
    webhook: Annotated[str | None, FILLED_TEXT._replace(secret=True)] = None


def _one_place(values: dict[str, Any]) -> dict[str, Any]:
    if values.keys() >= {"path", "url"}:
        raise PatinaError("has both path and url: keep one of them")
    return values


# Patina itself keeps settings of its own in this file: sections beside ours, and keys in the first two.
_FILE = table(
    {
        "project": table({"name": FILLED_TEXT}, foreign_keys=True),
        "embeddings": table(
            {"model": FILLED_TEXT, "reranker": FILLED_TEXT, "device": one_of(*DEVICES)}, foreign_keys=True
        ),
        "eventlog": table({"path": FILLED_TEXT, "url": FILLED_TEXT}, then=_one_place),
        "sessions": table({"globs": short_list_of(SHORT_TEXT)}),
        "code": table({"include": short_list_of(SHORT_TEXT)}),
        "automation": record(AutomationConfig),
        "cache": table({"url": SHORT_TEXT, "keys": short_list_of(SHORT_TEXT)}, foreign_keys=True),
        "models": MODEL_TABLES,
    },
    foreign_keys=True,
)


@dataclass(frozen=True)
class ProjectConfig:
    """What `.patina/config.toml` may say.

    Attributes:
        name: Name of the project, for display.
        embedding_model: `[embeddings] model`, or None.
        eventlog_path: `[eventlog] path`, relative to the project root, or None.
        eventlog_url: `[eventlog] url`, an SQLAlchemy SQLite URL, or None.
        session_globs: `[sessions] globs`: where session notes are, relative to the project root.
        code_include: `[code] include`: folders and files that are read although they look vendored or generated.
        models: `[models.NAME]` tables as they are written: additions to the model registry.
        automation: `[automation]`: sensor, schedule, notice of failures.
        cache_url: `[cache] url`: the team's cache that the project proposes; not used before the user confirms it.
        cache_keys: `[cache] keys`: the public keys that belong to it.
        reranker: `[embeddings] reranker`: a model that puts the first results into another order, or None.
        embedding_device: `[embeddings] device`: what runs the model over passages.
    """

    name: str | None = None
    embedding_model: str | None = None
    eventlog_path: str | None = None
    eventlog_url: str | None = None
    session_globs: tuple[str, ...] = DEFAULT_SESSION_GLOBS
    code_include: tuple[str, ...] = ()
    models: Mapping[str, Any] = field(default_factory=dict)
    automation: AutomationConfig = AutomationConfig()
    cache_url: str | None = None
    cache_keys: tuple[str, ...] = ()
    reranker: str | None = None
    embedding_device: Device = "cpu"


def read_config(path: Path) -> ProjectConfig:
    """Return our settings in `path`, or defaults where the file does not exist.

    Sections of other tools are left alone, unless their name looks like one of ours misspelt.

    Raises:
        PatinaError: The file cannot be read, is not TOML, or holds an unknown key or a wrong type.
    """
    try:
        values = read_document(_FILE, read_toml(path))
    except FileNotFoundError:
        return ProjectConfig()
    eventlog, cache = values.get("eventlog", {}), values.get("cache", {})
    return ProjectConfig(
        name=values.get("project", {}).get("name"),
        embedding_model=values.get("embeddings", {}).get("model"),
        embedding_device=values.get("embeddings", {}).get("device", "cpu"),
        eventlog_path=eventlog.get("path"),
        eventlog_url=eventlog.get("url"),
        session_globs=values.get("sessions", {}).get("globs", DEFAULT_SESSION_GLOBS),
        code_include=values.get("code", {}).get("include", ()),
        models=values.get("models", {}),
        automation=values.get("automation", AutomationConfig()),
        cache_url=cache.get("url"),
        cache_keys=cache.get("keys", ()),
        reranker=values.get("embeddings", {}).get("reranker"),
    )
