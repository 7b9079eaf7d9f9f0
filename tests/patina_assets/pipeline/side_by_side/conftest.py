"""A project whose base model is two models side by side, built and not."""

import shutil
from pathlib import Path

import pytest
from installations import give_key
from side_by_side_helpers import RECIPE, REGISTRY, add
from small_project import make_project, make_project_with_models, patina

from patina_resources.project.project import Project, find_project
from patina_resources.store.mothership import mothership


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project that is not built, and stand in it; the registry knows two tiny models."""
    made = make_project_with_models(tmp_path / "project", REGISTRY, RECIPE)
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a mothership and a project, built with a tiny BERT beside the corpus model."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(give_key(folder / "home")))
        mothership().registry.write_text(REGISTRY)
        patch.setenv("PATINA_PROJECT", str(make_project(folder / "project", RECIPE).root))
        add("tiny", folder / "tiny", 1)
        assert patina("oxidize").code == 0
    (folder / "home" / "projects.txt").unlink()
    return folder


@pytest.fixture
def built(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of the built project, and stand in it."""
    shutil.copytree(template / "home", mothership().home, dirs_exist_ok=True)
    shutil.copytree(template / "project", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return find_project(tmp_path / "project")
