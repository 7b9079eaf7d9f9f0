"""What happens alone: decisions against a made-up clock, then the sensor itself on a real instance."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from eventlog_builder import commit
from refusals import refusal
from sensor_helpers import Sensor, build_template, copied
from small_project import add_events, delete_events, edit_recipe, make_project
from webhook import running_webhook

from patina_assets.definitions import project_definitions
from patina_assets.orchestration.assets import stage_key
from patina_assets.orchestration.automation import (
    LEFT_ALONE,
    RETRY_SECONDS,
    Attempt,
    Decision,
    Memory,
    Probe,
    before_survey,
    decide,
    decode_memory,
    encode_memory,
)
from patina_assets.orchestration.http_post import post_json
from patina_assets.orchestration.orphans import delete_old_runs, fail_orphans, process_started
from patina_assets.pipeline.staleness import LOCK, MODEL, StageVerdict
from patina_resources.project.project import Project

SETTLE = 5.0
NOW = 1_800_000_000.0
FRESH = [
    StageVerdict(MODEL, "corpus-static", "fresh"),
    StageVerdict("a", "weights", "fresh"),
    StageVerdict("b", "weights", "fresh"),
    StageVerdict(LOCK, LOCK, "fresh"),
]
INPUTS = {"a": "1", "b": "1", LOCK: "1"}


def stale(*names: str) -> list[StageVerdict]:
    """Return verdicts in which these projections, and with them the lock, are stale."""
    return [
        replace(verdict, status="stale", reasons=("epochs 1 -> 2",))
        if verdict.projection in {LOCK, *names}
        else verdict
        for verdict in FRESH
    ]


def asked(decision: Decision) -> set[str]:
    """Return the projections that a decision asks for."""
    return {verdict.projection for verdict in decision.verdicts}


# Decisions


def test_nothing_new_is_noticed_before_anything_is_read() -> None:
    probe = Probe("x", NOW - 100)
    memory = decide(Memory(), probe, FRESH, INPUTS, NOW).memory
    assert before_survey(memory, probe, NOW + 1, SETTLE) == (memory, "nothing new")
    assert before_survey(memory, Probe("y", NOW - 100), NOW + 1, SETTLE)[1] == ""


def test_writes_settle_first() -> None:
    memory, waiting = before_survey(Memory(), Probe("x", NOW - 1), NOW, SETTLE)
    assert "waiting" in waiting
    memory, waiting = before_survey(memory, Probe("y", NOW + 3), NOW + 4, SETTLE)
    assert "waiting" in waiting
    assert before_survey(memory, Probe("y", NOW + 3), NOW + 8, SETTLE)[1] == ""


def test_a_file_from_the_future_settles_too() -> None:
    probe = Probe("x", NOW + 9999)
    memory, waiting = before_survey(Memory(), probe, NOW, SETTLE)
    assert waiting
    assert before_survey(memory, probe, NOW + SETTLE, SETTLE)[1] == ""


def test_a_clock_that_went_back_holds_nothing_up() -> None:
    probe = Probe("x", NOW)
    failed = Memory(
        "x", NOW, "x", NOW + 40, attempts={"a": Attempt("1", 1, NOW + 40), "b": Attempt("1", 9, LEFT_ALONE)}
    )
    back = NOW - 1e8
    memory, waiting = before_survey(failed, probe, back, SETTLE)
    assert "waiting until nothing is written" in waiting
    assert (memory.due, memory.attempts["a"].retry_at) == (back, back)
    assert memory.attempts["b"].retry_at == LEFT_ALONE
    assert before_survey(memory, probe, back + SETTLE, SETTLE)[1] == ""


def test_exactly_what_is_stale_is_asked_for_once() -> None:
    first = decide(Memory(), Probe("x", 0), stale("a"), INPUTS, NOW)
    assert asked(first) == {"a", LOCK}
    assert first.reason == "a/weights: epochs 1 -> 2 | oxidize_lock: epochs 1 -> 2"
    done = decide(first.memory, Probe("y", 0), FRESH, INPUTS, NOW + 10)
    assert asked(done) == set()
    assert done.memory.attempts == {}


def test_a_failure_is_retried_with_growing_waits_then_left_alone_while_others_go_on() -> None:
    memory, now, times = Memory(), NOW, []
    for _ in range(200):
        decision = decide(memory, Probe("x", 0), stale("a"), INPUTS, now)
        memory = decision.memory
        if asked(decision):
            times.append(now)
        now += 60
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 1 + len(RETRY_SECONDS)
    assert all(wait >= least for wait, least in zip(waits, RETRY_SECONDS, strict=True))
    assert memory.attempts["a"].retry_at == LEFT_ALONE
    assert memory.due is None
    both = decide(memory, Probe("x", 0), stale("a", "b"), INPUTS, now)
    assert asked(both) == {"b", LOCK}
    assert asked(decide(memory, Probe("z", 0), stale("a"), {**INPUTS, "a": "2"}, now)) == {"a", LOCK}


def test_a_retry_is_due_although_nothing_changed() -> None:
    probe = Probe("x", 0)
    memory = decide(Memory(), probe, stale("a"), INPUTS, NOW).memory
    memory = decide(memory, probe, stale("a"), INPUTS, NOW + 10).memory
    assert before_survey(memory, probe, NOW + 20, SETTLE)[1] == "nothing new; a failed and is tried again in 20 s"
    assert before_survey(memory, probe, NOW + 41, SETTLE)[1] == ""


def test_the_lock_alone_can_be_stale() -> None:
    assert asked(decide(Memory(), Probe("x", 0), stale(), INPUTS, NOW)) == {LOCK}


def test_the_memory_survives_as_a_cursor() -> None:
    memory = decide(Memory(), Probe("x", 0), stale("a", "b"), INPUTS, NOW).memory
    assert decode_memory(encode_memory(memory)) == memory
    for damaged in (None, "", "[]", "null", "{", '{"unknown": 1}', '{"attempts": {"a": {"b": 1}}}', '{"attempts": 3}'):
        assert decode_memory(damaged) == Memory()


# The sensor


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project that is built, and its Dagster instance."""
    return build_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def sensor(template: Path, tmp_path: Path) -> Iterator[Sensor]:
    """Return the sensor of a project that is built, with nothing to do."""
    with copied(template, tmp_path / "copy") as made:
        assert made.requested() == set()
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project that is not built."""
    return make_project(tmp_path / "project")


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


def test_a_failing_projection_waits_and_the_others_go_on(sensor: Sensor) -> None:
    delete_events(sensor.project, "session.%")
    keys = sensor.requested()
    assert "semantic/pairs" in keys
    assert not sensor.run(keys)
    result = sensor.settled_tick()
    assert not result.run_requests
    assert "semantic failed and is tried again in 30 s" in str(result.skip_reason)
    edit_recipe(sensor.project, "co_changed, epochs: 2", "co_changed, epochs: 1")
    sensor.reload()
    assert sensor.requested() == {"temporal/weights", "temporal/index", "oxidize_lock"}


def test_a_lost_file_is_built_again(sensor: Sensor) -> None:
    sensor.project.projection_paths("corpus-static", "temporal").index.unlink()
    assert sensor.requested() == {"temporal/index", "oxidize_lock"}


def test_an_edited_recipe_is_told_and_a_broken_one_says_why(sensor: Sensor) -> None:
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
    (tmp_path / "other").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "other")) as other:
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
        assert materializations(other) == count + 1  # the source that changed


# Runs whose process is gone


SLEEPER = """
import time
import dagster as dg

