"""Runs stale stages as one Dagster run in this process, on the project's own instance."""

import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import dagster as dg
from sqlalchemy.exc import DBAPIError

from patina_assets.commands.terminal import is_interactive
from patina_assets.definitions import workspace_definitions
from patina_assets.orchestration.assets import keys_to_build
from patina_assets.orchestration.failures import step_sentence
from patina_assets.orchestration.records import no_records, opened_instance
from patina_assets.pipeline.plain_text import draw
from patina_assets.pipeline.progress import COMPLETE, bar
from patina_assets.pipeline.staleness import StageVerdict
from patina_assets.pipeline.workspace import Workspace
from patina_resources.errors import PatinaError


def _terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """Return a logger that prints what the assets report, and leaves Dagster's own events to the web UI."""
    logger = logging.getLogger("patina.progress")
    logger.setLevel(logging.INFO)
    handler = _TerminalHandler(sys.stderr)
    handler.setFormatter(_MessageOnly())
    # Dagster's own lines are of other levels; failures are said once, in one sentence, when the run is over.
    handler.addFilter(lambda record: record.levelno == logging.INFO)
    logger.handlers = [handler]
    logger.propagate = False
    return logger


class _TerminalHandler(logging.StreamHandler[TextIO]):
    """Draws progress as a bar that is written over, where someone watches."""

    _shown = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or the bar in its place."""
        drawn = bar(self.format(record)) if is_interactive(self.stream) else None
        if drawn is not None:
            width = shutil.get_terminal_size().columns - 1
            end = "\n" if COMPLETE in drawn else ""
            draw(self.stream, drawn[:width], end)
        else:
            if self._shown:
                self.stream.write("\n")
            super().emit(record)
        self._shown = drawn is not None and COMPLETE not in drawn


class _MessageOnly(logging.Formatter):
    """Leaves out the prefix that Dagster puts before each message."""

    def format(self, record: logging.LogRecord) -> str:
        metadata = getattr(record, "dagster_meta", {})
        return str(metadata.get("orig_message") or record.getMessage())


def run_stages(workspace: Workspace, home: Path, stale: Sequence[StageVerdict], *, full: bool) -> list[str]:
    """Materialize stages and the sources they are made from; return a sentence for each failed step.

    Args:
        workspace: The project.
        home: Its Dagster home.
        stale: The stages to build.
        full: Build each even if it turns out fresh.

    Raises:
        PatinaError: Dagster cannot keep its records or use its settings. Stages that were built until then stay.
    """
    definitions = workspace_definitions(workspace, {"console": dg.LoggerDefinition(_terminal_logger)})
    try:
        with opened_instance(home) as instance:
            result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                asset_selection=keys_to_build(workspace, stale),
                # A logger is used only where the run names it.
                run_config={"resources": {"build": {"config": {"full": full}}}, "loggers": {"console": {}}},
                raise_on_error=False,
            )
    except (DBAPIError, OSError) as error:
        raise PatinaError(no_records(home, error)) from error
    return [step_sentence(event) for event in result.all_events if event.is_step_failure]
