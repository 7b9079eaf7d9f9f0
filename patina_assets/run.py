"""Runs stale stages as one Dagster run in this process, on the instance that DAGSTER_HOME names."""

import logging
import sys
from collections.abc import Sequence

import dagster as dg
from dagster import AssetKey, DagsterEvent

from patina_assets.assets import lock_key, model_key, source_key, stage_key
from patina_assets.definitions import workspace_definitions
from patina_assets.pipeline import Workspace
from patina_assets.staleness import LOCK, MODEL, StageVerdict, sources_of


def _terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """Return a logger that prints what the assets report, and leaves Dagster's own events to the web UI."""
    logger = logging.getLogger("patina.progress")
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_MessageOnly())
    # Dagster's own lines are of other levels; failures are said once, in one sentence, when the run is over.
    handler.addFilter(lambda record: record.levelno == logging.INFO)
    logger.handlers = [handler]
    logger.propagate = False
    return logger


class _MessageOnly(logging.Formatter):
    """Leaves out the prefix that Dagster puts before each message."""

    def format(self, record: logging.LogRecord) -> str:
        metadata = getattr(record, "dagster_meta", {})
        return str(metadata.get("orig_message") or record.getMessage())


def run_stages(workspace: Workspace, stale: Sequence[StageVerdict], *, full: bool) -> list[str]:
    """Materialize stages and the sources they are made from; return a sentence for each failed step.

    Args:
        workspace: The project.
        stale: The stages to build.
        full: Build each even if it turns out fresh.
    """
    projections = {verdict.projection for verdict in stale}
    sources = {
        source
        for projection in (*workspace.recipe.projections, None)
        if (projection.name if projection else "base") in projections
        for source in sources_of(workspace.recipe, projection)
    }
    selection = [*(source_key(source) for source in sorted(sources)), *(_key(verdict) for verdict in stale)]
    definitions = workspace_definitions(workspace, {"console": dg.LoggerDefinition(_terminal_logger)})
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=selection,
            # A logger is used only where the run names it.
            run_config={"resources": {"build": {"config": {"full": full}}}, "loggers": {"console": {}}},
            raise_on_error=False,
        )
    return [_sentence(event) for event in result.all_events if event.is_step_failure]


def _key(verdict: StageVerdict) -> AssetKey:
    if verdict.projection == MODEL:
        return model_key(verdict.stage)
    return lock_key() if verdict.projection == LOCK else stage_key(verdict.projection, verdict.stage)


def _sentence(event: DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    return f"{event.step_key}: {data.error_display_string if data.error else event.message}"
