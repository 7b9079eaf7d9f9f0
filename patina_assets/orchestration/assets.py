"""The pipeline as Dagster assets. Thin: each asset runs one stage of `pipeline` and reports what came of it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import dagster as dg

from patina_assets.orchestration.checks import (
    ALL_ROWS_READABLE,
    ROWS_CAN_BE_READ,
    check_specs,
    checked_alone,
    checked_asset,
    checks_of_files,
    is_built,
    wanted,
)
from patina_assets.orchestration.keys import (
    cache_key,
    eventlog_key,
    key_part,
    lock_key,
    model_asset_key,
    source_key,
    stage_key,
)
from patina_assets.orchestration.metadata import (
    cache_metadata,
    code_references,
    lock_metadata,
    model_metadata,
    outcome_metadata,
    source_metadata,
    source_references,
)
from patina_assets.orchestration.run_workers import RunWorkers
from patina_assets.pipeline.corpus import corpus_sources, model_sources
from patina_assets.pipeline.plain_text import from_root, one_line
from patina_assets.pipeline.progress import Progress, ProgressLines
from patina_assets.pipeline.reasons import reasons_text
from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.pipeline.stages import ProjectionStages
from patina_assets.pipeline.stages.stage import CheckResult, FailedCheckError, Stage
from patina_assets.pipeline.staleness import LOCK, MODEL, recipe_inputs
from patina_assets.pipeline.workspace import Workspace, look_at_sources
from patina_resources.errors import PatinaError
from patina_resources.eventlog.looks.memory import Look
from patina_resources.eventlog.reader import Source
from patina_resources.resources import BuildOptions
from patina_resources.store.files import file_sha256
from patina_resources.store.manifests import StageRecord

SOURCE_GROUP = "source"
# The attribute of a log record that holds progress as plain fields: some loggers write every attribute as JSON.
PROGRESS = "patina_progress"

T = TypeVar("T")


def owners(workspace: Workspace) -> list[str]:
    """Return who owns the assets of a project: a team of its name, by which a shared instance can be filtered."""
    return [f"team:{key_part(workspace.project.root.name)}"]


def source_sql(workspace: Workspace) -> dict[str, str]:
    """Return the SQL of each source that a project's recipe or its corpus model uses, by name, in order."""
    used = [source for projection in workspace.projections for source in projection.sources]
    found = {source.name: source.sql for source in (*used, *model_sources(workspace.spec))}
    return dict(sorted(found.items()))


def project_assets(workspace: Workspace) -> list[dg.AssetsDefinition]:
    """Return the assets of a project: sources, model, caches, the stages of each projection and of base, the lock."""
    built = {
        stage_key(projection.name, stage.name): (projection.name, stage.name)
        for projection in workspace.projections
        for stage in projection.stages
    }
    workers = RunWorkers(workspace, model_asset_key(workspace.spec.name), built)
    stages = [
        _stage_asset(workspace, workers, projection, stage)
        for projection in workspace.projections
        for stage in projection.stages
    ]
    sources = [_source_asset(workspace, name, sql) for name, sql in source_sql(workspace).items()]
    return [*sources, _model_asset(workspace, workers), *_cache_assets(workspace), *stages, _lock_asset(workspace)]


def _source_asset(workspace: Workspace, name: str, sql: str) -> dg.AssetsDefinition:
    key, root = source_key(name), workspace.project.root

    spec = dg.AssetSpec(
        key,
        deps=[eventlog_key()],
        group_name=SOURCE_GROUP,
        kinds={"sqlite"},
        owners=owners(workspace),
        code_version=_code_version({"sql": sql}),
        metadata=source_references(name),
        description=f"The rows of the eventlog that `{name}` returns. Materializing it computes their digest and "
        f"writes nothing. The digest changes only if the rows change.\n\n```sql{sql}```",
    )

    def checks(look: Look) -> list[CheckResult]:
        reason = look.warning or "every row is valid JSON"
        return [CheckResult(ALL_ROWS_READABLE, not look.warning, reason, blocking=False)]

    @checked_asset(spec, [dg.AssetCheckSpec(ALL_ROWS_READABLE, asset=key, description=ROWS_CAN_BE_READ)])
    def source(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        if not is_built(context):
            yield from checked_alone(context, lambda: checks(look_at_sources(workspace)), root)
            return
        look = stated(lambda: look_at_sources(workspace), root)
        digest = look.digests[name]
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(digest.digest),
            metadata=stated(lambda: source_metadata(workspace.eventlog, Source(name, sql), digest), root),
            check_results=wanted(context, checks(look)),
        )

    return source


