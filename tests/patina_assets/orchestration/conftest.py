"""A project that is built, and its Dagster instance."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sensor_helpers import Sensor, built_template, copied


@pytest.fixture(scope="session")
def template() -> Path:
    """Return a folder with a project that is built, and its Dagster instance; tests work on copies."""
    return built_template()


@pytest.fixture
def sensor(template: Path, tmp_path: Path) -> Iterator[Sensor]:
    """Return the sensor of a project that is built."""
    with copied(template, tmp_path / "copy") as made:
        yield made
