"""Where everything is: project root and every path, as frozen values."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

from patina_resources.errors import PatinaError, refuse_other_bytes, shown_path
from patina_resources.project.config import ProjectConfig, read_config
from patina_resources.project.user_settings import (
    DATA_VARIABLE,
    EVENTLOG_VARIABLE,
    NOT_CHOSEN,
    ProjectPlaces,
    project_places,
)
from patina_resources.store.files import without_links
from patina_resources.store.folders.own import can_write_in
from patina_resources.store.folders.places import refuse_irregular
from patina_resources.store.mothership import expanded, mothership
from patina_resources.store.paths import ProjectionPaths

PROJECT_VARIABLE = "PATINA_PROJECT"
LONGEST_FOLDER_NAME = 140
# A file that git finds there may be one that it obeys.
GIT_FOLDER = ".git"


@dataclass(frozen=True)
class Project:
    """One repository with a `.patina` folder.

    Attributes:
        root: The folder that holds `.patina`.
        config: Its settings, which git tracks.
        places: Places that the user has chosen for it.
    """

    root: Path
    config: ProjectConfig
    places: ProjectPlaces = NOT_CHOSEN

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
        """Everything derived; ignored by git. It lies in the project unless the user has chosen another place."""
        return self.places.data or self.patina / "data"

    @property
    def lock(self) -> Path:
        """Provenance of the last build (YAML)."""
        return self.data / "oxidize.lock"

    @property
    def mutex(self) -> Path:
        """File that builders share, and that a process holds alone while nobody may build."""
        return self.data / "oxidize.mutex"

    @property
    def source_digests(self) -> Path:
        """Digests of the sources as last read, with the probe that tells whether they still hold (JSON)."""
        return self.data / "source-digests.json"

    @property
    def file_digests(self) -> Path:
        """What is noted of the digests of built files."""
        return self.data / "file-digests.json"

    @property
    def dagster_home(self) -> Path:
        """This project's Dagster instance: outside of the repository, since Dagster runs what its settings name."""
        return mothership().project_folder(self.root) / "dagster_home"

    @property
    def noted_builds(self) -> Path:
        """Folder with the builds that Dagster has not been told of."""
        return mothership().project_folder(self.root) / "noted_builds"

    @property
    def older_dagster_home(self) -> Path:
        """Where versions up to 0.1 kept the Dagster instance; it is not read any more."""
        return self.data / "dagster_home"

    @property
    def failures_log(self) -> Path:
        """One line for each failed run."""
        return self.data / "failures.log"

    @property
    def default_eventlog(self) -> Path:
        """Where `patina materialize` writes, and where the eventlog is looked for first."""
        return self.data / "patina.db"

    def eventlog(self) -> Path:
        """Return the eventlog's path: the user's, else config.toml's, else the default, else the older place.

        Raises:
            PatinaError: `[eventlog] url` is not an SQLite file URL, or config.toml names a place outside of the
                project.
        """
        if self.places.eventlog is not None:
            return self.places.eventlog
        if self.config.eventlog_url is not None:
            return self._inside(_sqlite_url_path(self.config.eventlog_url, self.config_file), "url")
        if self.config.eventlog_path is not None:
            where = f"{self.config_file}: [eventlog] path"
            return self._inside(expanded(self.config.eventlog_path, where), "path")
        older = self.patina / "local" / "data" / "patina.db"
        return older if older.exists() and not self.default_eventlog.exists() else self.default_eventlog

    def _inside(self, path: Path, key: str) -> Path:
        """Return a path that config.toml names, from the root; it must lead neither out of the project nor to git."""
        place = self.root / path
        try:
            resolved, root = without_links(place), self.root.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL
            raise PatinaError(
                f"{self.config_file}: [eventlog] {key}: not a path that leads anywhere: {path}"
            ) from error
        inside = resolved.is_relative_to(root)
        if inside and GIT_FOLDER in (part.lower() for part in resolved.relative_to(root).parts):
            raise PatinaError(
                f"{self.config_file}: [eventlog] {key}: {resolved} is in git's own folder: expected another place"
            )
        if not inside:
            raise PatinaError(
                f"{self.config_file}: [eventlog] {key}: {resolved} is outside of the project: to allow it, set "
                f'{EVENTLOG_VARIABLE}={resolved}, or write `[projects."{root}"]` and '
                f'`eventlog = "{resolved}"` into {mothership().settings}'
            )
        return place

    def refuse_irregular(self) -> None:
        """Return if all that is opened below `.patina` and in the data folder is a plain file or a folder.

        Raises:
            PatinaError: Something is a link, has a second name, or is a special file.
        """
        refuse_irregular(self.patina, self.data, self.older_dagster_home)

    def refuse_unwritable(self) -> None:
        """Return if the data folder can be written to, or made.

        Raises:
            PatinaError: It cannot: a read-only checkout, somebody else's, or a file stands in its place.
        """
        place = next(folder for folder in (self.data, *self.data.parents) if folder.exists())
        if not place.is_dir():
            raise PatinaError(f"{place}: expected a folder, but it is a file: move it away")
        if not can_write_in(place):
            raise PatinaError(
                f"{place}: cannot be written to: to keep what is built somewhere else, run the command again with "
                f"{DATA_VARIABLE}=FOLDER, a folder of yours"
            )

    def corpus_model_folder(self) -> Path:
        """Folder of the model that is built from this project's own texts."""
        return self.data / "models" / "corpus-static"

    def embeddings_folder(self, model: str) -> Path:
        """Folder of everything embedded with one model, or with models side by side (`a+b`)."""
        return self.data / "embeddings" / _folder_name(model)

    def embedding_cache(self, model: str) -> Path:
        """Vectors of every text ever embedded with one model (SQLite)."""
        return self.embeddings_folder(model) / "cache.db"

    def base_paths(self, model: str) -> ProjectionPaths:
        """Files of the index over raw embeddings."""
        return ProjectionPaths(self.embeddings_folder(model), "base")

    def projection_paths(self, model: str, projection: str) -> ProjectionPaths:
        """Files of one projection."""
        return ProjectionPaths(self.embeddings_folder(model) / "projections", projection)


