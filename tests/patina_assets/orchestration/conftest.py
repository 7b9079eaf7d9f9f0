"""A project that is built, and its Dagster instance."""

from pathlib import Path

import pytest
from sensor_helpers import build_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project that is built, and its Dagster instance; tests work on copies."""
    return build_template(tmp_path_factory.mktemp("template"))
