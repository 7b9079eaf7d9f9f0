"""The notice of failed runs, on a real instance with runs that really fail."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sensor_helpers import Sensor, copied, origin_of, run_of
from small_project import delete_events
from webhook import choose_webhook, running_webhook


@pytest.fixture
def sensor(template: Path, tmp_path: Path) -> Iterator[Sensor]:
    with copied(template, tmp_path / "copy") as made:
        delete_events(made.project, "session.%")
        yield made


def notice(sensor: Sensor, cursor: str | None, location: str | None = None) -> tuple[str, str | None]:
    """Evaluate the notice of a code location once; return what it says and its cursor."""
    definition = sensor.definitions.resolve_sensor_def("failure_notice")
    with dg.SensorEvaluationContext(
        instance_ref=None,
        instance=sensor.instance,
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=cursor,
        repository_name=None,
        repository_def=sensor.repository,
        code_location_origin=origin_of(location) if location else None,
    ) as context:
        result = definition.evaluate_tick(context)
    assert not result.run_requests
    return str(result.skip_message), result.cursor


def fail(sensor: Sensor) -> None:
    """Run what cannot be built."""
    assert not sensor.run({"semantic/pairs"})


def fail_as(sensor: Sensor, location: str) -> dg.DagsterRun:
    """Return a run of a code location that failed without a step of its own."""
    run = run_of(sensor.instance, location)
    sensor.instance.report_run_failed(run, "its process ended")
    return run


def lines(sensor: Sensor) -> list[str]:
    """Return the lines of the log of failures."""
    log = sensor.project.failures_log
    return log.read_text().splitlines() if log.exists() else []


def test_each_failure_is_told_once_and_those_of_before_are_not(sensor: Sensor) -> None:
    fail(sensor)
    said, cursor = notice(sensor, None)
    assert said == "nothing to tell yet: failures from now on are told"
    assert notice(sensor, cursor) == ("nothing failed", cursor)
    fail(sensor)
    said, cursor = notice(sensor, cursor)
    assert said == "told of 1 failed runs in .patina/data/failures.log"
    newest = sensor.instance.get_runs(limit=1)[0]
    (line,) = lines(sensor)
    assert f"run {newest.run_id[:8]} __ASSET_JOB: " in line
    assert "semantic" in line.split("__ASSET_JOB: ")[1]
    assert notice(sensor, cursor) == ("nothing failed", cursor)
    assert lines(sensor) == [line]


def test_many_failures_are_told_over_several_ticks_in_their_order(sensor: Sensor) -> None:
    _, cursor = notice(sensor, None)
    for _ in range(7):
        fail(sensor)
    failed = [run.run_id[:8] for run in reversed(sensor.instance.get_runs(limit=7))]
    _, cursor = notice(sensor, cursor)
    assert [line.split()[2] for line in lines(sensor)] == failed[:5]
    _, cursor = notice(sensor, cursor)
    assert [line.split()[2] for line in lines(sensor)] == failed
    assert notice(sensor, cursor) == ("nothing failed", cursor)


def test_runs_of_another_location_and_deleted_runs_are_passed_over(sensor: Sensor) -> None:
    _, cursor = notice(sensor, None)
    run = fail_as(sensor, "another")
    said, after = notice(sensor, cursor)
    assert said == "nothing failed"
    assert json.loads(after or "")["record_id"] > json.loads(cursor or "")["record_id"]
    sensor.instance.delete_run(run.run_id)
    fail(sensor)
    assert notice(sensor, cursor)[0].startswith("told of 1 ")
    assert len(lines(sensor)) == 1


def test_a_run_of_the_own_location_is_told_with_what_ended_it(sensor: Sensor) -> None:
    _, cursor = notice(sensor, None, "mine")
    fail(sensor)
    fail_as(sensor, "another")
    run = fail_as(sensor, "mine")
    assert notice(sensor, cursor, "mine")[0].startswith("told of 1 ")
    (line,) = lines(sensor)
    assert f"run {run.run_id[:8]} {run.job_name}: " in line
    assert "its process ended" in line


@pytest.mark.parametrize("cursor", ["", "null", "[]", "{", '{"record_id": "7"}', "7"])
def test_a_cursor_that_holds_no_record_begins_anew(sensor: Sensor, cursor: str) -> None:
    said, after = notice(sensor, cursor)
    assert said.startswith("nothing to tell yet")
    assert isinstance(json.loads(after or "")["record_id"], int)


def test_the_cursor_of_earlier_versions_is_carried_on(sensor: Sensor) -> None:
    fail(sensor)
    dagsters_own = {"__class__": "RunStatusSensorCursor", "record_id": -1, "record_timestamp": None}
    assert notice(sensor, json.dumps(dagsters_own))[0].startswith("told of 1 ")


def test_a_webhook_is_told_and_one_that_does_not_answer_loses_no_line(sensor: Sensor) -> None:
    with running_webhook() as hook:
        choose_webhook(hook.url)
        sensor.reload()
        _, cursor = notice(sensor, None)
        fail(sensor)
        _, cursor = notice(sensor, cursor)
        (document,) = hook.received
    assert document["project"] == sensor.project.root.name
    assert document["run"] == sensor.instance.get_runs(limit=1)[0].run_id
    assert document["text"].startswith(f"{sensor.project.root.name}: semantic")
    fail(sensor)
    assert notice(sensor, cursor)[0].startswith("told of 1 ")
    first, second, third = lines(sensor)
    assert first.split(": ", 1)[1] == second.split(": ", 1)[1]
    assert " webhook http://127.0.0.1:" in third
    assert "secret" not in "".join(lines(sensor))


def test_a_webhook_that_only_the_repository_names_is_not_told(sensor: Sensor) -> None:
    with running_webhook() as hook:
        sensor.project.config_file.write_text(f'[automation]\nwebhook = "{hook.url}"\n')
        sensor.reload()
        _, cursor = notice(sensor, None)
        fail(sensor)
        assert notice(sensor, cursor)[0].startswith("told of 1 ")
    assert hook.received == []
    assert len(lines(sensor)) == 1
    description = sensor.definitions.resolve_sensor_def("failure_notice").description or ""
    assert "webhook: http://127.0.0.1:" in description
    assert " is not used: " in description


def test_a_webhook_is_told_no_place_of_this_machine(sensor: Sensor) -> None:
    eventlog = sensor.project.eventlog()
    eventlog.unlink()
    with running_webhook() as hook:
        choose_webhook(hook.url, sensor.project.root)
        sensor.reload()
        _, cursor = notice(sensor, None)
        fail(sensor)
        notice(sensor, cursor)
    ((told, line),) = zip([document["text"] for document in hook.received], lines(sensor), strict=True)
    assert f" {eventlog.relative_to(sensor.project.root)}: " in line
    assert told == f"{sensor.project.root.name}: " + line.split("__ASSET_JOB: ")[1]


def test_the_log_may_be_deleted(sensor: Sensor) -> None:
    _, cursor = notice(sensor, None)
    fail(sensor)
    _, cursor = notice(sensor, cursor)
    sensor.project.failures_log.unlink()
    fail(sensor)
    notice(sensor, cursor)
    assert len(lines(sensor)) == 1
