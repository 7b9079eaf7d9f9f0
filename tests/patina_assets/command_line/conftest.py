"""A project to stand in."""

from pathlib import Path

import pytest
from small_project import make_project

from patina_resources.project.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project that is not built, and stand in it."""
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made