@dg.op
def sleeps(): time.sleep(600)

@dg.job(executor_def=dg.in_process_executor)
def waits(): sleeps()

with dg.DagsterInstance.get() as instance:
    waits.execute_in_process(instance=instance)
"""


def test_a_run_whose_process_was_killed_is_failed(sensor: Sensor) -> None:
    started = dg.RunsFilter(statuses=[DagsterRunStatus.STARTED])
    environment = os.environ | {"DAGSTER_HOME": sensor.instance.root_directory}
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not any(has_process(sensor.instance, run) for run in sensor.instance.get_runs(started)):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert fail_orphans(sensor.instance, None) == []
        add_events(sensor.project, [commit("b" * 40, "one.py", "two.py", hour=902)])
        assert "queued or running" in str(sensor.settled_tick().skip_reason)
    finally:
        process.kill()
        process.wait()
    assert sensor.settled_tick().run_requests
    assert sensor.instance.get_runs(started) == []


def has_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether a run has reported its process."""
    logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    return any("pid" in entry.dagster_event.engine_event_data.metadata for entry in logs)


def test_processes_are_known_by_number_and_start() -> None:
    started = process_started(os.getpid())
    assert started is not None
    assert started <= time.time() + 1
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert process_started(child.pid) is None


def test_old_runs_are_deleted(sensor: Sensor) -> None:
    assert delete_old_runs(sensor.instance, time.time()) == []
    assert len(delete_old_runs(sensor.instance, time.time() + 31 * 86_400)) == 1
    assert sensor.requested() == set()


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
        sensor.project.config_file.write_text(f'[automation]\nwebhook = "{hook.url}"\n')
        sensor.reload()
        notice = sensor.definitions.resolve_sensor_def("failure_notice")
        assert f"posts it to {hook.url.split('/secret')[0]}" in (notice.description or "")
        assert "secret" not in (notice.description or "")
    assert refusal(lambda: post_json(hook.url, {}, 5)).startswith("http://127.0.0.1:")
    for wrong in ("file:///secret", "http://a b/secret", "http://[1/secret"):
        assert "secret" not in refusal(lambda url=wrong: post_json(url, {}, 5))