def _model_asset(workspace: Workspace, workers: RunWorkers) -> dg.AssetsDefinition:
    spec, key, root = workspace.spec, model_asset_key(workspace.spec.name), workspace.project.root
    built_from = ", ".join(source.name for source in corpus_sources())
    names = " and ".join(f"`{part.name}`" for part in spec.parts)
    joined = f"A text's unit vectors of {names} are joined and scaled to unit length. " if len(spec.parts) > 1 else ""

    @dg.asset(
        key=key,
        deps=[source_key(source.name) for source in model_sources(spec)],
        group_name=MODEL,
        owners=owners(workspace),
        kinds={"onnx"},
        config_schema={},
        code_version=_code_version({"name": spec.name, "dims": spec.dims}),
        description=f"The base model `{spec.name}` ({spec.dims} dimensions). Its bytes are verified. {joined}"
        f"`corpus-static` is built from the project's own texts ({built_from}). Then it is frozen, so that appended "
        "events reuse cached vectors. It is built again by a `full` run, or if too many words are unknown to it.",
    )
    def model(context: dg.AssetExecutionContext, build: dg.ResourceParam[BuildOptions]) -> dg.MaterializeResult:
        forced = stated(lambda: build.forced(MODEL, [*workspace.names(), MODEL]), root)
        report = logged(context.log)
        stated(lambda: workers.of(context, build, _prefix(context, key), report), root)
        outcome = stated(lambda: workers.model or run_model(workspace, report, full=forced, renew=build.renew), root)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(outcome.state.digest or ""),
            metadata={
                "reused": outcome.reused,
                "reasons": reasons_text(outcome.reasons) or "nothing changed",
                "seconds": round(outcome.seconds, 2),
                **model_metadata(spec, outcome.state),
            },
        )

    return model


def _cache_assets(workspace: Workspace) -> list[dg.AssetsDefinition]:
    """Return the embedding cache of each model: it is filled, and observed, where texts are embedded."""
    filled_by = [stage_key(stage.projection, stage.name) for stage in _embedding_stages(workspace)]
    return [
        dg.AssetsDefinition(
            specs=[
                dg.AssetSpec(
                    cache_key(part.name),
                    deps=filled_by,
                    group_name=MODEL,
                    owners=owners(workspace),
                    kinds={"sqlite"},
                    description=f"The cached vectors of `{part.name}`. Each text is embedded once. The stages "
                    "`embeddings` fill the cache. Their pages show its size, and which share of their texts was in it.",
                )
            ]
        )
        for part in workspace.spec.parts
    ]


def _embedding_stages(workspace: Workspace) -> list[Stage]:
    return [stage for projection in workspace.projections for stage in projection.stages if stage.embeds]


