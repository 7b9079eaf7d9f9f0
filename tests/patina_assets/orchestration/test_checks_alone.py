"""Checks that are run alone: they read what is on disk, and build nothing."""

import dagster as dg
import pytest
from eventlog_builder import commit
from sensor_helpers import Sensor
from small_project import add_events, workspace_of

from patina_resources.store.manifests import read_manifest

CHECKED = {
    "semantic/weights": {"shapes_match_recipe", "beats_base"},
    "base/index": {"every_item_is_indexed"},
    "source/git_commits": {"all_rows_readable"},
    "eventlog": {"repository_is_read"},
}


def check(sensor: Sensor, key: str, names: set[str] | None = None) -> dict[str, dg.AssetCheckEvaluation]:
    """Run checks of an asset alone, all or some, and return their results by name."""
    asset = dg.AssetKey.from_user_string(key)
    known = {found for found in sensor.repository.asset_graph.asset_check_keys if found.asset_key == asset}
    wanted = {found for found in known if names is None or found.name in names}
    job = sensor.definitions.resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_selection=set(), asset_check_selection=wanted).execute_in_process(
        instance=sensor.instance,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    assert result.get_asset_materialization_events() == []
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def manifests(sensor: Sensor) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sensor.project.data.rglob("*.manifest.json")}


def test_each_check_can_be_asked_for_alone(sensor: Sensor) -> None:
    graph = sensor.repository.asset_graph
    assert {key for key in graph.asset_check_keys if graph.get_execution_set_identifier(key) is not None} == set()


@pytest.mark.parametrize("key", CHECKED)
def test_it_gives_the_result_that_the_build_gave(sensor: Sensor, key: str) -> None:
    before = manifests(sensor)
    found = check(sensor, key)
    assert set(found) >= CHECKED[key]
    for name, evaluation in found.items():
        of_build = dg.AssetCheckKey(dg.AssetKey.from_user_string(key), name)
        *_, first = sensor.instance.event_log_storage.get_asset_check_execution_history(of_build, limit=9)
        assert first.event is not None
        assert first.event.dagster_event is not None
        told = first.event.dagster_event.asset_check_evaluation_data
        assert evaluation.passed == told.passed
        # The template was built elsewhere.
        assert str(evaluation.description).rpartition("/")[2] == str(told.description).rpartition("/")[2]
        assert evaluation.target_materialization_data is not None
    assert manifests(sensor) == before


def test_one_of_several_is_run_without_the_others(sensor: Sensor) -> None:
    assert set(check(sensor, "semantic/weights", {"shapes_match_recipe"})) == {"shapes_match_recipe"}


def test_a_damaged_file_fails_its_checks_in_one_sentence(sensor: Sensor) -> None:
    paths = workspace_of(sensor.project).paths("semantic")
    weights = paths.folder / read_manifest(paths.manifest)["weights"].outputs["safetensors"].file
    weights.write_bytes(b"other weights")
    for evaluation in check(sensor, "semantic/weights").values():
        assert not evaluation.passed
        assert evaluation.severity is dg.AssetCheckSeverity.ERROR
        sentence = evaluation.description or ""
        assert sentence.startswith(f"{weights.relative_to(sensor.project.root)}: ")
        assert "damaged (its digest is not the manifest's)" in sentence


def test_what_was_never_built_fails(sensor: Sensor) -> None:
    workspace_of(sensor.project).paths("semantic").manifest.unlink()
    assert {found.passed for found in check(sensor, "semantic/pairs").values()} == {False}


def test_events_since_the_build_change_nothing(sensor: Sensor) -> None:
    add_events(sensor.project, [commit("c" * 40, "src/parser/alone.py", hour=700)])
    assert {found.passed for found in check(sensor, "base/index").values()} == {True}
