"""The pipeline as Dagster sees it: keys, groups, staleness tags, failures, on a real instance."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from eventlog_builder import commit
from sensor_helpers import quick_instance
from small_project import add_events, delete_events, make_project, workspace_of

from patina_assets.definitions import broken_recipe, workspace_definitions
from patina_assets.orchestration.automation.failures import step_sentence
from patina_assets.orchestration.keys import cache_key, model_asset_key, stage_key
from patina_assets.orchestration.metadata import SHOWN_DIGITS, Metadata, stage_metadata
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.manifests import StageRecord

DIGEST = re.compile(r"[0-9a-f]{40}")
# Those that the recipe names, and those that the corpus model learns from beside them.
SOURCES = 16
BUILT = {
    "model/corpus_static",
    *(
        f"{name}/{stage}"
        for name in ("semantic", "temporal", "dependency")
        for stage in ("pairs", "embeddings", "weights", "index")
    ),
    *(f"base/{stage}" for stage in ("items", "embeddings", "index")),
}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Return a Dagster instance with real storage."""
    with quick_instance(tmp_path / "instance") as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project that is not built."""
    return make_project(tmp_path / "project")


def run(project: Project, instance: dg.DagsterInstance, *, full: bool = False) -> dg.ExecuteInProcessResult:
    """Materialize everything with fresh definitions."""
    definitions = workspace_definitions(workspace_of(project))
    run_config = {
        "resources": {"build": {"config": {"full": full}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, raise_on_error=False, run_config=run_config
    )


@dataclass(frozen=True)
class FirstBuild:
    """A project that one run has built, its instance, and that run; nobody changes what is built."""

    project: Project
    instance: dg.DagsterInstance
    result: dg.ExecuteInProcessResult


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstBuild]:
    """Return a build that several tests look at."""
    folder = tmp_path_factory.mktemp("first")
    project = make_project(folder / "project")
    with quick_instance(folder / "instance") as instance:
        yield FirstBuild(project, instance, run(project, instance))


def reused(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Return for each materialized asset whether it was reused."""
    found = {}
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        if "reused" in metadata:
            found[event.asset_key.to_user_string()] = bool(metadata["reused"].value)
    return found


def data_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str:
    """Return the data version that Dagster remembers."""
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.tags["dagster/data_version"]


def test_keys_groups_and_descriptions(project: Project) -> None:
    project.recipe.write_text(project.recipe.read_text().replace("  temporal:", "  over-time:"))
    graph = workspace_definitions(workspace_of(project)).resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert {
        "source/git_co_changes",
        "model/corpus_static",
        "over_time/pairs",
        "over_time/embeddings",
        "over_time/weights",
        "over_time/index",
        "base/items",
        "base/index",
        "oxidize_lock",
    } <= keys
    assert graph.get(stage_key("over-time", "index")).group_name == "over_time"
    assert all(graph.get(key).description for key in graph.get_all_asset_keys())
    # One name for each group: that with which the keys of its assets begin.
    shared = [key for key in graph.get_all_asset_keys() if len(key.path) > 1]
    assert {key: graph.get(key).group_name for key in shared} == {key: key.path[0] for key in shared}
    checks = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert len(checks) > 9
    assert all(check.description for check in checks)
    parents = {key.to_user_string() for key in graph.get(stage_key("over-time", "weights")).parent_keys}
    assert parents == {"over_time/pairs", "over_time/embeddings"}


def test_builds_then_reuses_with_the_same_data_versions(first: FirstBuild) -> None:
    assert first.result.success
    assert reused(first.result) == dict.fromkeys(BUILT, False)
    keys = first.result.job_def.asset_layer.asset_graph.materializable_asset_keys
    versions = {key: data_version(first.instance, key) for key in keys}
    second = run(first.project, first.instance)
    assert reused(second) == dict.fromkeys(BUILT, True)
    assert versions == {key: data_version(first.instance, key) for key in versions}
    third = run(first.project, first.instance, full=True)
    assert reused(third) == dict.fromkeys(BUILT, False)
    assert [told_by(result) for result in (first.result, second, third)] == [4, 0, 4]


