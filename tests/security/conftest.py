"""What security tests of models share: a hub that an attacker has a repository on, and a user with models."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_clones import add_trusted_models, publish_evil
from hub_server import Hub
from tiny_hub import tiny_hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve a hub on loopback, with the attacker's model on it."""
    with tiny_hub(tmp_path / "published", monkeypatch) as running:
        publish_evil(running, tmp_path / "evil")
        yield running


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub) -> Hub:
    """Give the user models of their own, and stand outside of any project; nobody has asked the hub yet."""
    add_trusted_models(tmp_path, monkeypatch)
    hub.requests.clear()
    return hub