def find_project(start: Path | None = None) -> Project:
    """Return the project at or above `start` (default: `PATINA_PROJECT`, else the working folder).

    Raises:
        PatinaError: There is no `.patina` folder there, something in it is a link or no plain file, or config.toml is
            wrong, the project's or the user's.
    """
    return project_at(find_root(start))


def project_at(root: Path) -> Project:
    """Return the project whose root is known; there need not be a `.patina` folder yet.

    Raises:
        PatinaError: Its path is not UTF-8, something below `.patina` is a link or no plain file, or a config.toml is
            wrong.
    """
    refuse_other_bytes(str(root), "", "rename the folder")
    home = mothership()
    project = Project(root, ProjectConfig(), project_places(home.settings, root, home.project_folder(root).name))
    refuse_other_bytes(str(project.data), DATA_VARIABLE, "choose another folder")
    project.refuse_irregular()  # before anything below is opened
    return replace(project, config=read_config(project.config_file))


def find_root(start: Path | None = None) -> Path:
    """Return the root of the project at or above `start`, as `find_project` does, without reading its settings.

    Raises:
        PatinaError: There is no `.patina` folder there.
    """
    chosen = start or expanded(os.environ.get(PROJECT_VARIABLE) or ".", PROJECT_VARIABLE)
    chosen = chosen.absolute()
    home = mothership()
    for folder in (chosen, *chosen.parents):
        marker = folder / ".patina"
        if marker.is_dir() and not home.is_at(marker):
            return folder
    raise PatinaError(f"no .patina folder in {chosen} or above it: run `patina init` in your repository")


def _folder_name(model: str) -> str:
    """Return the name as it is, or the start of a long one with a hash: file systems allow 255 bytes, some only 143.

    `++` stands in no name of models side by side, so that no two of them meet in one folder.
    """
    if len(model) <= LONGEST_FOLDER_NAME:
        return model
    digest = hashlib.sha256(model.encode()).hexdigest()[:16]
    return f"{model[: LONGEST_FOLDER_NAME - 18]}++{digest}"


def _sqlite_url_path(url: str, config: Path) -> Path:
    prefix = "sqlite:///"
    if not url.startswith(prefix) or not url[len(prefix) :]:
        raise PatinaError(
            f"{config}: [eventlog] url: expected sqlite:///relative/path.db or sqlite:////absolute/path.db, got "
            f"{shown_path(url)}"
        )
    return Path(url[len(prefix) :])