def told_by(result: dg.ExecuteInProcessResult) -> int:
    """Return how often a run said how large a cache is."""
    return sum(event.is_asset_observation for event in result.all_events)


def test_a_cache_stands_behind_what_fills_it_and_says_how_large_it_is(
    project: Project, instance: dg.DagsterInstance
) -> None:
    definitions = workspace_definitions(workspace_of(project), prefix=["team", "project"])
    graph = definitions.resolve_asset_graph()
    key = dg.AssetKey(["team", "project", *cache_key("corpus-static").path])
    model = dg.AssetKey(["team", "project", *model_asset_key("corpus-static").path])
    filled_by = {"base", "dependency", "semantic", "temporal"}
    assert {parent.path[-2] for parent in graph.get(key).parent_keys} == filled_by
    assert not graph.get(key).is_executable
    assert {parent.path[2] for parent in graph.get(model).parent_keys} == {"source"}
    config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    definitions.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance, run_config=config)
    records = instance.fetch_observations(key, limit=10).records
    assert len(records) == 4
    assert records[0].asset_observation is not None
    told = {name: entry.value for name, entry in records[0].asset_observation.metadata.items()}
    path = project.embedding_cache("corpus-static")
    with closing(sqlite3.connect(path)) as connection:
        assert told["vectors"] == connection.execute("SELECT COUNT(*) FROM vector").fetchone()[0]
    assert told["bytes"] == path.stat().st_size
    assert told["hit_rate"] == round(1 - told["new_texts"] / told["texts"], 4)


def test_checks_pass_and_give_reasons(first: FirstBuild) -> None:
    checks = first.result.get_asset_check_evaluations()
    assert len(checks) == 3 * 9 + 5 + SOURCES + len(["repository_is_read"])
    assert all(check.description for check in checks)
    figures = {name: check.metadata for check in checks for name in check.metadata if name != "reason"}
    assert {"items", "recall_at_10", "wrong", "vectors", "gain"} <= set(figures)
    assert all(check.passed for check in checks if check.severity == dg.AssetCheckSeverity.ERROR)


def test_nothing_that_is_built_or_told_names_the_place_of_the_project(first: FirstBuild) -> None:
    built = [path for path in first.project.data.rglob("*") if path.suffix in {".json", ".jsonl", ".lock"}]
    assert first.project.lock in built
    told = [
        *(path.read_text("utf-8") for path in built),
        *(str(event.message) for event in first.result.all_events),
        *map(str, first.result.get_asset_check_evaluations()),
        *(str(event.materialization) for event in first.result.get_asset_materialization_events()),
    ]
    assert [text for text in told if str(first.project.root) in text] == []


def test_a_failing_projection_says_why_and_the_others_are_built(project: Project, instance: dg.DagsterInstance) -> None:
    delete_events(project, "session.%")
    result = run(project, instance)
    assert not result.success
    failures = [event for event in result.all_events if event.is_step_failure]
    assert [event.step_key for event in failures] == ["semantic__pairs"]
    failure = failures[0].step_failure_data.user_failure_data
    assert failure is not None
    assert failure.description.startswith("semantic: the eventlog holds 0 related pairs")
    built = set(reused(result))
    assert {"temporal/index", "dependency/index", "base/index"} <= built
    assert project.lock.exists()


