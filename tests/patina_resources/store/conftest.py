"""A folder of projections."""

from pathlib import Path

import pytest

from patina_resources.store.paths import ProjectionPaths


@pytest.fixture
def paths(tmp_path: Path) -> ProjectionPaths:
    return ProjectionPaths(tmp_path / "projections", "temporal")
