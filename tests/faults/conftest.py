"""The faults suite: short in `make test`, long in `make soak`."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from amounts import SOAK
from commands import Commands
from faulty_projects import ONE_PROJECTION, Change, make_change, make_drift, make_repository, read_change, succeed
from installations import give_key
from made_once import made_once
from small_project import RECIPE


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """Return a folder in memory where there is such: a build syncs hundreds of times."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="patina-faults-", dir=place))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def commands(scratch: Path) -> Iterator[Commands]:
    """Return what runs `patina` in processes of its own."""
    server = Commands({"PATINA_HOME": str(give_key(scratch / "home")), "HOME": str(scratch)})
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _home_of_commands(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test see projects as its commands do."""
    monkeypatch.setenv("PATINA_HOME", str(give_key(scratch / "home")))


@pytest.fixture(scope="session")
def change(commands: Commands) -> Change:
    """Return a project with a change that makes everything stale."""
    recipe = RECIPE if SOAK else ONE_PROJECTION
    return read_change(made_once("change", lambda folder: make_change(folder, commands, recipe)))


@pytest.fixture(scope="session")
def drifts(commands: Commands) -> Callable[[str], Change]:
    """Return what makes a project whose weights are kept, or continued, once for all files of tests."""
    return cache(lambda how: read_change(made_once(f"drift-{how}", lambda folder: make_drift(folder, commands, how))))


@pytest.fixture(scope="session", params=["kept", "continued"])
def drift(drifts: Callable[[str], Change], request: pytest.FixtureRequest) -> Change:
    """Return a project with commits by which its weights are kept, or continued, and its indexes extended."""
    return drifts(request.param)


@pytest.fixture(scope="session")
def repository(commands: Commands) -> Path:
    """Return a git repository with some history, source and session notes, materialized and built."""

    def make(folder: Path) -> None:
        made = make_repository(folder / "repository")
        succeed(commands, made, "materialize")
        succeed(commands, made, "oxidize")

    return made_once("repository", make) / "repository"


@pytest.fixture
def folder(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a new folder of the test's own."""
    made = Path(tempfile.mkdtemp(prefix=f"{request.node.originalname}-"[:40], dir=scratch))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)