def test_early_cutoff_inside_a_run(first: FirstBuild, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    project = find_project(shutil.copytree(first.project.root, tmp_path / "project"))
    add_events(project, [commit("f" * 40, "only/one.py", hour=700)])
    # The commit itself can be found.
    found = {f"base/{stage}": False for stage in ("items", "embeddings", "index")}
    assert reused(run(project, instance)) == dict.fromkeys(BUILT, True) | found


def test_metadata_is_for_readers(first: FirstBuild) -> None:
    events = {event.asset_key.to_user_string(): event for event in first.result.get_asset_materialization_events()}
    pairs = events["semantic/pairs"].materialization.metadata
    assert isinstance(pairs["samples"], dg.TableMetadataValue)
    assert [record.data["role"] for record in pairs["samples"].records] == ["anchor", "positive", "negative"] * 10
    assert pairs["training_pairs"].value == 400
    assert 0.0 <= events["base/embeddings"].materialization.metadata["cache_hit_rate"].value < 1.0
    weights = events["semantic/weights"].materialization.metadata
    assert isinstance(weights["mrr"].value, float)
    assert "semantic.safetensors" in weights["provenance"].value["files"]
    assert "gain in MRR" in weights["verdict"].value
    assert [record.data["held-out"] for record in weights["base_and_trained"].records][-1] == "beats base"
    source = events["source/git_commits"].materialization.metadata
    rows = [record.data["values"] for record in source["sample"].records]
    assert len(rows) == 10
    assert all(" | " in row and len(row) < 200 for row in rows)
    lock = events["oxidize_lock"].materialization.metadata
    projections = [record.data["projection"] for record in lock["projections"].records]
    assert projections == ["semantic", "temporal", "dependency"]
    assert events["semantic/index"].materialization.metadata["recall_at_10"].value >= 0.95


def test_no_value_is_wider_than_its_column(first: FirstBuild) -> None:
    events = {event.asset_key.to_user_string(): event for event in first.result.get_asset_materialization_events()}
    shown = {name: dict(event.materialization.metadata) for name, event in events.items()}
    assert shown["oxidize_lock"].pop("lock").value["recipe_hash"].startswith("sha256:")  # it opens in a dialog
    assert shown["oxidize_lock"]["path"].value == ".patina/data/oxidize.lock"
    digest = shown["model/corpus_static"]["digest"].value
    assert len(digest) == SHOWN_DIGITS
    (model,) = shown["model/corpus_static"]["models"].records
    assert model.data["digest"] == digest
    wide = [(name, key) for name, values in shown.items() for key, value in values.items() if DIGEST.search(str(value))]
    assert wide == []


def test_a_broken_recipe_still_loads_and_shows_why(instance: dg.DagsterInstance) -> None:
    definitions = broken_recipe("oxidize.yaml:3: something is wrong")
    graph = definitions.resolve_asset_graph()
    assert "something is wrong" in (graph.get(dg.AssetKey("recipe")).description or "")
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, raise_on_error=False
    )
    failure = next(event for event in result.all_events if event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert data.description == "oxidize.yaml:3: something is wrong"


def shown_of(project: Project, stage: str, record: StageRecord) -> Metadata:
    """Return what the page of a stage shows, if this were its record."""
    workspace = workspace_of(project)
    built = BuiltProjection(workspace.paths("semantic"), {stage: record})
    return stage_metadata(workspace.projection("semantic").stage(stage), built)


@pytest.mark.parametrize("stage", ["pairs", "embeddings", "weights"])
def test_a_stage_without_facts_has_a_page_too(project: Project, stage: str) -> None:
    shown = shown_of(project, stage, StageRecord("fingerprint", {}, "digest", {}))
    assert shown["provenance"].value["digest"] == "digest"
    assert None not in shown.values()


def test_measures_are_shown_with_their_intervals(project: Project) -> None:
    row = {"vectors": "base", "mrr": 0.5, "mrr_low": 0.4, "mrr_high": 0.61234}
    record = StageRecord("fingerprint", {}, "digest", {}, {"evaluation": [row]})
    shown = shown_of(project, "weights", record)
    (entry,) = shown["evaluation"].records
    assert entry.data == {"measure": "mrr base", "value": "0.5000", "95 %": "0.4000 to 0.6123"}


def test_an_unexpected_error_is_told_in_one_line(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def fails() -> None:
        raise ValueError("the disk\nis on fire")

    result = dg.materialize([fails], instance=instance, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert step_sentence(event) == "fails: ValueError: the disk is on fire"
