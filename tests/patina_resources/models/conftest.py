"""A hub on loopback, and a mothership of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub
from tiny_hub import tiny_hub

from patina_resources.store.mothership import Mothership


@pytest.fixture
def home(tmp_path: Path) -> Mothership:
    return Mothership(tmp_path / "mothership")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with tiny_hub(tmp_path / "published", monkeypatch) as running:
        yield running
