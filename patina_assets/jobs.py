"""Jobs that are no assets: reading the repository into the eventlog, and measuring what is built."""

import io
from contextlib import redirect_stderr, redirect_stdout

import dagster as dg
from pydantic import Field

from patina_assets.assets import stated
from patina_assets.evaluation import evaluate
from patina_assets.pipeline import Workspace
from patina_assets.terminal import report_table
from patina_resources.materialize.run import SCRAPERS, materialize

MATERIALIZE_JOB = "materialize_job"
EVALUATE_JOB = "evaluate_job"


class MaterializeOptions(dg.Config):
    """What `materialize_job` may be told."""

    only: list[str] = Field(default=list(SCRAPERS), description="What to read: some of git, sessions, code.")
    full: bool = Field(default=False, description="Read everything again, not only what is new. Appends nothing twice.")


def materialize_job(workspace: Workspace) -> dg.JobDefinition:
    """Return the job that does what `patina materialize` does; the sensor rebuilds what that makes stale."""
    project = workspace.project

    @dg.op(description="Appends what happened in the repository (commits, session notes, code) to the eventlog.")
    def append_events(context: dg.OpExecutionContext, config: MaterializeOptions) -> None:
        reports = stated(
            lambda: materialize(
                project.root,
                project.eventlog(),
                only=config.only,
                full=config.full,
                session_globs=project.config.session_globs,
            )
        )
        context.log.info(report_table(reports))

    @dg.job(
        name=MATERIALIZE_JOB,
        description="`patina materialize`: reads the repository into the eventlog.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        append_events()

    return job


def evaluate_job(workspace: Workspace) -> dg.JobDefinition:
    """Return the job that does what `patina evaluate` does."""

    @dg.op(description="Logs how well each projection ranks what it has not seen, beside its base vectors.")
    def measure(context: dg.OpExecutionContext) -> None:
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            stated(lambda: evaluate(workspace.project, None, as_json=False))
        context.log.info(printed.getvalue())

    @dg.job(
        name=EVALUATE_JOB,
        description="`patina evaluate`: the measures of what is built.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        measure()

    return job
