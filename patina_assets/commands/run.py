"""Runs stale stages as one Dagster run in this process, on the project's own instance."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy.exc import DBAPIError

from patina_assets.definitions import workspace_definitions
from patina_assets.learning.parts import blas_on_one_thread
from patina_assets.orchestration.assets import PROGRESS
from patina_assets.orchestration.automation.failures import step_sentence
from patina_assets.orchestration.keys import keys_to_build
from patina_assets.orchestration.noted_builds import code_versions, tell_noted_builds
from patina_assets.orchestration.origin import own_location, run_in
from patina_assets.orchestration.records import no_records, opened_instance
from patina_assets.pipeline.progress import Progress, Report
from patina_assets.pipeline.staleness import StageVerdict
from patina_assets.pipeline.workspace import Workspace
from patina_resources.errors import PatinaError

# Dagster's name for Ctrl-C in a step.
INTERRUPTED = "DagsterExecutionInterruptedError"


class _ProgressHandler(logging.Handler):
    """Passes on the progress that assets log, and leaves everything else to the web UI."""

    def __init__(self, report: Report) -> None:
        """Take where progress goes."""
        super().__init__(logging.INFO)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on the value that a record carries."""
        fields = getattr(record, PROGRESS, None)
        if fields is not None:
            self._report(Progress(**fields))


def _progress_logger(report: Report) -> dg.LoggerDefinition:
    def logger(_: dg.InitLoggerContext) -> logging.Logger:
        found = logging.getLogger("patina.progress")
        found.setLevel(logging.INFO)
        found.handlers = [_ProgressHandler(report)]
        found.propagate = False
        return found

    return dg.LoggerDefinition(logger)


def run_stages(
    workspace: Workspace,
    home: Path,
    stale: Sequence[StageVerdict],
    report: Report,
    tags: Mapping[str, str],
    *,
    full: bool,
) -> list[str]:
    """Materialize stages and the sources they are made from; return a sentence for each failed step.

    Args:
        workspace: The project.
        home: Its Dagster home.
        stale: The stages to build.
        report: Told how far each is.
        tags: What the list of runs tells of this one.
        full: Build each even if it turns out fresh.

    Raises:
        KeyboardInterrupt: The user has interrupted the run. Stages that were built until then stay.
        PatinaError: Dagster cannot keep its records or use its settings. Stages that were built until then stay.
    """
    # An interrupted connection is told on stderr where nobody listens to this logger.
    logging.getLogger("sqlalchemy").addHandler(logging.NullHandler())
    definitions = workspace_definitions(workspace, {"console": _progress_logger(report)})
    try:
        # Pictures and checks are small products: threads that wait for each other cost ten times what they save.
        with blas_on_one_thread(), opened_instance(home, keeps_output=False) as instance:
            tell_noted_builds(instance, workspace, code_versions(definitions.resolve_asset_graph()))
            job = definitions.resolve_implicit_global_asset_job_def()
            run_in(instance, own_location(workspace.project), job.name)
            result = job.execute_in_process(
                instance=instance,
                asset_selection=keys_to_build(workspace, stale),
                # A logger is used only where the run names it.
                tags=tags,
                run_config={"resources": {"build": {"config": {"full": full}}}, "loggers": {"console": {}}},
                raise_on_error=False,
            )
    except (DBAPIError, OSError) as error:
        raise PatinaError(no_records(home, error)) from error
    failures = [event for event in result.all_events if event.is_step_failure]
    if any(is_interruption(event.step_failure_data.error) for event in failures):
        raise KeyboardInterrupt
    return [step_sentence(event) for event in failures]


def is_interruption(error: SerializableErrorInfo | None) -> bool:
    """Return whether a step ended because of Ctrl-C: Dagster turns it into an error of the step, or into its cause."""
    while error is not None and error.cls_name != INTERRUPTED:
        error = error.cause or error.context
    return error is not None
