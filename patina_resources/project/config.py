"""What `.patina/config.toml` may say, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.store.text_file import key_name, read_toml

CONFIG_KEYS: Mapping[str, frozenset[str]] = {
    "project": frozenset({"name"}),
    "embeddings": frozenset({"model"}),
    "eventlog": frozenset({"path", "url"}),
    "sessions": frozenset({"globs"}),
    "automation": frozenset({"sensor", "nightly", "cron", "timezone", "interval_seconds", "settle_seconds", "webhook"}),
}
TEXT, TEXTS, SWITCH = "a non-empty string", "a list of non-empty strings", "true or false"
SECONDS = "a whole number >= 1 and <= 86400"
# What a key's value is, where it is not a string.
EXPECTED: Mapping[tuple[str, str], str] = {
    ("sessions", "globs"): TEXTS,
    ("automation", "sensor"): SWITCH,
    ("automation", "nightly"): SWITCH,
    ("automation", "interval_seconds"): SECONDS,
    ("automation", "settle_seconds"): SECONDS,
}
DEFAULT_SESSION_GLOBS = ("layer/sessions/*.md",)


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
        webhook: An http(s) URL that is told of failed runs, or None.
    """

    sensor: bool = True
    nightly: bool = True
    cron: str = "0 3 * * *"
    timezone: str = "UTC"
    interval_seconds: int = 10
    settle_seconds: int = 5
    webhook: str | None = None


@dataclass(frozen=True)
class ProjectConfig:
    """What `.patina/config.toml` may say.

    Attributes:
        name: Name of the project, for display.
        embedding_model: `[embeddings] model`, or None.
        eventlog_path: `[eventlog] path`, relative to the project root, or None.
        eventlog_url: `[eventlog] url`, an SQLAlchemy SQLite URL, or None.
        session_globs: `[sessions] globs`: where session notes are, relative to the project root.
        models: `[models.NAME]` tables as they are written: additions to the model registry.
        automation: `[automation]`: sensor, schedule, notice of failures.
    """

    name: str | None = None
    embedding_model: str | None = None
    eventlog_path: str | None = None
    eventlog_url: str | None = None
    session_globs: tuple[str, ...] = DEFAULT_SESSION_GLOBS
    models: Mapping[str, Any] = field(default_factory=dict)
    automation: AutomationConfig = AutomationConfig()


def read_config(path: Path) -> ProjectConfig:
    """Return the settings in `path`, or defaults where the file does not exist.

    Raises:
        PatinaError: The file cannot be read, is not TOML, or holds an unknown key or a wrong type.
    """
    try:
        document = read_toml(path)
    except FileNotFoundError:
        return ProjectConfig()
    values = _checked_sections(document, path)
    if values["eventlog"].get("path") is not None and values["eventlog"].get("url") is not None:
        raise PatinaError(f"{path}: [eventlog] has both path and url: keep one of them")
    models = document.get("models", {})
    if not isinstance(models, dict):
        raise PatinaError(f"{path}: models: expected tables such as [models.my-model]")
    return ProjectConfig(
        name=values["project"].get("name"),
        embedding_model=values["embeddings"].get("model"),
        eventlog_path=values["eventlog"].get("path"),
        eventlog_url=values["eventlog"].get("url"),
        session_globs=tuple(values["sessions"].get("globs", DEFAULT_SESSION_GLOBS)),
        models=models,
        automation=AutomationConfig(**values["automation"]),
    )


def _checked_sections(document: dict[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    known = [*CONFIG_KEYS, "models"]
    for section in document:
        if section not in known:
            hint = did_you_mean(section, known)
            raise PatinaError(
                f"{path}: unknown section [{key_name(section)}]{hint}: expected one of {', '.join(known)}"
            )
    values: dict[str, dict[str, Any]] = {}
    for section, keys in CONFIG_KEYS.items():
        table = document.get(section, {})
        if not isinstance(table, dict):
            raise PatinaError(f"{path}: {section}: expected a table [{section}], got {shown(table)}")
        for key, value in table.items():
            if key not in keys:
                hint = did_you_mean(key, keys)
                raise PatinaError(
                    f"{path}: [{section}] unknown key {shown(key)}{hint}: expected {', '.join(sorted(keys))}"
                )
            expected = EXPECTED.get((section, key), TEXT)
            if not _is_as_expected(value, expected):
                raise PatinaError(f"{path}: [{section}] {key}: expected {expected}, got {_shown(key, value)}")
        values[section] = table
    return values


def _is_as_expected(value: object, expected: str) -> bool:
    if expected == SWITCH:
        return isinstance(value, bool)
    if expected == SECONDS:
        return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 86_400
    if expected == TEXTS:
        return isinstance(value, list) and all(_is_as_expected(text, TEXT) for text in value)
    return isinstance(value, str) and bool(value.strip())


def _shown(key: str, value: object) -> str:
    """Return a value for a message; a webhook's URL holds the right to post to it."""
    if key == "webhook":
        return "something else"
    if isinstance(value, list):
        wrong = next((entry for entry in value if not _is_as_expected(entry, TEXT)), value)
        return shown(wrong) if wrong is value else f"a list with {shown(wrong)}"
    return shown(value)
