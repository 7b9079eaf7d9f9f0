"""Runs whose process is gone, and runs that are old."""

import os
import subprocess
import sys
import time

import dagster as dg
from dagster import DagsterRunStatus
from eventlog_builder import commit
from sensor_helpers import Sensor
from small_project import add_events

from patina_assets.orchestration.automation.orphans import delete_old_runs, fail_orphans, process_started

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
