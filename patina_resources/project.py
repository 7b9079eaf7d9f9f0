"""Where everything is: project root, `config.toml`, and every path as frozen values."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError, did_you_mean

PROJECT_VARIABLE = "PATINA_PROJECT"
HOME_VARIABLE = "PATINA_HOME"
CONFIG_KEYS: Mapping[str, frozenset[str]] = {
    "project": frozenset({"name"}),
    "embeddings": frozenset({"model"}),
    "eventlog": frozenset({"path", "url"}),
    "sessions": frozenset({"globs"}),
}
# Keys whose value is a list of strings; every other one is a string.
LISTS = frozenset({("sessions", "globs")})
DEFAULT_SESSION_GLOBS = ("layer/sessions/*.md",)


@dataclass(frozen=True)
class Mothership:
    """The user's shared folder (`~/.patina`, or `PATINA_HOME`): base models and their provenance."""

    home: Path

    @property
    def models_lock(self) -> Path:
        """Provenance of every downloaded model (TOML)."""
        return self.home / "models.lock"

    @property
    def registry(self) -> Path:
        """The user's own additions to the model registry (TOML, optional)."""
        return self.home / "registry.toml"

    @property
    def projects(self) -> Path:
        """The projects that use these models, one path a line."""
        return self.home / "projects.txt"

    @property
    def models(self) -> Path:
        """The cache: one folder a model."""
        return self.home / "cache" / "models"

    def model_folder(self, folder_name: str) -> Path:
        """Folder of one cached model."""
        return self.models / folder_name

    def incoming_folder(self, folder_name: str) -> Path:
        """Where a model's files wait until they are complete and checked; beside the cache, to be moved into it."""
        return self.models / ".incoming" / folder_name


@dataclass(frozen=True)
class ProjectionPaths:
    """The files of one projection (or of `base`), all in one folder."""

    folder: Path
    name: str

    @property
    def pairs(self) -> Path:
        """Training triplets, one JSON object with anchor, positive and negative a line."""
        return self.folder / f"{self.name}.pairs.jsonl"

    @property
    def items(self) -> Path:
        """What search can return, one JSON object a line; line number is the item's row."""
        return self.folder / f"{self.name}.items.jsonl"

    @property
    def relations(self) -> Path:
        """Triplets and contexts as row numbers, with their split (safetensors)."""
        return self.folder / f"{self.name}.relations.safetensors"

    @property
    def embeddings(self) -> Path:
        """Vectors of the unique texts (safetensors)."""
        return self.folder / f"{self.name}.embeddings.safetensors"

    @property
    def weights(self) -> Path:
        """The trained projection (safetensors)."""
        return self.folder / f"{self.name}.safetensors"

    @property
    def onnx(self) -> Path:
        """The same projection for other runtimes (ONNX)."""
        return self.folder / f"{self.name}.onnx"

    @property
    def index(self) -> Path:
        """The USearch index."""
        return self.folder / f"{self.name}.usearch"

    @property
    def search(self) -> Path:
        """What search needs beside the index: items by key and the projection that made it (SQLite)."""
        return self.folder / f"{self.name}.search.db"

    @property
    def manifest(self) -> Path:
        """Per stage: fingerprint, inputs, output digests (JSON)."""
        return self.folder / f"{self.name}.manifest.json"


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
    """

    name: str | None = None
    embedding_model: str | None = None
    eventlog_path: str | None = None
    eventlog_url: str | None = None
    session_globs: tuple[str, ...] = DEFAULT_SESSION_GLOBS
    models: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Project:
    """One repository with a `.patina` folder."""

    root: Path
    config: ProjectConfig

    @property
    def patina(self) -> Path:
        """The `.patina` folder."""
        return self.root / ".patina"

    @property
    def recipe(self) -> Path:
        """The git-tracked recipe."""
        return self.patina / "oxidize.yaml"

    @property
    def config_file(self) -> Path:
        """The git-tracked settings."""
        return self.patina / "config.toml"

    @property
    def data(self) -> Path:
        """Everything derived; ignored by git."""
        return self.patina / "data"

    @property
    def lock(self) -> Path:
        """Provenance of the last build (YAML)."""
        return self.data / "oxidize.lock"

    @property
    def mutex(self) -> Path:
        """File that a process holds while it writes artifacts."""
        return self.data / "oxidize.mutex"

    @property
    def source_digests(self) -> Path:
        """Digests of the sources as last read, with the probe that tells whether they still hold (JSON)."""
        return self.data / "source-digests.json"

    @property
    def dagster_home(self) -> Path:
        """This project's Dagster instance."""
        return self.data / "dagster_home"

    @property
    def default_eventlog(self) -> Path:
        """Where `patina materialize` writes, and where the eventlog is looked for first."""
        return self.data / "patina.db"

    def eventlog(self) -> Path:
        """Return the eventlog's path: config.toml's, else the default, else the older place if only that exists.

        Raises:
            PatinaError: `[eventlog] url` is not an SQLite file URL.
        """
        if self.config.eventlog_url is not None:
            return self.root / _sqlite_url_path(self.config.eventlog_url, self.config_file)
        if self.config.eventlog_path is not None:
            return self.root / _expanded(self.config.eventlog_path, f"{self.config_file}: [eventlog] path")
        older = self.patina / "local" / "data" / "patina.db"
        return older if older.exists() and not self.default_eventlog.exists() else self.default_eventlog

    def corpus_model_folder(self) -> Path:
        """Folder of the model that is built from this project's own texts."""
        return self.data / "models" / "corpus-static"

    def embeddings_folder(self, model: str) -> Path:
        """Folder of everything embedded with one model."""
        return self.data / "embeddings" / model

    def embedding_cache(self, model: str) -> Path:
        """Vectors of every text ever embedded with one model (SQLite)."""
        return self.embeddings_folder(model) / "cache.db"

    def base_paths(self, model: str) -> ProjectionPaths:
        """Files of the index over raw embeddings."""
        return ProjectionPaths(self.embeddings_folder(model), "base")

    def projection_paths(self, model: str, projection: str) -> ProjectionPaths:
        """Files of one projection."""
        return ProjectionPaths(self.embeddings_folder(model) / "projections", projection)


