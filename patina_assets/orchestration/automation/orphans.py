"""Runs of a project that are queued or running, and those whose process is gone without having said so."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus, RunsFilter

ACTIVE = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
CLOCK_TOLERANCE_SECONDS = 2.0
KEEP_RUNS_SECONDS = 30 * 86_400.0
DELETED_AT_ONCE = 100


def active_runs(instance: dg.DagsterInstance, location: str | None) -> Sequence[DagsterRun]:
    """Return the unfinished runs of a code location, and those that name none (`patina oxidize` starts such)."""
    runs = instance.get_runs(RunsFilter(statuses=ACTIVE))
    return [run for run in runs if location_of(run) in (None, location)]


def fail_orphans(instance: dg.DagsterInstance, location: str | None) -> list[str]:
    """Mark running runs as failed whose process has ended (killed, or the machine went down); return their ids.

    Without this they would count as running for ever, and hold back every run that is queued behind them.
    """
    orphans = [
        run
        for run in active_runs(instance, location)
        if run.status in (DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING) and _process_is_gone(instance, run)
    ]
    for run in orphans:
        instance.report_run_failed(run, "the process of this run ended before the run did; it is asked for again")
    return [run.run_id for run in orphans]


def delete_old_runs(instance: dg.DagsterInstance, now: float) -> list[str]:
    """Delete finished runs of more than 30 days, at most 100 at once, and return their ids.

    Dagster keeps runs for ever. What it then no longer knows of an asset is reported to it again from the manifests.
    """
    before = datetime.fromtimestamp(now - KEEP_RUNS_SECONDS, UTC)
    runs = instance.get_runs(RunsFilter(statuses=FINISHED, created_before=before), limit=DELETED_AT_ONCE)
    for run in runs:
        instance.delete_run(run.run_id)
    return [run.run_id for run in runs]


def location_of(run: DagsterRun) -> str | None:
    """Return the name of the code location that a run belongs to; None for a run of `patina oxidize`."""
    origin = run.remote_job_origin
    return origin.repository_origin.code_location_origin.location_name if origin else None


def process_started(process: int) -> float | None:
    """Return when a process of this machine started (seconds since 1970); None where there is no such process.

    Where /proc does not tell (macOS), a process that exists counts as one that started long ago.
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0.0  # another user's
    try:
        # Field 22 of proc(5) stat, counted behind the name in brackets, is the start in clock ticks since boot.
        ticks = int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[19])
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
        return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return 0.0


def _process_is_gone(instance: dg.DagsterInstance, run: DagsterRun) -> bool:
    """Tell whether the process that last reported itself for a run has ended, or its number has been given again."""
    for record in reversed(instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)):
        event = record.dagster_event
        entry = event.engine_event_data.metadata.get("pid") if event is not None else None
        if entry is not None:
            started = process_started(int(str(entry.value)))
            return started is None or started > record.timestamp + CLOCK_TOLERANCE_SECONDS
    return False
