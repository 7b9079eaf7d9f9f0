"""The pipeline as Dagster sees it: keys, groups, staleness tags, failures, on a real instance."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from eventlog_builder import commit
from small_project import add_events, delete_events, make_project, workspace_of

from patina_assets.definitions import broken_recipe, workspace_definitions
from patina_assets.orchestration.assets import stage_key
from patina_assets.orchestration.failures import step_sentence
from patina_assets.orchestration.metadata import stage_metadata
from patina_assets.pipeline.runner import StageOutcome
from patina_resources.project.project import Project
from patina_resources.store.manifests import StageRecord


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Return a Dagster instance with real storage."""
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as made:
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
    parents = {key.to_user_string() for key in graph.get(stage_key("over-time", "weights")).parent_keys}
    assert parents == {"over_time/pairs", "over_time/embeddings"}


def test_builds_then_reuses_with_the_same_data_versions(project: Project, instance: dg.DagsterInstance) -> None:
    first = run(project, instance)
    assert first.success
    assert not any(reused(first).values())
    versions = {key: data_version(instance, key) for key in first.job_def.asset_layer.asset_graph.get_all_asset_keys()}
    second = run(project, instance)
    assert all(reused(second).values())
    assert versions == {key: data_version(instance, key) for key in versions}
    third = run(project, instance, full=True)
    assert not any(reused(third).values())


def test_checks_pass_and_give_reasons(project: Project, instance: dg.DagsterInstance) -> None:
    result = run(project, instance)
    checks = result.get_asset_check_evaluations()
    assert len(checks) == 3 * 9 + 5 + 4
    assert all(check.description for check in checks)
    assert all(check.passed for check in checks if check.severity == dg.AssetCheckSeverity.ERROR)


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


def test_early_cutoff_inside_a_run(project: Project, instance: dg.DagsterInstance) -> None:
    run(project, instance)
    add_events(project, [commit("f" * 40, "only/one.py", hour=700)])
    assert all(reused(run(project, instance)).values())


def test_metadata_is_for_readers(project: Project, instance: dg.DagsterInstance) -> None:
    result = run(project, instance)
    events = {event.asset_key.to_user_string(): event for event in result.get_asset_materialization_events()}
    pairs = events["semantic/pairs"].materialization.metadata
    assert isinstance(pairs["samples"], dg.TableMetadataValue)
    assert len(pairs["samples"].records) == 10
    assert pairs["training_pairs"].value == 400
    weights = events["semantic/weights"].materialization.metadata
    assert isinstance(weights["mrr"].value, float)
    assert "semantic.safetensors" in str(weights["files"].value)
    assert events["semantic/index"].materialization.metadata["recall_at_10"].value >= 0.95


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


@pytest.mark.parametrize("stage", ["pairs", "embeddings", "weights"])
def test_a_stage_without_facts_has_a_page_too(project: Project, stage: str) -> None:
    record = StageRecord("fingerprint", {}, "digest", {})
    shown = stage_metadata(workspace_of(project), "semantic", stage, StageOutcome(record, False, (), 0.0))
    assert shown["digest"] == "digest"
    assert None not in shown.values()


def test_measures_are_shown_with_their_intervals(project: Project) -> None:
    row = {"vectors": "base", "mrr": 0.5, "mrr_low": 0.4, "mrr_high": 0.61234}
    record = StageRecord("fingerprint", {}, "digest", {}, {"evaluation": [row]})
    shown = stage_metadata(workspace_of(project), "semantic", "weights", StageOutcome(record, False, (), 0.0))
    (entry,) = shown["evaluation"].records
    assert entry.data == {"vectors": "base", "mrr [95 %]": "0.5000 [0.4000, 0.6123]"}


def test_an_unexpected_error_is_told_in_one_line(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def fails() -> None:
        raise ValueError("the disk\nis on fire")

    result = dg.materialize([fails], instance=instance, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert step_sentence(event) == "fails: ValueError: the disk is on fire"
