"""Which runs of Dagster are under way."""

from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

MOST_RUNS = 5


class Running:
    """Tells what is being built now."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        """Take Dagster's records."""
        self._instance = instance

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs that are under way, newest first: job, run, status and the steps that are at work."""
        filters = dg.RunsFilter(statuses=[*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED])
        return [
            {
                "run": run.run_id,
                "job": run.job_name,
                "status": run.status.value,
                "location": run.remote_job_origin.location_name if run.remote_job_origin is not None else None,
                "steps": self._at_work(run.run_id),
            }
            for run in self._instance.get_runs(filters, limit=MOST_RUNS)
        ]

    def _at_work(self, run: str) -> list[str]:
        stats = self._instance.get_run_step_stats(run)
        return [step.step_key for step in stats if step.start_time is not None and step.end_time is None]
