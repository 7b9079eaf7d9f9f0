"""Runs of a fleet on workers: Dagster's launcher for Celery with its faults mended, and the application of a worker.

    celery -A patina_assets.fleet.queueing worker --concurrency 1

One task is one run. A message is acknowledged when a worker begins with it, so that no healthy run is delivered twice,
however long it takes. Whether a run goes on is asked of the workers themselves: the result of a task says `STARTED` for
ever where a worker was killed, and is forgotten where the broker was restarted.
docs/decisions/0024-a-fleet-on-workers.md names the faults of the launcher as it is shipped (dagster-celery 0.29.27).
"""

import math
import os
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import dagster as dg
from celery import Celery
from dagster._core.launcher import CheckRunHealthResult, ResumeRunContext, WorkerStatus
from dagster._grpc.types import ResumeRunArgs
from dagster._serdes import pack_value
from dagster_celery.config import TASK_RESUME_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.make_app import make_app
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task
from kombu.exceptions import OperationalError

from patina_resources.errors import PatinaError

BROKER_VARIABLE = "PATINA_FLEET_BROKER"
ANSWER_SECONDS = 3.0
# One look serves the checks of all runs in these seconds.
LOOK_SECONDS = 10.0
# A worker that is busy for a moment is not taken for a dead one.
MOST_MISSES = 3
WORKER_SETTINGS: Mapping[str, Any] = {
    "task_acks_late": False,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "worker_max_tasks_per_child": 100,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "worker_hijack_root_logger": False,
}


class FleetRunLauncher(CeleryRunLauncher):
    """Starts runs as tasks of Celery, and tells by the workers whether they go on."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401 - as the launcher has it
        """Take the settings of dagster.yaml, as `CeleryRunLauncher` does."""
        super().__init__(*arguments, **settings)
        # By run: how many looks have missed it, and when the last of them was.
        self._misses: dict[str, tuple[int, float]] = {}
        self._looked, self._active = -math.inf, frozenset[str]()

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Tell whether a worker has a run: failed, where none has it any more and it has not ended."""
        task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG, "")
        try:
            active = self._active_tasks()
        except self._broker_errors() as error:  # nothing is known: the run may go on
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"the broker does not answer: {error}")
        # Asked in this order: it may have ended between the two questions.
        now = self._instance.get_run_by_id(run.run_id)
        if task in active or now is None or now.is_finished:
            self._misses.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING if task in active else WorkerStatus.SUCCESS)
        missed, look = self._misses.get(run.run_id, (0, -math.inf))
        missed += look != self._looked  # what was seen once is one miss, however often it is asked for
        self._misses[run.run_id] = missed, self._looked
        if missed < MOST_MISSES:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"no worker has it: look {missed} of {MOST_MISSES}")
        self._misses.pop(run.run_id)
        return CheckRunHealthResult(WorkerStatus.FAILED, "no worker has this run any more: its worker was ended")

    def resume_run(self, context: ResumeRunContext) -> None:
        """Resume a run, by the keyword that the task has."""
        run = context.dagster_run
        if run.job_code_origin is None:
            raise PatinaError(f"{run.run_id}: cannot be resumed: it does not say which code it runs")
        arguments = ResumeRunArgs(
            job_origin=run.job_code_origin,
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
            set_exit_code_on_failure=True,
        )
        signature = create_resume_job_task(self.celery).si(resume_job_args_packed=pack_value(arguments))
        self._launch_celery_task_run(run=run, task_signature=signature, routing_key=TASK_RESUME_JOB_NAME)

    def _broker_errors(self) -> tuple[type[Exception], ...]:
        """Return what a broker raises that is away: on a connection that it had, the errors of its own library."""
        with self.celery.connection_for_read() as connection:
            return OperationalError, OSError, *connection.connection_errors

    def _active_tasks(self) -> frozenset[str]:
        """Return the tasks that workers are at now.

        Raises:
            Exception: One of `_broker_errors`: the broker cannot be reached.
        """
        if time.monotonic() - self._looked > LOOK_SECONDS:
            answers = self.celery.control.inspect(timeout=ANSWER_SECONDS).active() or {}
            self._active = frozenset(task["id"] for tasks in answers.values() for task in tasks)
            self._looked = time.monotonic()
        return self._active


@lru_cache(maxsize=1)
def worker_app() -> Celery:
    """Return the application of a worker: the broker of PATINA_FLEET_BROKER, and the tasks that the launcher sends.

    Raises:
        PatinaError: No broker is named.
    """
    broker = os.environ.get(BROKER_VARIABLE)
    if not broker:
        raise PatinaError(f"{BROKER_VARIABLE}: expected the address of the broker, such as redis://host:6379/0")
    settings = {"broker": broker, "backend": broker, "config_source": dict(WORKER_SETTINGS)}
    made: Celery = make_app(settings)  # type: ignore[no-untyped-call]
    create_execute_job_task(made)
    create_resume_job_task(made)
    return made


def __getattr__(name: str) -> Celery:
    """Return the application where Celery's own command looks for it; without settings it ends with one line."""
    if name != "app":
        raise AttributeError(name)
    try:
        return worker_app()
    except PatinaError as error:
        # Celery would print any other exception with its traceback.
        print(f"patina: {error}", file=sys.stderr)
        raise SystemExit(2) from None