def mothership() -> Mothership:
    """Return the user's mothership: `PATINA_HOME`, else `~/.patina`."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Mothership(_expanded(chosen or "~/.patina", HOME_VARIABLE).absolute())


def find_project(start: Path | None = None) -> Project:
    """Return the project at or above `start` (default: `PATINA_PROJECT`, else the working folder).

    Raises:
        PatinaError: There is no `.patina` folder there, or its config.toml is wrong.
    """
    chosen = start or _expanded(os.environ.get(PROJECT_VARIABLE) or ".", PROJECT_VARIABLE)
    chosen = chosen.absolute()
    shared = mothership().home
    for folder in (chosen, *chosen.parents):
        marker = folder / ".patina"
        if marker.is_dir() and marker != shared:
            return Project(folder, read_config(marker / "config.toml"))
    raise PatinaError(f"no .patina folder in {chosen} or above it: run `patina init` in your repository")


def read_config(path: Path) -> ProjectConfig:
    """Return the settings in `path`, or defaults where the file does not exist.

    Raises:
        PatinaError: The file cannot be read, is not TOML, or holds an unknown key or a wrong type.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ProjectConfig()
    except (OSError, UnicodeDecodeError) as error:
        raise PatinaError(f"{path}: cannot be read ({error}): expected a UTF-8 TOML file") from error
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PatinaError(f"{path}: not valid TOML: {error}") from error
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
    )


def _checked_sections(document: dict[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    known = [*CONFIG_KEYS, "models"]
    for section in document:
        if section not in known:
            hint = did_you_mean(section, known)
            raise PatinaError(f"{path}: unknown section [{section}]{hint}: expected one of {', '.join(known)}")
    values: dict[str, dict[str, Any]] = {}
    for section, keys in CONFIG_KEYS.items():
        table = document.get(section, {})
        if not isinstance(table, dict):
            raise PatinaError(f"{path}: {section}: expected a table [{section}], got {table!r}")
        for key, value in table.items():
            if key not in keys:
                hint = did_you_mean(key, keys)
                expected = ", ".join(sorted(keys))
                raise PatinaError(f"{path}: [{section}] unknown key {key!r}{hint}: expected {expected}")
            in_list = (section, key) in LISTS
            texts = value if in_list and isinstance(value, list) else [None] if in_list else [value]
            if not all(isinstance(text, str) and text.strip() for text in texts):
                expected = "a list of non-empty strings" if in_list else "a non-empty string"
                raise PatinaError(f"{path}: [{section}] {key}: expected {expected}, got {value!r}")
        values[section] = table
    return values


def _expanded(path: str, where: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise PatinaError(f"{where}: no home folder is known for {path!r}: write an absolute path") from error


def _sqlite_url_path(url: str, config: Path) -> Path:
    prefix = "sqlite:///"
    if not url.startswith(prefix) or not url[len(prefix) :]:
        raise PatinaError(
            f"{config}: [eventlog] url: expected sqlite:///relative/path.db or sqlite:////absolute/path.db, got {url!r}"
        )
    return Path(url[len(prefix) :])
