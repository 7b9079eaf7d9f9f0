"""A project to search in, built once."""

from pathlib import Path

import pytest
from eventlog_builder import project_history
from made_once import built_project
from searched_project import SPECIAL
from small_project import set_validation_gain


@pytest.fixture(scope="session")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project that is built once for all tests of search; they write nothing there."""
    made = built_project(tmp_path_factory.mktemp("built") / "project", events=[*project_history(), *SPECIAL])
    set_validation_gain(made, 0.1, 0.2, "semantic", "temporal", "dependency")
    return made.root
