"""What happens alone: the sensor itself on a real instance."""

import gc
import math
from pathlib import Path

import dagster as dg
import pytest
from amounts import SOAK
from eventlog_builder import commit
from refusals import refusal
from sensor_helpers import Sensor, quick_instance
from small_project import add_events, delete_events, edit_recipe
from webhook import choose_webhook, running_webhook

from patina_assets.definitions import project_definitions
from patina_assets.orchestration.automation import decisions, reload
from patina_assets.orchestration.automation.http_post import post_json
from patina_assets.orchestration.instance import prepare_home
from patina_assets.orchestration.keys import stage_key
from patina_resources.project.project import Project

# The sensor


def test_it_asks_for_what_an_event_touches_and_what_follows(sensor: Sensor) -> None:
    add_events(sensor.project, [commit("e" * 40, "src/recipe/schema.py", "src/recipe/field.py", hour=900)])
    keys = sensor.requested()
    assert {key for key in keys if not key.startswith("source/")} == {
        *(f"temporal/{stage}" for stage in ("pairs", "embeddings", "weights", "index")),
        *(f"base/{stage}" for stage in ("items", "embeddings", "index")),
        "oxidize_lock",
    }
    assert sensor.run(keys)
    assert sensor.requested() == set()
    assert sensor.tick().skip_reason.skip_message == "nothing new"


def test_it_asks_again_under_another_run_key_when_the_recipe_goes_back(sensor: Sensor) -> None:
    seen = set()
    for before, after in ((2, 3), (3, 2)):
        edit_recipe(sensor.project, f"same_session, epochs: {before}", f"same_session, epochs: {after}")
        sensor.reload()
        (request,) = sensor.settled_tick().run_requests or []
        keys = {key.to_user_string() for key in request.asset_selection or ()}
        assert keys == {"semantic/weights", "semantic/index", "oxidize_lock"}
        seen.add(request.run_key)
        assert sensor.run(keys)
        assert sensor.requested() == set()
    assert len(seen) == 2


