"""What holds for every test: no look at the developer's own files, and no telemetry."""

import itertools
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ended_tests import end_if_asked, end_with_fixtures
from installations import give_key
from made_once import choose_place
from scratch_place import HAS_ROOM, MEMORY

if TYPE_CHECKING:
    from postgres_server import PostgresServer

CHOICES = (
    "PATINA_FLEET",
    "PATINA_PROJECT",
    "PATINA_TRUST",
    "PATINA_DATA",
    "PATINA_EVENTLOG",
    "PATINA_CACHE",
    "PATINA_CACHE_KEYS",
    "PATINA_CACHE_SIGNING_KEY",
    "DAGSTER_HOME",
    "PATINA_FLEET_DSN",
    "PATINA_FLEET_PROXY_SECRET",
)


if HAS_ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_configure() -> None:
    """Leave no server behind, however the tests end that can end themselves."""
    end_with_fixtures()


def pytest_runtest_setup() -> None:
    """End before a test that need not begin any more."""
    end_if_asked()


@pytest.fixture(autouse=True, scope="session")
def _home_of_shared_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give fixtures that several tests share a home folder and a mothership."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        choose_place(tmp_path_factory.getbasetemp().parent / "made-once")
    else:  # a process of its own: where code is changed to see who notices, nothing that other code made counts
        choose_place(tmp_path_factory.mktemp("made-once"))
    home = tmp_path_factory.mktemp("shared-home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOME", str(home))
        environment.setenv("PATINA_HOME", str(give_key(home / "mothership")))
        environment.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        # What a test changes in its process is not changed in another one.
        environment.setenv("PATINA_WORKERS", "1")
        # Nothing is said because the machine is busy.
        environment.setattr("patina_assets.pipeline.progress.LINE_SECONDS", math.inf)
        for name in CHOICES:
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield new folders."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_home(_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the test a home folder and a mothership of its own, and no project but the ones it makes."""
    home = next(_homes)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATINA_HOME", str(give_key(home / "mothership")))
    for name in CHOICES:  # a command that ran in this process may have set one
        os.environ.pop(name, None)
    yield
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> "Iterator[PostgresServer]":
    """Run one server for all tests of this process; `with_database` gives each file a database of its own."""
    from postgres_server import running_postgres

    with running_postgres() as server:
        yield server


# Files or folders, those that take longest first.
LONG = ("test_ui.py", "faults", "test_search_page.py", "orchestration", "fleet", "security")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process is left alone with one at the end."""

    def rank(item: pytest.Item) -> int:
        places = item.nodeid.partition("::")[0].split("/")
        return next((number for number, name in enumerate(LONG) if name in places), len(LONG))

    items.sort(key=rank)
