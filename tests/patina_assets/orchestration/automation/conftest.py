"""Projects that are built, or not, and their sensor."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sensor_helpers import Sensor, copied
from small_project import make_project

from patina_resources.project.project import Project


@pytest.fixture
def sensor(template: Path, tmp_path: Path) -> Iterator[Sensor]:
    """Return the sensor of a project that is built, with nothing to do."""
    with copied(template, tmp_path / "copy") as made:
        assert made.requested() == set()
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project that is not built."""
    return make_project(tmp_path / "project")