def test_a_failing_projection_waits_and_the_others_go_on(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine the others may take longer than what is waited then.
    assert decisions.RETRY_SECONDS[0] == 30.0
    monkeypatch.setattr(decisions, "RETRY_SECONDS", (1e6, *decisions.RETRY_SECONDS))
    delete_events(sensor.project, "session.%")
    keys = sensor.requested()
    assert "semantic/pairs" in keys
    assert not sensor.run(keys)
    result = sensor.settled_tick()
    assert not result.run_requests
    assert "semantic failed and is tried again in " in str(result.skip_reason)
    edit_recipe(sensor.project, "co_changed, epochs: 2", "co_changed, epochs: 1")
    sensor.reload()
    assert sensor.requested() == {"temporal/weights", "temporal/index", "oxidize_lock"}


def test_a_lost_file_is_built_again(sensor: Sensor) -> None:
    sensor.project.projection_paths("corpus-static", "temporal").index.unlink()
    assert sensor.requested() == {"temporal/index", "oxidize_lock"}


def test_an_edited_recipe_is_told_and_a_broken_one_says_why(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    # No web UI has said yet that it is not there, however long a tick takes.
    monkeypatch.setattr(reload, "_asked", {})
    monkeypatch.setattr(reload, "_send", lambda _: None)
    monkeypatch.setattr(reload, "GIVE_UP_SECONDS", math.inf)
    text = sensor.project.recipe.read_text()
    sensor.project.recipe.write_text(text + "nonsense: 3\n")
    assert "being loaded again" in str(sensor.tick())
    sensor.reload()
    assert "nonsense" in str(sensor.tick())
    sensor.project.recipe.write_text(text)
    assert "being loaded again" in str(sensor.tick())
    sensor.reload()
    assert sensor.requested() == set()


def test_an_eventlog_that_cannot_be_read_is_looked_at_again(sensor: Sensor) -> None:
    log = sensor.project.eventlog()
    content = log.read_bytes()
    log.write_bytes(b"not a database" * 100)
    assert "is not an SQLite database" in str(sensor.settled_tick().skip_reason)
    log.write_bytes(content)
    assert sensor.requested() == set()


@pytest.mark.skipif(not SOAK, reason="long form: make soak")
def test_48_hours_of_ticks_leave_nothing_behind(sensor: Sensor) -> None:
    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        sensor.tick()
    gc.collect()
    before, files = handles(), sorted(sensor.project.data.rglob("*"))
    for _ in range(48 * 120):  # every 30 seconds
        assert sensor.tick().skip_reason.skip_message == "nothing new"
    gc.collect()
    assert handles() <= before
    assert sorted(sensor.project.data.rglob("*")) == files
    assert len(sensor.cursor or "") < 2000


# What Dagster believes


def materializations(instance: dg.DagsterInstance) -> int:
    """Return how many materializations an instance knows."""
    keys = instance.all_asset_keys()
    return sum(len(instance.fetch_materializations(key, limit=100).records) for key in keys)


def test_what_was_built_elsewhere_is_reported(sensor: Sensor, tmp_path: Path) -> None:
    with quick_instance(tmp_path / "other") as other:
        elsewhere = Sensor(sensor.project, other)
        key = stage_key("semantic", "weights")
        assert other.get_latest_materialization_event(key) is None
        assert elsewhere.requested() == set()
        event = other.get_latest_materialization_event(key)
        mine = sensor.instance.get_latest_materialization_event(key)
        assert event is not None
        assert mine is not None
        ours, theirs = (entry.asset_materialization.tags for entry in (mine, event))  # type: ignore[union-attr]
        assert {*theirs, "dagster/data_version_is_user_provided"} == set(ours)
        assert all(ours[name] == value for name, value in theirs.items() if "event_pointer" not in name)
        shown, built = (entry.asset_materialization.metadata for entry in (event, mine))  # type: ignore[union-attr]
        assert set(shown) == set(built) - {"reused", "reasons", "seconds"} | {"found"}
        count = materializations(other)
        add_events(sensor.project, [commit("a" * 40, "one.py", "two.py", hour=901)])
        elsewhere.settled_tick()
        # The eventlog has changed, so that each source was looked at, and the model with them; nothing else is told.
        sources = [key for key in elsewhere.repository.asset_graph.get_all_asset_keys() if key.path[0] == "source"]
        assert materializations(other) == count + len(["eventlog", *sources, "model"])
        elsewhere.settled_tick()
        assert materializations(other) == count + len(["eventlog", *sources, "model"])


# Schedule, notice, settings


def test_the_nightly_schedule_asks_for_what_is_stale(sensor: Sensor) -> None:
    schedule = sensor.definitions.resolve_schedule_def("nightly_oxidize")
    context = dg.build_schedule_context(sensor.instance, repository_def=sensor.repository)
    (skipped,) = [schedule.evaluate_tick(context)]
    assert skipped.skip_message == "nothing is stale"
    edit_recipe(sensor.project, "co_changed, epochs: 2", "co_changed, epochs: 1")
    (request,) = schedule.evaluate_tick(context).run_requests or []
    assert {key.to_user_string() for key in request.asset_selection or ()} == {
        "temporal/weights",
        "temporal/index",
        "oxidize_lock",
    }


@pytest.mark.parametrize("line", ['cron = "every night"', 'timezone = "Mars/Olympus"', 'cron = "99 3 * * *"'])
def test_a_wrong_cron_or_time_zone_is_shown_like_a_wrong_recipe(project: Project, line: str) -> None:
    project.config_file.write_text(f"[automation]\n{line}\n")
    description = project_definitions(project.root).resolve_asset_graph().get(dg.AssetKey("recipe")).description
    assert "[automation] cron" in (description or "")
    assert line.split('"')[1] in (description or "")


def test_a_broken_recipe_leaves_the_graph_of_the_last_good_one_to_be_looked_at(sensor: Sensor) -> None:
    prepare_home(sensor.project)
    sensor.reload()
    good = {key for key in sensor.repository.asset_graph.get_all_asset_keys() if key.path[0] != "recipe"}
    sensors = {one.name for one in sensor.repository.sensor_defs}
    edit_recipe(sensor.project, "co_changed, epochs: 2", "co_changed, epochs: many")
    sensor.reload()
    # The daemon still asks for each of them in its present round.
    assert {one.name for one in sensor.repository.sensor_defs} == sensors
    graph = sensor.repository.asset_graph
    recipe = dg.AssetKey("recipe")
    assert graph.get_all_asset_keys() == good | {recipe}
    assert graph.materializable_asset_keys == {recipe}
    weights = graph.get(dg.AssetKey(["temporal", "weights"]))
    assert weights.parent_keys == {dg.AssetKey(["temporal", "pairs"]), dg.AssetKey(["temporal", "embeddings"])}
    for _ in range(2):
        assert "epochs" in str(sensor.tick().skip_message)
    check = dg.AssetCheckKey(recipe, "readable")
    (found,) = sensor.instance.event_log_storage.get_asset_check_execution_history(check, limit=9)
    evaluation = found.event.dagster_event.asset_check_evaluation_data
    assert (evaluation.passed, "epochs" in evaluation.description) == (False, True)


def test_a_project_that_was_away_is_loaded_again_when_it_is_back(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_asked", {})  # each time, another process has the definitions
    folder = sensor.project.root / ".patina"
    folder.rename(folder.with_name("away"))
    sensor.reload()
    assert "no .patina folder" in str(sensor.tick().skip_message)
    folder.with_name("away").rename(folder)
    assert "being loaded again" in str(sensor.tick())
    sensor.reload()
    assert sensor.requested() == set()


def test_automation_is_on_and_can_be_switched_off(project: Project) -> None:
    def states() -> tuple[object, object]:
        definitions = project_definitions(project.root)
        return (
            definitions.resolve_sensor_def("oxidize_sensor").default_status.value,
            definitions.resolve_schedule_def("nightly_oxidize").default_status.value,
        )

    assert states() == ("RUNNING", "RUNNING")
    project.config_file.write_text("[automation]\nsensor = false\nnightly = false\n")
    assert states() == ("STOPPED", "STOPPED")


def test_a_webhook_receives_json_and_its_path_stays_secret(sensor: Sensor) -> None:
    with running_webhook() as hook:
        post_json(hook.url, {"text": "semantic: é"}, 5)
        assert hook.received == [{"text": "semantic: é"}]
        choose_webhook(hook.url, sensor.project.root)
        sensor.reload()
        notice = sensor.definitions.resolve_sensor_def("failure_notice")
        assert f"Posts it to {hook.url.split('/secret')[0]}" in (notice.description or "")
        assert "secret" not in (notice.description or "")
    assert refusal(lambda: post_json(hook.url, {}, 5)).startswith("http://127.0.0.1:")
    for wrong in ("file:///secret", "http://a b/secret", "http://[1/secret"):
        assert "secret" not in refusal(lambda url=wrong: post_json(url, {}, 5))
