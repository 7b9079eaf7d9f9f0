"""`patina metrics diff`: the measures before and after the last build that changed them."""

import json
import shutil
from pathlib import Path

import pytest
from installations import give_key
from small_project import edit_recipe, make_project, patina, small_recipe, workspace_of

from patina_assets.pipeline.measures.changes import HEADER, MEASURES
from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.pipeline.stages.weights_page import BEFORE
from patina_resources.project.project import Project, find_project
from patina_resources.store.manifests import read_manifest

RECIPE = small_recipe("temporal", "dependency", pairs=200)
WIDE, NARROW = "temporal:\n    layers: [32, 16]", "temporal:\n    layers: [32, 4]"


def build(project: Project, *, full: bool = False) -> None:
    """Build `temporal`."""
    workspace = workspace_of(project)
    run_model(workspace, lambda _: None)
    for stage in workspace.projection("temporal").stages:
        run_stage(workspace, "temporal", stage.name, lambda _: None, full=full)
    publish_lock(workspace)


def facts(project: Project) -> dict:
    """Return the facts of the weights of `temporal`."""
    return dict(read_manifest(workspace_of(project).paths("temporal").manifest)["weights"].facts)


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project with one of its two projections built once."""
    root = tmp_path_factory.mktemp("changes") / "project"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(give_key(tmp_path_factory.mktemp("mothership"))))
        build(make_project(root, RECIPE))
    return root


@pytest.fixture
def project(built_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    copy = find_project(Path(shutil.copytree(built_root, tmp_path / "project", copy_function=shutil.copy2)))
    monkeypatch.chdir(copy.root)
    return copy


@pytest.mark.usefixtures("project")
def test_what_was_built_once_has_nothing_before() -> None:
    ran = patina("metrics", "diff", "--exit-code")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == [
        "patina: temporal: no build has changed its measures",
        "patina: dependency/weights is not built: run `patina oxidize --only dependency`",
    ]
    assert json.loads(patina("metrics", "diff", "--json").out) == {"projections": {}}
    ran = patina("metrics", "diff", "--only", "dependency")
    assert (ran.code, ran.out) == (2, "")
    assert (
        "unknown projection 'temporl' (did you mean 'temporal'?)" in patina("metrics", "diff", "--only", "temporl").err
    )


def test_the_last_change_is_told_with_what_changed(project: Project) -> None:
    first = facts(project)
    edit_recipe(project, WIDE, NARROW)
    build(project)
    second = facts(project)
    assert second["metrics"] != first["metrics"]
    assert (second[BEFORE]["metrics"], second[BEFORE]["evaluation"]) == (first["metrics"], first["evaluation"])
    ran = patina("metrics", "diff", "--only", "temporal")
    assert ran.code == 0
    assert ran.err.endswith(": output 16 -> 4\n")
    lines = ran.out.splitlines()
    assert lines[0].split() == list(HEADER)
    mrr = next(line.split() for line in lines if "held-out MRR" in line)
    before, after = first["metrics"]["mrr"], second["metrics"]["mrr"]
    assert mrr[3:] == [f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}"]
    assert len(lines) == 1 + len(MEASURES) + 1
    ran = patina("metrics", "diff", "--json", "--exit-code")
    assert ran.code == 1
    told = json.loads(ran.out)["projections"]["temporal"]
    assert told["change"]["mrr"] == after - before
    assert told["before"]["test_queries"] == first["metrics"]["test_queries"]
    assert told["reasons"] == ["output 16 -> 4"]


def test_a_build_of_equal_measures_keeps_the_last_change(project: Project) -> None:
    build(project, full=True)
    assert BEFORE not in facts(project)
    edit_recipe(project, WIDE, NARROW)
    build(project)
    before = facts(project)[BEFORE]
    build(project, full=True)
    assert facts(project)[BEFORE] == before
    assert BEFORE not in before
    edit_recipe(project, NARROW, WIDE)
    build(project)
    assert BEFORE not in facts(project)[BEFORE]
