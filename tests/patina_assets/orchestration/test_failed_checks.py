"""A failed check that blocks: the stage is not published, and what follows is not built, whoever builds."""

from collections.abc import Callable

import dagster as dg
import pytest
from sensor_helpers import SMALL_CHANGE, Sensor
from small_project import add_events, patina, workspace_of

from patina_assets.pipeline.stages.embeddings import UNIT_LENGTH, EmbeddingsStage
from patina_assets.pipeline.stages.stage import CheckResult
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.manifests import read_manifest

SENTENCE = (
    "temporal/embeddings: the check unit_length failed: 3 are not: what was built before stays; "
    "`patina oxidize --full` takes nothing from it"
)
EMBEDDINGS, INDEX = dg.AssetKey(["temporal", "embeddings"]), dg.AssetKey(["temporal", "index"])
CHECK = dg.AssetCheckKey(EMBEDDINGS, UNIT_LENGTH)


def built_by_dagster(sensor: Sensor) -> None:
    assert not sensor.run(sensor.requested())
    (run,) = sensor.instance.get_runs(limit=1)
    entries = sensor.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    ((step, failure),) = [
        (entry.dagster_event.step_key, entry.dagster_event.step_failure_data)
        for entry in entries
        if entry.dagster_event is not None
    ]
    assert step == "temporal__embeddings"
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == SENTENCE


def built_by_the_command(sensor: Sensor) -> None:
    done = patina("oxidize")
    assert done.code == 1
    assert f"patina: {SENTENCE}\n" in done.err
    sensor.requested()  # it tells Dagster of the build, too


@pytest.mark.parametrize("build", [built_by_dagster, built_by_the_command])
def test_it_is_held_back_and_what_follows_is_not_built(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch, build: Callable[[Sensor], None]
) -> None:
    monkeypatch.chdir(sensor.project.root)
    manifest = workspace_of(sensor.project).paths("temporal").manifest
    before = read_manifest(manifest)
    told = {key: sensor.instance.get_latest_materialization_event(key) for key in (EMBEDDINGS, INDEX)}
    really = EmbeddingsStage.checks

    def failing(stage: EmbeddingsStage, built: BuiltProjection) -> list[CheckResult]:
        found = [check for check in really(stage, built) if check.name != UNIT_LENGTH]
        return [*found, CheckResult(UNIT_LENGTH, stage.projection != "temporal", "3 are not")]

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddingsStage, "checks", failing)
        add_events(sensor.project, SMALL_CHANGE)
        build(sensor)
        after = read_manifest(manifest)
        assert after["pairs"] != before["pairs"]
        assert [after[name] for name in ("embeddings", "weights", "index")] == [
            before[name] for name in ("embeddings", "weights", "index")
        ]
        assert {key: sensor.instance.get_latest_materialization_event(key) for key in told} == told
        (record,) = sensor.instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=1)
        assert record.event is not None
        assert record.event.dagster_event is not None
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        assert (evaluation.passed, evaluation.description) == (False, "3 are not")
        assert evaluation.severity is dg.AssetCheckSeverity.ERROR
        # It is stale until it passes: a second try does not go on from what was held back.
        assert patina("oxidize").code == 1
        assert read_manifest(manifest) == after
    assert patina("oxidize").code == 0
    assert read_manifest(manifest)["index"].digest != before["index"].digest
