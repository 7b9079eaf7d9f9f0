"""What a fleet is, as frozen values."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from patina_resources.errors import PatinaError, did_you_mean

FETCHES, FETCH_SECONDS = 8, 600


@dataclass(frozen=True)
class FleetProject:
    """One repository of a fleet.

    Attributes:
        name: What it is called: letters, digits, `.`, `_`, `-`, and `/` between words. No other has it.
        address: Where git fetches it from: a URL, `user@host:path`, or an absolute path.
        groups: Who may see what it says: names of groups of the company; empty for nobody but who runs the fleet.
        recipe: A file that takes the place of the repository's recipe; None for its own, else for `base` alone.
        model: The base model; None for the one that its recipe or config.toml names.
        priority: Higher ones are built first.
        root: Its checkout: a folder of the fleet's own, in which nobody works.
        borrows: Whether a repository on this machine may lead git to other folders.
    """

    name: str
    address: str
    groups: tuple[str, ...]
    recipe: Path | None
    model: str | None
    priority: int
    root: Path
    borrows: bool = False


@dataclass(frozen=True)
class Fleet:
    """All repositories of a fleet, and how it is kept.

    Attributes:
        file: The fleet.toml that says so.
        folder: Where clones, and what is built, are kept.
        projects: The repositories, by name.
        workers: How many are built at once on one machine.
        fetches: How many are fetched at once.
        fetch_seconds: How long one fetch may take.
        share: Whether builds come from the team's cache where it has them, and go there.
    """

    file: Path
    folder: Path
    projects: tuple[FleetProject, ...] = field(repr=False)
    workers: int = 1
    fetches: int = FETCHES
    fetch_seconds: int = FETCH_SECONDS
    share: bool = False

    @cached_property
    def by_name(self) -> Mapping[str, FleetProject]:
        """The repositories by name."""
        return {project.name: project for project in self.projects}

    @property
    def database(self) -> Path:
        """Where a fleet of one machine remembers heads and outcomes (SQLite)."""
        return self.folder / "fleet.db"

    def project(self, name: str) -> FleetProject:
        """Return the repository of a name.

        Raises:
            PatinaError: There is none.
        """
        found = self.by_name.get(name)
        if found is None:
            raise PatinaError(f"{self.file}: no repository {name!r}{did_you_mean(name, self.by_name)}")
        return found


def folder_name(name: str) -> str:
    """Return the folder of a repository below the fleet's: `/` does not lead into another repository."""
    return name.replace("/", "+")


def settings_key(project: FleetProject, version: str) -> str:
    """Return what decides a build beside the repository: who builds, by which recipe and model, and for whom.

    It is 16 of 0-9a-f.

    Raises:
        PatinaError: The recipe cannot be read.
    """
    try:
        recipe = b"" if project.recipe is None else project.recipe.read_bytes()
    except OSError as error:
        raise PatinaError(f"{project.recipe}: cannot be read ({error.strerror or error})") from error
    parts = (version.encode(), recipe, (project.model or "").encode(), ",".join(sorted(project.groups)).encode())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]
