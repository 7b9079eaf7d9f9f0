"""Kept weights in a real Dagster instance: badges, the drift over time, and the night that renews."""

import dagster as dg
import pytest
from eventlog_builder import commit
from sensor_helpers import Sensor, badges
from small_project import add_events, workspace_of

from patina_resources.store.manifests import StageRecord, read_manifest

WEIGHTS = dg.AssetKey(["temporal", "weights"])
SMALL = [commit("a" * 40, "src/parser/alone.py", "src/parser/grammar.py", hour=600)]


def record(sensor: Sensor) -> StageRecord:
    return read_manifest(workspace_of(sensor.project).paths("temporal").manifest)["weights"]


def materialization(sensor: Sensor) -> dg.AssetMaterialization:
    event = sensor.instance.get_latest_materialization_event(WEIGHTS)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization


def test_what_the_sensor_asks_for_keeps_weights_and_leaves_every_badge_fresh(sensor: Sensor) -> None:
    before, version = record(sensor), materialization(sensor).tags
    add_events(sensor.project, SMALL)
    asked = sensor.requested()
    assert {"temporal/pairs", "temporal/weights", "temporal/index"} <= asked
    assert sensor.run(asked)
    kept, shown = record(sensor), materialization(sensor)
    assert kept.digest == before.digest
    assert kept.lineage is not None
    assert shown.tags["dagster/data_version"] == version["dagster/data_version"]
    assert shown.metadata["drift"].value == pytest.approx(1 / 277, abs=1e-4)
    assert shown.metadata["trained_on"].value == pytest.approx(276 / 277, abs=1e-4)
    assert shown.metadata["reused"].value is True
    assert shown.metadata["reasons"].value == "trained on 99.6% of today's pairs"
    assert {node["staleStatus"] for node in badges(sensor).values()} == {"FRESH"}
    assert sensor.requested() == set()


def test_the_night_trains_anew_what_was_kept(sensor: Sensor) -> None:
    add_events(sensor.project, SMALL)
    assert sensor.run(sensor.requested())
    kept = record(sensor)
    schedule = sensor.definitions.resolve_schedule_def("nightly_oxidize")
    context = dg.build_schedule_context(sensor.instance, repository_def=sensor.repository)
    (request,) = schedule.evaluate_tick(context).run_requests or []
    asked = {key.to_user_string() for key in request.asset_selection or ()}
    # The commit brought a text that the corpus model has not seen: all that is built from it follows.
    assert {"model/corpus_static", "temporal/weights", "temporal/index", "base/index", "oxidize_lock"} <= asked
    job = sensor.definitions.resolve_implicit_global_asset_job_def()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    assert job.execute_in_process(
        instance=sensor.instance,
        asset_selection=list(request.asset_selection or ()),
        run_config={**request.run_config, **quiet},
    ).success
    renewed = record(sensor)
    assert renewed.is_clean
    assert not kept.is_clean
    assert renewed.digest != kept.digest
    assert {node["staleStatus"] for node in badges(sensor).values()} == {"FRESH"}
    # The next night finds a clean build.
    assert schedule.evaluate_tick(context).skip_message == "nothing is stale"
