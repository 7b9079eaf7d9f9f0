"""A project that is built, with a home of its own."""

from collections.abc import Iterator

import pytest
from small_project import build, make_project, small_recipe

from patina_resources.project.project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return the project; its tests may add to it, and then all tests of the file see that."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(folder / "home"))
        made = make_project(folder / "project", small_recipe("temporal", layers="[16, 8]", epochs=1, pairs=300))
        build(made)
        yield made


@pytest.fixture
def same_home(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test have the home that the project was built with."""
    monkeypatch.setenv("PATINA_HOME", str(project.root.parent / "home"))