def _stage_asset(
    workspace: Workspace, workers: RunWorkers, projection: ProjectionStages, stage: Stage
) -> dg.AssetsDefinition:
    dependencies = _dependencies(workspace, stage)
    key, root = stage_key(projection.name, stage.name), workspace.project.root

    spec = dg.AssetSpec(
        key,
        deps=dependencies,
        group_name=key_part(projection.name),
        owners=owners(workspace),
        kinds=set(stage.kinds),
        code_version=_stage_code_version(workspace, stage, dependencies),
        description=stage.described(),
        metadata=code_references(workspace.recipe.path, projection, stage),
    )

    @checked_asset(spec, check_specs(key, stage))
    def built(
        context: dg.AssetExecutionContext, build: dg.ResourceParam[BuildOptions]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        if not is_built(context):
            yield from checked_alone(context, lambda: checks_of_files(workspace, stage), root)
            return
        forced = stated(lambda: build.forced(projection.name, [*workspace.names(), MODEL]), root)
        report, prefix = logged(context.log), _prefix(context, key)
        at_once = stated(lambda: workers.of(context, build, prefix, report), root)
        try:
            outcome = stated(
                lambda: (
                    at_once.outcome(projection.name, stage.name, report)
                    or run_stage(workspace, projection.name, stage.name, report, full=forced, renew=build.renew)
                ),
                root,
            )
            checks = stated(outcome.checks, root)
        except dg.Failure as failure:
            if isinstance(failure.__cause__, FailedCheckError):
                yield from wanted(context, failure.__cause__.checks)
            raise
        if stage.embeds and not outcome.reused:
            for event in _observed_caches(workspace, outcome.record, prefix):
                context.log_event(event)
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(outcome.record.digest),
            metadata=stated(lambda: outcome_metadata(outcome), root),
            check_results=wanted(context, checks),
        )

    return built


def _prefix(context: dg.AssetExecutionContext, key: dg.AssetKey) -> Sequence[str]:
    """Return what stands before a key of the project in this run."""
    path: Sequence[str] = context.asset_key.path
    return path[: -len(key.path)]


def _observed_caches(
    workspace: Workspace, embedded: StageRecord, prefix: Sequence[str]
) -> Iterator[dg.AssetObservation]:
    """Yield the size of each cache after texts were embedded; nothing of one that cannot be read."""
    for part in workspace.spec.parts:
        with suppress(PatinaError):
            metadata = cache_metadata(workspace.project, part.name, embedded)
            yield dg.AssetObservation(dg.AssetKey([*prefix, *cache_key(part.name).path]), metadata=metadata)


def _lock_asset(workspace: Workspace) -> dg.AssetsDefinition:
    @dg.asset(
        key=lock_key(),
        deps=[stage_key(projection.name, projection.last.name) for projection in workspace.projections],
        group_name=LOCK,
        owners=owners(workspace),
        kinds={"yaml"},
        config_schema={},
        code_version=_code_version({"projections": workspace.names(), "model": workspace.spec.name}),
        description="Provenance of the last build (`.patina/data/oxidize.lock`). Untouched when nothing was rebuilt.",
    )
    def oxidize_lock() -> dg.MaterializeResult:
        stated(lambda: publish_lock(workspace), workspace.project.root)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(file_sha256(workspace.project.lock)),
            metadata=lock_metadata(workspace.project),
        )

    return oxidize_lock


def _dependencies(workspace: Workspace, stage: Stage) -> list[dg.AssetKey]:
    sources = [source_key(source.name) for source in stage.sources]
    model = [model_asset_key(workspace.spec.name)] if stage.embeds else []
    return [*sources, *(stage_key(stage.projection, upstream.name) for upstream in stage.upstream), *model]


def _stage_code_version(workspace: Workspace, stage: Stage, dependencies: Sequence[dg.AssetKey]) -> str:
    """Return a hash of all that the program and the recipe put into a stage, its dependencies included."""
    values: dict[str, object] = {name: entry.value for name, entry in recipe_inputs(stage).items()}
    values["dependencies"] = sorted(key.to_user_string() for key in dependencies)
    if stage.embeds:
        values["model settings"] = workspace.model_settings
    return _code_version(values)


def _code_version(values: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def stated(work: Callable[[], T], root: Path | None = None) -> T:
    """Return what `work` returns; its one-sentence error becomes the description of the failed step.

    Args:
        work: Does something.
        root: Of the project that it is about: paths are told from there.
    """
    try:
        return work()
    except PatinaError as error:
        sentence = str(error) if root is None else from_root(str(error), root)
        raise dg.Failure(description=one_line(sentence), allow_retries=False) from error


def logged(log: dg.DagsterLogManager) -> ProgressLines:
    """Return what writes progress to a run's log: a line to read, and the value for whoever shows it otherwise."""

    def write(line: str, progress: Progress) -> None:
        log.info(line, extra={PROGRESS: asdict(progress)})

    return ProgressLines(write)
