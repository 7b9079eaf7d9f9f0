"""Ticks as Dagster's daemon makes them, on a real instance with our settings, over days of a made-up clock."""

import atexit
import gc
import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorTick
from dagster._core.test_utils import freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration
from sensor_helpers import built_template
from small_project import edit_recipe

from patina_assets.orchestration.instance import prepare_workspace
from patina_resources.project.project import Project, find_project

HOUR = 3600.0
LOGGER = logging.getLogger("daemon of tests")


@dataclass
class Daemon:
    """The part of the daemon that evaluates sensors."""

    project: Project
    instance: dg.DagsterInstance
    context: WorkspaceProcessContext

    def tick(self, now: float) -> None:
        """Evaluate every sensor that is due at a moment (seconds since 1970)."""
        with freeze_time(now):
            list(execute_sensor_iteration(self.context, LOGGER, None, None))

    def ticks(self, sensor: str) -> list[InstigatorTick]:
        """Return what is known of the ticks of a sensor, newest first."""
        (state,) = (state for state in self.instance.all_instigator_state() if state.instigator_name == sensor)
        return list(self.instance.get_ticks(state.instigator_origin_id, state.selector_id))


@contextmanager
def running_daemon(project: Project) -> Iterator[Daemon]:
    """Yield the daemon of a project's own instance, its definitions loaded in this process."""
    home = prepare_workspace([project])
    (location,) = (home / "locations").glob("*.py")
    # Within one process Dagster loads a file of a name once.
    file = home / f"daemon_{time.monotonic_ns()}.py"
    file.write_text(location.read_text())
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file=str(file)), location_name="project")
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget([origin])) as context,
    ):
        yield Daemon(project, instance, context)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Return the daemon of a project that is built."""
    shutil.copytree(built_template() / "project", tmp_path / "project")
    with running_daemon(find_project(tmp_path / "project")) as running:
        yield running


def test_days_of_ticks_leave_nothing_behind(daemon: Daemon) -> None:
    def handles() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    def files() -> list[Path]:
        return sorted(path for path in daemon.project.data.rglob("*") if not path.name.endswith(("-wal", "-shm")))

    start = time.time()
    for hour in range(4):
        # Our own clock is the real one: only after writes have settled is Dagster told, once, what is on disk.
        time.sleep(0.5)
        daemon.tick(start + hour * HOUR)
    assert daemon.ticks("oxidize_sensor")[0].tick_data.skip_reason == "nothing new"
    before, known, exit_handlers = handles(), files(), atexit._ncallbacks()
    hours = range(4, 48, 2)
    for hour in hours:
        daemon.tick(start + hour * HOUR)
    assert handles() <= before
    # To open an instance leaves three exit handlers for good, one for each of its databases: ticks may not. Dagster
    # itself opens a database now and then.
    assert atexit._ncallbacks() - exit_handlers < len(hours)
    assert files() == known
    assert daemon.instance.get_runs() == []
    for sensor in ("oxidize_sensor", "failure_notice"):
        ticks = daemon.ticks(sensor)
        assert Counter(tick.status.value for tick in ticks) == {"SKIPPED": len(ticks)}
        # Those without a result are kept for a day.
        assert len(ticks) <= 14
    assert daemon.ticks("oxidize_sensor")[0].tick_data.skip_reason == "nothing new"


def test_a_tick_that_asked_for_something_is_kept_longer(daemon: Daemon) -> None:
    start = time.time()
    daemon.tick(start)
    edit_recipe(daemon.project, "co_changed, epochs: 2", "co_changed, epochs: 1")
    with running_daemon(daemon.project) as reloaded:
        for second in range(60):  # until writes have settled
            reloaded.tick(start + 60 + second * 10)
            if reloaded.instance.get_runs():
                break
            time.sleep(0.1)
        (run,) = reloaded.instance.get_runs()
        assert run.status == dg.DagsterRunStatus.QUEUED
        for day in range(1, 40, 3):
            reloaded.tick(start + day * 24 * HOUR)
            asked = [tick for tick in reloaded.ticks("oxidize_sensor") if tick.status.value == "SUCCESS"]
            assert len(asked) == (1 if day < 30 else 0), day
        assert len(reloaded.instance.get_runs()) == 1
