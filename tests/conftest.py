"""What holds for every test: no look at the developer's own files, and no telemetry."""

import os
from collections.abc import Iterator

import pytest
from installations import give_key

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


@pytest.fixture(autouse=True, scope="session")
def _home_of_shared_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give fixtures that several tests share a home folder and a mothership."""
    home = tmp_path_factory.mktemp("shared-home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOME", str(home))
        environment.setenv("PATINA_HOME", str(give_key(home / "mothership")))
        environment.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        # What a test changes in its process is not changed in another one.
        environment.setenv("PATINA_WORKERS", "1")
        for name in CHOICES:
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a home folder and a mothership of its own, and no project but the ones it makes."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATINA_HOME", str(give_key(home / "mothership")))
    for name in CHOICES:  # a command that ran in this process may have set one
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: (item.path.name != "test_ui.py", item.path.parent.name != "faults"))
