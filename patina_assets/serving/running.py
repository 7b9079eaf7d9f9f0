"""Which runs of Dagster are under way, and a line for each that has ended."""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES, IN_PROGRESS_RUN_STATUSES

from patina_assets.orchestration.automation.decisions import BETWEEN_REASONS
from patina_assets.orchestration.automation.failures import failure_sentence
from patina_assets.orchestration.automation.orphans import location_of
from patina_assets.pipeline.direct_build import REASON_TAG
from patina_assets.pipeline.plain_text import one_line
from patina_assets.pipeline.progress import duration

MOST_RUNS, MOST_TOLD = 5, 50
# Two runs that end at once may be written in the other order.
OVERLAP = timedelta(seconds=10)


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


class EndedRuns:
    """Tells in one line of each run that ends from now on."""

    def __init__(self, instance: dg.DagsterInstance, name: str) -> None:
        """Take Dagster's records.

        Args:
            instance: The records.
            name: The project of a run that names no code location, as those of `patina oxidize` do.
        """
        self._instance, self._name = instance, name
        self._since = datetime.now(UTC)
        self._told: deque[str] = deque(maxlen=2 * MOST_TOLD)

    def lines(self) -> list[str]:
        """Return a line for each run that has ended since this was last asked, in the order in which they ended."""
        filters = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_after=self._since)
        found = self._instance.get_run_records(filters, limit=MOST_TOLD)
        new = [record for record in found if record.dagster_run.run_id not in self._told]
        self._told += [record.dagster_run.run_id for record in new]
        # What ended long ago is not read again: a day of builds would be, every two seconds.
        self._since = max([self._since, *(record.update_timestamp - OVERLAP for record in found)])
        return [self._line(record) for record in sorted(new, key=lambda record: record.end_time or 0.0)]

    def _line(self, record: dg.RunRecord) -> str:
        run = record.dagster_run
        ended = record.end_time or record.update_timestamp.timestamp()
        took = duration(ended - (record.start_time or ended))
        at = datetime.fromtimestamp(ended).strftime("%H:%M:%S")
        return one_line(f"{at} {location_of(run) or self._name}: {self._outcome(run, took)}")

    def _outcome(self, run: dg.DagsterRun, took: str) -> str:
        if run.status is dg.DagsterRunStatus.FAILURE:
            return f"failed after {took}: {failure_sentence(self._instance, run.run_id, 'its page says why')}"
        if run.status is dg.DagsterRunStatus.CANCELED:
            return f"canceled after {took}"
        built, checks = self._instance.get_run_stats(run.run_id).materializations, len(run.asset_check_selection or ())
        done = f"built {built} assets" if built else f"ran {checks} checks" if checks else f"{run.job_name} done"
        first, *others = run.tags.get(REASON_TAG, "").split(BETWEEN_REASONS)
        more = f" and {len(others)} more" if others else ""
        return f"{done} in {took}" + (f" ({first}{more})" if first else "")
