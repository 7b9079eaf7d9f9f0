"""What takes long to make and is only copied: made once for all processes of a run of tests."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from eventlog_builder import Event, project_history
from installations import give_key
from small_project import RECIPE, build, make_project

from patina_resources.project.project import Project, find_project

_PLACES: list[Path] = []


def choose_place(folder: Path) -> None:
    """Say below which folder everything is made: one that all processes of a run share."""
    _PLACES[:] = [folder]


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first who asks has filled by `make`; others wait. It may be copied, never changed.

    Nothing is taken from the environment of a test: it is made in the home `home` of a user with the usual key.
    """
    (place,) = _PLACES
    place.mkdir(exist_ok=True)
    folder, done = place / name, place / f"{name}.done"
    with (place / f"{name}.lock").open("w") as lock, pytest.MonkeyPatch.context() as environment:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            environment.setenv("PATINA_HOME", str(give_key(folder / "home")))
            make(folder)
            done.touch()
    return folder


def built_project(root: Path, recipe: str = RECIPE, events: list[Event] | None = None) -> Project:
    """Return a project of this recipe and these events (default: the synthetic history), built by this installation."""
    told = project_history() if events is None else events
    name = f"built-{hashlib.sha256(repr((recipe, told)).encode()).hexdigest()[:16]}"
    made = made_once(name, lambda folder: build(make_project(folder / "project", recipe, told)))
    shutil.copytree(made / "project", root)
    return find_project(root)
