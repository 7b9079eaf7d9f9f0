"""`patina evaluate`: the table, the JSON, and what it says where there is nothing to show."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from installations import give_key
from small_project import make_project, patina, workspace_of

from patina_assets.learning.evaluate import METRICS
from patina_assets.pipeline.runner import publish_lock, run_stage
from patina_assets.pipeline.stages.weights_page import BEATS_BASE
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import BuiltProjection, publish_stage
from patina_resources.store.manifests import read_manifest

STAGES = ("pairs", "embeddings", "weights", "index")


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project with two of its three projections built."""
    root = tmp_path_factory.mktemp("evaluation") / "project"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(give_key(tmp_path_factory.mktemp("mothership"))))
        workspace = workspace_of(make_project(root))
        from patina_assets.pipeline.runner import run_model

        run_model(workspace, lambda _: None)
        for name in ("semantic", "temporal"):
            for stage in STAGES:
                run_stage(workspace, name, stage, lambda _: None)
        publish_lock(workspace)
    return root


@pytest.fixture
def project(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(built_root)
    return find_project(built_root)


@pytest.mark.usefixtures("project")
def test_the_table_has_four_lines_a_projection_and_names_what_is_not_built() -> None:
    ran = patina("evaluate")
    assert ran.code == 1
    assert ran.err == "patina: dependency/weights is not built: run `patina oxidize --only dependency`\n"
    lines = ran.out.splitlines()
    assert " ".join(lines[0].split()) == (
        "projection vectors queries MRR 95 % recall@10 95 % triplet accuracy 95 % beats base in search"
    )
    assert [line.split()[:2] for line in lines[1:]] == [
        [name, vectors] for name in ("semantic", "temporal") for vectors in ("base", "random", "trained", "gain")
    ]


def test_json_has_what_the_manifest_has(project: Project) -> None:
    ran = patina("evaluate", "--only", "temporal", "--json")
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert document["embedding_model"] == "corpus-static"
    measured = document["projections"]["temporal"]
    facts = read_manifest(workspace_of(project).paths("temporal").manifest)["weights"].facts
    assert measured["trained"]["mrr"]["value"] == facts["metrics"]["mrr"]
    assert measured["base"]["recall_at_10"]["value"] == facts["metrics"]["base_recall_at_10"]
    assert measured["test_queries"] == facts["metrics"]["test_queries"] > 0
    for vectors in ("base", "random", "trained"):
        for metric in METRICS:
            entry = measured[vectors][metric]
            assert 0 <= entry["low"] <= entry["value"] <= entry["high"] <= 1
    validated = measured["validation_gain"]
    assert validated["low"] <= validated["value"] <= validated["high"]
    assert validated["queries"] == facts["metrics"]["validation_queries"] > 0
    assert measured["takes_part_in_search"] == (validated["verdict"] == "better")
    # What was made with modules in it is ranked better than by chance.
    assert measured["base"]["triplet_accuracy"]["low"] > 0.5


@pytest.mark.parametrize(
    ("low", "high", "queries", "verdict", "passed"),
    [
        (0.01, 0.15, 40, "better", True),
        (-0.11, 0.15, 40, "no clear difference", False),
        (-0.15, -0.01, 40, "worse", False),
        (0.01, 0.15, 5, "no clear difference", False),
    ],
)
def test_the_check_and_the_tables_have_three_states(
    project: Project, low: float, high: float, queries: int, verdict: str, passed: bool
) -> None:
    workspace = workspace_of(project)
    paths = workspace.paths("temporal")
    manifest = read_manifest(paths.manifest)
    facts = manifest["weights"].facts
    rows = [
        row | ({"mrr": (low + high) / 2, "mrr_low": low, "mrr_high": high} if row["vectors"] == "gain" else {})
        for row in facts["evaluation"]
    ]
    changed = {**facts, "evaluation": rows, "metrics": {**facts["metrics"], "test_queries": queries}}
    weights = replace(manifest["weights"], facts=changed)
    built = BuiltProjection(paths, {**manifest, "weights": weights})
    stage = workspace.projection("temporal").stage("weights")
    check = next(check for check in stage.checks(built) if check.name == BEATS_BASE)
    assert (check.passed, check.blocking) == (passed, False)
    assert check.reason.startswith(f"held-out: {verdict} (gain in MRR ")
    assert f"[{low:+.4f}, {high:+.4f}] at 95 %, {queries} queries)" in check.reason
    columns = {column.header: column.value(changed) for column in stage.columns}
    assert (columns["beats base"], columns["gain, 95 %"], columns["queries"]) == (verdict, [low, high], queries)
    table = stage.metadata(built)["base_and_trained"].rows
    assert [row["test"] for row in table if row["held-out"] == "beats base"] == [verdict]


def test_the_lock_has_the_intervals(project: Project) -> None:
    lock = yaml.safe_load(project.lock.read_bytes())
    low, high = lock["projections"]["temporal"]["intervals"]["trained"]["mrr"]
    assert low <= lock["projections"]["temporal"]["metrics"]["mrr"] <= high


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only", "temporl"), ("temporl", "did you mean 'temporal'", "semantic")),
        (("--only", "base"), ("unknown projection 'base'",)),
        (("--only", "dependency"), ("dependency/weights is not built", "patina oxidize --only dependency")),
    ],
)
@pytest.mark.usefixtures("project")
def test_wrong_names_and_what_is_not_built(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    ran = patina("evaluate", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert all(word in ran.err for word in words), ran.err


@pytest.mark.parametrize(
    ("evaluation", "words"), [(None, "built before there were intervals"), ([], "no held-out queries")]
)
def test_weights_without_measures(
    evaluation: list[object] | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built_root: Path
) -> None:
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    record = read_manifest(workspace_of(find_project(built_root)).paths("temporal").manifest)["weights"]
    facts = {name: value for name, value in record.facts.items() if name != "evaluation"}
    facts |= {} if evaluation is None else {"evaluation": evaluation}
    record = type(record)(record.fingerprint, record.inputs, record.digest, {}, facts)
    publish_stage(workspace_of(made).paths("temporal"), "weights", record, {})
    ran = patina("evaluate", "--only", "temporal")
    assert ran.code == 2
    assert words in ran.err
