"""The eventlog as an asset, the job that appends to it, and the job that measures what is built."""

from collections.abc import Iterator, Sequence

import dagster as dg

from patina_assets.orchestration.assets import SOURCE_GROUP, logged, owners, source_sql, stated
from patina_assets.orchestration.checks import REPOSITORY_IS_READ, checked_alone, checked_asset, is_built, wanted
from patina_assets.orchestration.keys import eventlog_key, source_key
from patina_assets.orchestration.metadata import eventlog_metadata
from patina_assets.pipeline.measures.evaluation import evaluate
from patina_assets.pipeline.progress import scraper_progress
from patina_assets.pipeline.stages.stage import CheckResult
from patina_assets.pipeline.tables import report_table
from patina_assets.pipeline.workspace import Workspace, open_workspace
from patina_resources.errors import PatinaError
from patina_resources.eventlog.news import read_news
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.git.head import head_of
from patina_resources.materialize.git.repository import is_in_repository
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.materialize.report import ScraperReport
from patina_resources.materialize.run import SCRAPERS, materialize
from patina_resources.project.project import Project

MATERIALIZE_JOB = "materialize_job"
EVALUATE_JOB = "evaluate_job"
NO_REPOSITORY = "the project is not in a git repository"


# What the asset may be told: plain types, as in `build_options`.
MATERIALIZE_OPTIONS = {
    "only": dg.Field([str], default_value=list(SCRAPERS), description=f"What to read: some of {', '.join(SCRAPERS)}."),
    "full": dg.Field(
        bool, default_value=False, description="Read everything again, not only what is new. Appends nothing twice."
    ),
}


def eventlog_asset(workspace: Workspace) -> dg.AssetsDefinition:
    """Return the root of the lineage: to materialize it is to do what `patina materialize` does."""
    project = workspace.project
    key = eventlog_key()

    spec = dg.AssetSpec(
        key,
        group_name=SOURCE_GROUP,
        kinds={"git", "sqlite"},
        owners=owners(workspace),
        description="What happened in the repository: commits, session notes, code, as events of an append-only log. "
        "Materializing it appends what is new, like `patina materialize`. Outside of a git repository, nothing is read "
        "and the eventlog stays as it is.",
    )
    check = dg.AssetCheckSpec(
        REPOSITORY_IS_READ, asset=key, description="What is new in the repository is in the eventlog."
    )

    @checked_asset(spec, [check], MATERIALIZE_OPTIONS)
    def eventlog(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        if not is_built(context):
            yield from checked_alone(context, lambda: [_repository_is_read(project)], project.root)
            return
        stated(lambda: refuse_tracked(project.root), project.root)
        found = is_in_repository(project.root)
        reports = stated(lambda: _append_events(project, context), project.root) if found else ()
        context.log.info(report_table(reports) if found else NO_REPOSITORY)
        log = Eventlog(project.eventlog())
        last_seq = stated(log.last_seq, project.root)
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(str(last_seq)),
            metadata={
                **eventlog_metadata(workspace.project.root, log.path, last_seq),
                "new_events": sum(sum(report.new.values()) for report in reports),
                "skipped": sum(len(report.skipped) for report in reports),
            },
            check_results=wanted(context, [stated(lambda: _repository_is_read(project), project.root)]),
        )

    return eventlog


def _repository_is_read(project: Project) -> CheckResult:
    """Check whether the eventlog holds git's history up to HEAD.

    Raises:
        PatinaError: The eventlog cannot be read.
    """
    if not is_in_repository(project.root):
        return CheckResult(REPOSITORY_IS_READ, False, NO_REPOSITORY, blocking=False)
    head, news = head_of(project.root), read_news(project.eventlog(), None)
    if news is None:
        raise PatinaError(f"{project.eventlog()}: cannot be read at the moment: run `patina doctor`")
    if head is None:
        return CheckResult(
            REPOSITORY_IS_READ, True, "git's files do not plainly say which commit HEAD is", blocking=False
        )
    reason = "git's history was read up to HEAD" if head == news.head else "the eventlog is older than HEAD"
    return CheckResult(REPOSITORY_IS_READ, head == news.head, reason, blocking=False)


def _append_events(project: Project, context: dg.AssetExecutionContext) -> tuple[ScraperReport, ...]:
    return materialize(
        project.root,
        project.eventlog(),
        only=context.op_execution_context.op_config["only"],
        full=context.op_execution_context.op_config["full"],
        progress=scraper_progress(logged(context.log)),
        session_globs=project.config.session_globs,
        code_include=project.config.code_include,
    )


def materialize_selection(workspace: Workspace, prefix: Sequence[str] = ()) -> dg.AssetSelection:
    """Return the assets of `materialize_job`: the eventlog, and the sources, which then say what has changed.

    Args:
        workspace: The project.
        prefix: What stands before each asset key.
    """
    keys = [eventlog_key(), *(source_key(name) for name in source_sql(workspace))]
    return dg.AssetSelection.assets(*(dg.AssetKey([*prefix, *key.path]) for key in keys))


def evaluate_job(workspace: Workspace) -> dg.JobDefinition:
    """Return the job that does what `patina evaluate` does."""

    @dg.op(
        config_schema={},
        description="Logs how well each projection ranks what it has not seen, beside its base vectors.",
    )
    def measure(context: dg.OpExecutionContext) -> None:
        found = stated(lambda: evaluate(open_workspace(workspace.project), None), workspace.project.root)
        context.log.info("\n".join([found.table(), *found.missing.values()]))

    @dg.job(
        name=EVALUATE_JOB,
        description="`patina evaluate`: the measures of what is built.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        measure()

    return job
