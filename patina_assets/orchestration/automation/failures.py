"""Tells of failed runs: a line in `.patina/data/failures.log`, and a webhook where there is one."""

import json
import re
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterRun, RunsFilter

from patina_assets.orchestration.automation.http_post import post_json, shown_url
from patina_assets.orchestration.automation.orphans import location_of
from patina_assets.orchestration.automation.ticks import instance_of, location_name
from patina_assets.pipeline.direct_build import COMMAND_TAG
from patina_assets.pipeline.plain_text import from_root, one_line, with_tilde
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.store.files import append_line, utc_now
from patina_resources.store.mothership import mothership

WEBHOOK_SECONDS = 10.0
TOLD_AT_ONCE = 5
# All of an absolute path but its last part; no part of an address on the network.
_ELSEWHERE = re.compile(r"(?<![\w:/.-])(?:~/|(?:file://)?/(?=[^\s/'\"]++/))(?:[^\s/'\"]++/)*+")


def failure_notice(project: Project) -> dg.SensorDefinition:
    """Return the sensor that writes a line for each failed run of a project, and tells the user's webhook of it.

    Dagster's own run-failure sensor is not used: it opens the instance at each tick, see `instance_of`.
    """
    log, webhook = from_root(str(project.failures_log), project.root), project.places.webhook

    @dg.sensor(
        name="failure_notice",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=project.config.automation.interval_seconds,
        description=f"Writes one line to {log} for each failed run of this project. "
        + (f"Posts it to {shown_url(webhook)}." if webhook else unused_webhook(project)),
    )
    def notice(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        instance = instance_of(context)
        seen = _seen(context.cursor)
        if seen is None:
            newest = instance.fetch_run_status_changes(DagsterEventType.RUN_FAILURE, limit=1).records
            context.update_cursor(_cursor(newest[0].storage_id if newest else 0))
            return dg.SkipReason("nothing to tell yet: failures from now on are told")
        told = 0
        for record_id, run, message in failures_after(instance, seen, location_name(context)):
            if run is not None:
                _tell(project, run, failure_sentence(instance, run.run_id, message))
                told += 1
            context.update_cursor(_cursor(record_id))
        return dg.SkipReason(f"told of {told} failed runs in {log}" if told else "nothing failed")

    return notice


def failures_after(
    instance: dg.DagsterInstance, seen: int, location: str | None
) -> list[tuple[int, DagsterRun | None, str]]:
    """Return the next failures after a record, oldest first: its number, the run (None: not to be told), why.

    A run of another location is not told, nor one of a command: that has told whoever asked for it.
    """
    only = dg.RunStatusChangeRecordsFilter(DagsterEventType.RUN_FAILURE, after_storage_id=seen)
    records = instance.fetch_run_status_changes(only, ascending=True, limit=TOLD_AT_ONCE).records
    found = instance.get_runs(RunsFilter(run_ids=[record.run_id for record in records])) if records else []
    runs = {run.run_id: run for run in found if location_of(run) == location and not _is_of_command(run)}
    return [
        (record.storage_id, runs.get(record.run_id), _message(record.event_log_entry.dagster_event))
        for record in records
    ]


def _is_of_command(run: DagsterRun) -> bool:
    """Return whether a command has started a run; one that is executed again on Dagster's page has its tags, too."""
    return COMMAND_TAG in run.tags and run.parent_run_id is None


def failure_sentence(instance: dg.DagsterInstance, run_id: str, message: str) -> str:
    """Return why a run failed: what its failed steps say, else a message."""
    entries = instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE)
    return " | ".join(step_sentence(entry.dagster_event) for entry in entries if entry.dagster_event) or message


def step_sentence(event: dg.DagsterEvent) -> str:
    """Return in one sentence why a step failed."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {' '.join(error.message.split()) if error is not None else event.message}"


def unused_webhook(project: Project) -> str:
    """Return in one sentence that the repository's webhook is not used, and what to write; "" where that is not so."""
    named = project.config.automation.webhook
    if named is None or project.places.webhook is not None:
        return ""
    return (
        f"{project.config_file}: [automation] webhook: {one_line(shown_url(named))} is not used: a repository does not "
        f'choose who is told of failed runs: to allow it, write `[projects."{project.root}"]` and `webhook = "URL"` '
        f"into {mothership().settings}"
    )


def without_places(text: str, root: Path) -> str:
    """Return a text that does not tell where files of this machine lie.

    Paths of the project are relative to it. Of others only the last part stays.
    """
    return _ELSEWHERE.sub(".../", with_tilde(from_root(text, root)))


def _message(event: dg.DagsterEvent | None) -> str:
    return (event and event.message) or "failed"


def _tell(project: Project, run: DagsterRun, text: str) -> None:
    log, webhook = project.failures_log, project.places.webhook
    append_line(log, f"{utc_now()} run {run.run_id[:8]} {run.job_name}: {one_line(text)}")
    if webhook:
        name = one_line(project.root.name)
        told = one_line(without_places(text, project.root))
        try:
            post_json(webhook, {"project": name, "run": run.run_id, "text": f"{name}: {told}"}, WEBHOOK_SECONDS)
        except PatinaError as error:
            append_line(log, f"{utc_now()} webhook {one_line(str(error))}")


def _cursor(record_id: int) -> str:
    return json.dumps({"record_id": record_id})


def _seen(cursor: str | None) -> int | None:
    """Return the number of the last failure that was told; None where a cursor holds none."""
    try:
        found = json.loads(cursor or "null")["record_id"]
    except (ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, int) else None
