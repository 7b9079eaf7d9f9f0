"""Jobs that are no assets: reading the repository into the eventlog, and measuring what is built."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import dagster as dg

from patina_assets.orchestration.assets import stated
from patina_assets.orchestration.badges import observed_sources
from patina_assets.pipeline.evaluation import evaluate
from patina_assets.pipeline.progress import Pace, Report
from patina_assets.pipeline.tables import report_table
from patina_assets.pipeline.workspace import Workspace, look_at_sources, open_workspace
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.materialize.run import SCRAPERS, materialize

MATERIALIZE_JOB = "materialize_job"
EVALUATE_JOB = "evaluate_job"


class LoggedProgress:
    """The progress of `materialize` as lines of a run's log."""

    def __init__(self, report: Report) -> None:
        """Take where lines go."""
        self._report = report
        self._paces: dict[str, Pace] = {}

    def show(self, doing: str, done: int, total: int | None) -> None:
        """Log how far a scraper is, or that something is waited for."""
        if total is None:
            self._report(doing)
        elif total:
            things = "commits" if doing == "git" else "files"
            self._paces.setdefault(doing, Pace(self._report, doing, things))(done, total)


# What `materialize_job` may be told: plain types, as in `build_options`.
MATERIALIZE_OPTIONS = {
    "only": dg.Field([str], default_value=list(SCRAPERS), description="What to read: some of git, sessions, code."),
    "full": dg.Field(
        bool, default_value=False, description="Read everything again, not only what is new. Appends nothing twice."
    ),
}


def materialize_job(
    workspace: Workspace, code_versions: Mapping[dg.AssetKey, str | None], prefix: Sequence[str] = ()
) -> dg.JobDefinition:
    """Return the job that does what `patina materialize` does, and then looks at the sources.

    Args:
        workspace: The project.
        code_versions: Of each asset as it is defined now.
        prefix: What stands before each asset key.
    """
    project = workspace.project

    @dg.op(
        config_schema=MATERIALIZE_OPTIONS,
        description="Appends what happened in the repository (commits, session notes, code) to the eventlog.",
    )
    def append_events(context: dg.OpExecutionContext) -> None:
        stated(lambda: refuse_tracked(project.root))
        reports = stated(
            lambda: materialize(
                project.root,
                project.eventlog(),
                only=context.op_config["only"],
                full=context.op_config["full"],
                progress=LoggedProgress(context.log.info).show,
                session_globs=project.config.session_globs,
            )
        )
        context.log.info(report_table(reports))
        look = stated(lambda: look_at_sources(replace(workspace, eventlog=Eventlog(project.eventlog()))))
        for event in observed_sources(context.instance, look, code_versions, prefix):
            context.log_event(event)

    @dg.job(
        name=MATERIALIZE_JOB,
        description="`patina materialize`: reads the repository into the eventlog, then looks at the sources, so that "
        "what is made from new events shows as stale. The sensor rebuilds it.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        append_events()

    return job


def evaluate_job(workspace: Workspace) -> dg.JobDefinition:
    """Return the job that does what `patina evaluate` does."""

    @dg.op(
        config_schema={},
        description="Logs how well each projection ranks what it has not seen, beside its base vectors.",
    )
    def measure(context: dg.OpExecutionContext) -> None:
        found = stated(lambda: evaluate(open_workspace(workspace.project), None))
        context.log.info("\n".join([found.table(), *found.missing.values()]))

    @dg.job(
        name=EVALUATE_JOB,
        description="`patina evaluate`: the measures of what is built.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        measure()

    return job
