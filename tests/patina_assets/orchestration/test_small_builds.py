"""Small builds that go on without Dagster, where something is wrong."""

import json
import os
import signal
from typing import Any

import pytest
from sensor_helpers import SMALL_CHANGE, Sensor
from small_project import add_events, delete_events, patina, workspace_of

from patina_assets.pipeline import direct_build
from patina_assets.pipeline.direct_build import noted_files, read_noted
from patina_resources.errors import PatinaError
from patina_resources.eventlog import reader
from patina_resources.store import database


@pytest.fixture(autouse=True)
def _inside(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands in the project's folder."""
    monkeypatch.chdir(sensor.project.root)


def test_an_unexpected_error_is_one_line_and_the_others_go_on(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    add_events(sensor.project, SMALL_CHANGE)
    monkeypatch.setattr("patina_assets.pipeline.stages.pairs.build_pairs", fail)
    done = patina("oxidize")
    assert done.code == 1
    assert "patina: temporal: ZeroDivisionError\n" in done.err
    assert "base" in done.out


def test_a_lock_that_cannot_be_written_is_told_with_what_failed_before(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_events(sensor.project, "session.%")
    add_events(sensor.project, SMALL_CHANGE)

    def full(*_: object) -> None:
        raise PatinaError("oxidize.lock: cannot be written (No space left on device)")

    monkeypatch.setattr("patina_assets.pipeline.direct_build.publish_lock", full)
    done = patina("oxidize", "--json")
    assert done.code == 1
    assert json.loads(done.out)["failures"] == [
        line.removeprefix("patina: ")
        for line in done.err.splitlines()
        if ": the eventlog holds" in line or "No space" in line
    ]
    assert "oxidize.lock: cannot be written" in done.err
    assert "semantic: the eventlog holds 0 related pairs" in done.err
    (path,) = noted_files(sensor.project)
    build = read_noted(path)
    assert build is not None
    assert len(build.failures) == 2


def test_ctrl_c_while_sqlite_reads_for_a_stage_ends_the_build(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    add_events(sensor.project, SMALL_CHANGE)
    really = direct_build.run_stage

    def run_stage(*arguments: Any, **options: Any) -> Any:
        patch.setattr(database, "STEPS_BETWEEN_CHECKS", 1)
        patch.setattr(database.WorkLimit, "_is_used_up", lambda _: os.kill(os.getpid(), signal.SIGINT))
        return really(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(direct_build, "run_stage", run_stage)
        patch.setattr(reader, "MOST_KEPT_BYTES", 0)  # as of a large eventlog, which stages read again
        try:
            done = patina("oxidize")
        finally:
            signal.signal(signal.SIGINT, before)
    assert done.code == 130
    assert done.err.splitlines()[-1] == (
        "patina: interrupted; what is built is kept: `patina oxidize` goes on from there"
    )
    assert "eventlog" not in "".join(line for line in done.err.splitlines() if line.startswith("patina: "))
    assert patina("oxidize").code == 0
    assert patina("oxidize", "--dry-run", "--exit-code").code == 0


def test_what_a_killed_build_left_of_one_projection_goes_where_another_is_stale(sensor: Sensor) -> None:
    folder = workspace_of(sensor.project).paths("base").folder
    left = [folder / "base.base.usearch.0123456789abcdef.pending", folder / "projections/semantic.semantic.x.0.pending"]
    for path in left:
        path.write_text("half")
    sensor.project.lock.unlink()
    assert patina("oxidize", "--only", "temporal").code == 0
    assert [path.exists() for path in left] == [True, True]
    sensor.project.lock.unlink()
    assert patina("oxidize").code == 0
    assert [path.exists() for path in left] == [False, False]
