"""Pair types on the synthetic history."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from deriver import Derived, Deriver
from eventlog_builder import project_history

from patina_assets.pairs.types import PAIR_TYPES

NAMES = sorted(PAIR_TYPES)


@pytest.fixture
def derive(tmp_path: Path) -> Deriver:
    return Deriver(tmp_path)


@pytest.fixture(scope="session")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Derived]:
    """Each pair type on the synthetic history."""
    derive = Deriver(tmp_path_factory.mktemp("history"))
    return {name: derive(name, project_history()) for name in NAMES}
