"""The user's folder of base models, key and records: every path in it."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from patina_resources.errors import PatinaError, refuse_other_bytes
from patina_resources.store.folders.own import own_folder

HOME_VARIABLE = "PATINA_HOME"


@dataclass(frozen=True)
class Mothership:
    """The user's shared folder (`~/.patina`, or `PATINA_HOME`): base models and their provenance.

    Several users may share it. What belongs to one user alone is in `own`, which is the same folder where it is theirs.
    """

    home: Path

    @property
    def own(self) -> Path:
        """The folder of this user alone: key, settings, records of projects.

        Raises:
            PatinaError: There is no such folder.
        """
        return own_folder(self.home)

    def is_at(self, folder: Path) -> bool:
        """Return whether a folder is the user's, and so not the `.patina` of a project.

        Raises:
            PatinaError: There is no folder of this user alone.
        """
        return folder.resolve() in {self.home.resolve(), self.own.resolve()}

    @property
    def models_lock(self) -> Path:
        """Provenance of every downloaded model (TOML)."""
        return self.home / "models.lock"

    @property
    def settings(self) -> Path:
        """What the user says of projects (TOML, optional)."""
        return self.own / "config.toml"

    @property
    def registry(self) -> Path:
        """The user's own additions to the model registry (TOML, optional)."""
        return self.home / "registry.toml"

    @property
    def projects(self) -> Path:
        """The projects that use these models, one path a line."""
        return self.own / "projects.txt"

    def project_folder(self, root: Path) -> Path:
        """Folder of what is kept of a project outside of it, where nothing that the repository holds can reach."""
        digest = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", root.resolve().name).strip("-")[:40] or "project"
        return self.own / "projects" / f"{name}-{digest}"

    @property
    def models(self) -> Path:
        """The cache: one folder a model."""
        return self.home / "cache" / "models"

    @property
    def dagster_home(self) -> Path:
        """The Dagster instance of `patina ui` over several projects."""
        return self.own / "dagster_home"

    def model_folder(self, key: str) -> Path:
        """Folder of one cached model; those of projects (`<project>/<name>`) lie apart from all others."""
        return self.models / _model_place(key)

    def incoming_folder(self, key: str) -> Path:
        """Where a model's files wait until they are complete and checked; beside the cache, to be moved into it."""
        return self.models / ".incoming" / _model_place(key)


def mothership() -> Mothership:
    """Return the user's mothership: `PATINA_HOME`, else `~/.patina`.

    Raises:
        PatinaError: It is no folder and none can be made there, or no home folder is known.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    place = chosen or "~/.patina"
    # An absolute path is asked for at each digest; others depend on the user and on the working folder.
    absolute = place if place.startswith("/") else str(expanded(place, HOME_VARIABLE).absolute())
    return _checked(absolute, is_chosen=bool(chosen))


@lru_cache(maxsize=4)
def _checked(folder: str, *, is_chosen: bool) -> Mothership:
    home = Path(folder)
    remedy = f"set {HOME_VARIABLE} to a folder of yours whose path is UTF-8"
    refuse_other_bytes(folder, HOME_VARIABLE if is_chosen else "", remedy)
    nearest = next((place for place in (home, *home.parents) if os.path.lexists(place)), home)
    if os.path.isdir(nearest):  # noqa: PTH112 - `Path.is_dir` may raise
        return Mothership(home)
    if is_chosen:
        raise PatinaError(f"{HOME_VARIABLE}={home}: {nearest} is no folder: set {HOME_VARIABLE} to a folder of yours")
    if nearest == home:
        raise PatinaError(
            f"{home}: is no folder, and models and keys are kept in one there: move it away, or set {HOME_VARIABLE} to "
            "a folder of yours"
        )
    return Mothership(own_folder(home))  # a user without a home, such as `/dev/null`


def expanded(path: str, where: str) -> Path:
    """Return a path with `~` replaced by the home folder.

    Raises:
        PatinaError: No home folder is known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise PatinaError(f"{where}: no home folder is known for {path!r}: write an absolute path") from error


def _model_place(key: str) -> str:
    # No model's name begins with a dot.
    return f".projects/{key}" if "/" in key else key
