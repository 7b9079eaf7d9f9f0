"""State-encoder and action-encoder together, from the eventlog to what `patina evaluate` prints."""

import json
from pathlib import Path

import pytest
from eventlog_builder import commit
from small_project import add_events, make_project, patina, workspace_of

from patina_assets.learning.projection import from_safetensors
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.runner import run_model, run_stage
from patina_assets.pipeline.stages.weights import MEASURED
from patina_assets.pipeline.world_model import ACTIONS, STATES
from patina_resources.project.project import Project
from patina_resources.store.artifacts import read_outputs

pytestmark = pytest.mark.skipif(
    not {STATES, ACTIONS} <= PAIR_TYPES.keys(), reason="the pair types of a world model are not there"
)
RECIPE = """version: 2
projections:
  state-encoder:
    type: world-model
    layers: [32, 16]
    training: {source: git.transitions, pair_type: state_similarity, epochs: 2, pairs: 400, batch_size: 64}
  action-encoder:
    type: world-model
    layers: [32, 16]
    training: {source: git.commits, pair_type: effect_similarity, epochs: 2, pairs: 400, batch_size: 64}
"""
TOGETHER = "state-encoder + action-encoder"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = make_project(tmp_path / "project", RECIPE)
    monkeypatch.chdir(made.root)
    workspace = workspace_of(made)
    run_model(workspace, lambda _: None)
    for name in ("state-encoder", "action-encoder"):
        for stage in ("pairs", "embeddings", "weights"):
            run_stage(workspace, name, stage, lambda _: None)
    return made


def test_the_transition_stands_beside_the_projections(project: Project) -> None:
    ran = patina("evaluate", "--json")
    assert (ran.code, ran.err) == (0, "")
    measured = json.loads(ran.out)["projections"]
    assert list(measured) == ["state-encoder", "action-encoder", TOGETHER]
    together = measured[TOGETHER]
    # 120 commits make 119 steps, of which a few leave the text of the state as it is.
    assert 100 <= together["training_steps"] + together["validation_steps"] + together["test_queries"] <= 119
    assert 8 <= together["test_queries"] <= 12
    for kind in ("base", "state_only", "trained"):
        assert 0 < together[kind]["mrr"]["low"] <= together[kind]["mrr"]["value"] <= 1
    assert f"\n{TOGETHER}  trained" in patina("evaluate").out
    assert patina("evaluate", "--only", "state-encoder").out.count("\n") == 5
    assert project.recipe.is_file()


def test_it_is_measured_with_what_saw_the_training_part_only(project: Project) -> None:
    paths = workspace_of(project).paths("state-encoder")
    record, (final, measured) = read_outputs(paths, "weights", ("safetensors", MEASURED))
    assert from_safetensors(measured, MEASURED).output_dims == 16
    assert (final != measured) == (record.facts["best_epoch"] > 0)


def test_other_events_ask_for_a_build_first(project: Project) -> None:
    add_events(project, [commit("f" * 40, "src/a.py", "src/b.py", hour=900)])
    ran = patina("evaluate")
    assert ran.code == 1
    assert ran.err == "patina: state-encoder was built from other events than there are now: run `patina oxidize`\n"
    assert TOGETHER not in ran.out
