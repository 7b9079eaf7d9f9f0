"""The pipeline as Dagster assets. Thin: each asset runs one stage of `pipeline` and reports what came of it."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import dagster as dg

from patina_assets.orchestration.checks import ALL_ROWS_READABLE, check_specs, check_stage, result
from patina_assets.orchestration.metadata import (
    code_references,
    lock_metadata,
    model_table,
    source_references,
    stage_metadata,
)
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.corpus import corpus_sources
from patina_assets.pipeline.plain_text import one_line
from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.pipeline.staleness import (
    BASE,
    LOCK,
    MODEL,
    StageVerdict,
    pair_types_of,
    recipe_inputs,
    sources_of,
    upstream_of,
)
from patina_assets.pipeline.workspace import Workspace, look_at_sources
from patina_assets.recipe.model import ProjectionRecipe
from patina_resources.errors import PatinaError
from patina_resources.resources import BuildOptions
from patina_resources.store.files import file_sha256

SOURCE_GROUP = "sources"
KINDS: Mapping[str, set[str]] = {
    "pairs": {"python"},
    "items": {"python"},
    "embeddings": {"onnx", "numpy"},
    "weights": {"numpy"},
    "index": {"usearch"},
}
DESCRIPTIONS: Mapping[str, str] = {
    "pairs": "What `{name}` learns from: items, which of them belong together, and triplets (anchor, positive, "
    "negative) drawn from that.",
    "items": "Everything that search can return, whatever the projection.",
    "embeddings": "One base-model vector for each unique text of `{name}`. A text is embedded once per model, ever: "
    "the rest comes from the cache.",
    "weights": "A two-layer projection trained on the triplets of `{name}`. The epoch is chosen on held-out pairs; "
    "epoch 0 is the PCA of the embeddings, so training can only be kept where it helps.",
    "index": "A USearch index over the vectors of `{name}`, with the items its keys lead to: what `patina scry` "
    "searches.",
}

T = TypeVar("T")


def key_part(name: str) -> str:
    """Return a name as a part of an asset key: what Dagster does not allow there becomes `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def stage_key(name: str, stage: str) -> dg.AssetKey:
    """Return the key of a projection's (or base's) stage."""
    return dg.AssetKey([key_part(name), stage])


def source_key(source: str) -> dg.AssetKey:
    """Return the key of a source, such as `source/git_co_changes`."""
    return dg.AssetKey(["source", key_part(source)])


def model_key(model: str) -> dg.AssetKey:
    """Return the key of a base model, such as `model/corpus_static`."""
    return dg.AssetKey([MODEL, key_part(model)])


def lock_key() -> dg.AssetKey:
    """Return the key of the lock."""
    return dg.AssetKey([LOCK])


def keys_to_build(workspace: Workspace, verdicts: Iterable[StageVerdict]) -> list[dg.AssetKey]:
    """Return the keys of the stages to build, behind those of the sources whose rows they are made from."""
    verdicts = list(verdicts)
    reading = {verdict.projection for verdict in verdicts if verdict.stage in ("pairs", "items")}
    sources = {
        source
        for projection in (*workspace.recipe.projections, None)
        if (projection.name if projection else BASE) in reading
        for source in sources_of(workspace.recipe, projection)
    }
    return [*(source_key(source) for source in sorted(sources)), *map(_verdict_key, verdicts)]


def _verdict_key(verdict: StageVerdict) -> dg.AssetKey:
    if verdict.projection == MODEL:
        return model_key(verdict.stage)
    return lock_key() if verdict.projection == LOCK else stage_key(verdict.projection, verdict.stage)


def project_assets(workspace: Workspace) -> list[dg.AssetsDefinition]:
    """Return every asset of a project: sources, model, the stages of each projection and of base, the lock."""
    stages = [
        _stage_asset(workspace, projection, stage)
        for projection in (*workspace.recipe.projections, None)
        for stage in upstream_of(projection.name if projection else BASE)
    ]
    used = {source.name: source.sql for entry in pair_types_of(workspace.recipe) for source in entry.sources}
    sources = [_source_asset(workspace, name, used[name]) for name in sorted(used)]
    return [*sources, _model_asset(workspace), *stages, _lock_asset(workspace)]


def _source_asset(workspace: Workspace, name: str, sql: str) -> dg.AssetsDefinition:
    key = source_key(name)

    @dg.asset(
        key=key,
        group_name=SOURCE_GROUP,
        kinds={"sqlite"},
        config_schema={},
        code_version=_code_version({"sql": sql}),
        metadata=source_references(name),
        description=f"Rows of the eventlog that `{name}` stands for. Materializing it takes their digest and writes "
        f"nothing; it changes exactly when its rows do.\n\n```sql{sql}```",
        check_specs=[dg.AssetCheckSpec(ALL_ROWS_READABLE, asset=key)],
    )
    def source() -> dg.MaterializeResult:
        look = stated(lambda: look_at_sources(workspace))
        digest = look.digests[name]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(digest.digest),
            metadata={
                "rows": digest.rows,
                "digest": digest.digest,
                "eventlog": dg.MetadataValue.path(workspace.eventlog.path),
            },
            check_results=[
                result(ALL_ROWS_READABLE, not look.warning, look.warning or "every row is valid JSON", warn=True)
            ],
        )

    return source


def _model_asset(workspace: Workspace) -> dg.AssetsDefinition:
    spec = workspace.spec
    built_from = ", ".join(source.name for source in corpus_sources())
    names = " and ".join(f"`{part.name}`" for part in spec.parts)
    joined = f"A text's unit vectors of {names} are joined and scaled to unit length. " if len(spec.parts) > 1 else ""

    @dg.asset(
        key=model_key(spec.name),
        group_name=MODEL,
        kinds={"onnx"},
        config_schema={},
        code_version=_code_version({"name": spec.name, "dims": spec.dims}),
        description=f"The base model `{spec.name}` ({spec.dims} dimensions), its bytes verified. {joined}"
        f"`corpus-static` is built from the project's own texts ({built_from}) and then frozen, so that appended "
        "events reuse cached vectors; it is built again on a `full` run or when too many words are unknown to it.",
    )
    def model(context: dg.AssetExecutionContext, build: dg.ResourceParam[BuildOptions]) -> dg.MaterializeResult:
        forced = stated(lambda: build.forced(MODEL, [*workspace.names(), MODEL]))
        outcome = stated(lambda: run_model(workspace, context.log.info, full=forced))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(outcome.state.digest or ""),
            metadata={
                "reused": outcome.reused,
                "reasons": "; ".join(outcome.reasons) or "nothing changed",
                "digest": outcome.state.digest or "",
                "dimensions": spec.dims,
                "models": model_table(spec, outcome.state),
                "settings": outcome.state.settings,
                "seconds": round(outcome.seconds, 2),
            },
        )

    return model


def _stage_asset(workspace: Workspace, projection: ProjectionRecipe | None, stage: str) -> dg.AssetsDefinition:
    name = projection.name if projection else BASE
    dependencies = _dependencies(workspace, projection, stage)
    key = stage_key(name, stage)

    @dg.asset(
        key=key,
        deps=dependencies,
        group_name=key_part(name),
        kinds=KINDS[stage],
        config_schema={},
        code_version=_stage_code_version(workspace, projection, stage, dependencies),
        description=_description(projection, name, stage),
        metadata=code_references(workspace, projection, stage),
        check_specs=check_specs(key, stage),
    )
    def built(context: dg.AssetExecutionContext, build: dg.ResourceParam[BuildOptions]) -> dg.MaterializeResult:
        forced = stated(lambda: build.forced(name, [*workspace.names(), MODEL]))
        outcome = stated(lambda: run_stage(workspace, name, stage, context.log.info, full=forced))
        layers = [projection.hidden, projection.output] if projection else None
        return dg.MaterializeResult(
            data_version=dg.DataVersion(outcome.record.digest),
            metadata=stated(lambda: stage_metadata(workspace, name, stage, outcome)),
            check_results=stated(lambda: check_stage(workspace.paths(name), stage, layers)),
        )

    return built


def _lock_asset(workspace: Workspace) -> dg.AssetsDefinition:
    names = workspace.names()

    @dg.asset(
        key=lock_key(),
        deps=[stage_key(name, "index") for name in names],
        group_name=LOCK,
        kinds={"yaml"},
        config_schema={},
        code_version=_code_version({"projections": names, "model": workspace.spec.name}),
        description="Provenance of the last build (`.patina/data/oxidize.lock`). Untouched when nothing was rebuilt.",
    )
    def oxidize_lock() -> dg.MaterializeResult:
        stated(lambda: publish_lock(workspace))
        path = workspace.project.lock
        return dg.MaterializeResult(
            data_version=dg.DataVersion(file_sha256(path)),
            metadata=lock_metadata(path),
        )

    return oxidize_lock


def _dependencies(workspace: Workspace, projection: ProjectionRecipe | None, stage: str) -> list[dg.AssetKey]:
    name = projection.name if projection else BASE
    before = upstream_of(name)[stage]
    if not before:
        return [source_key(source) for source in sources_of(workspace.recipe, projection)]
    model = [model_key(workspace.spec.name)] if stage == "embeddings" else []
    return [*(stage_key(name, upstream) for upstream in before), *model]


def _stage_code_version(
    workspace: Workspace, projection: ProjectionRecipe | None, stage: str, dependencies: Sequence[dg.AssetKey]
) -> str:
    """Return a hash of all that the program and the recipe put into a stage, its dependencies included."""
    values: dict[str, object] = {
        name: entry.value for name, entry in recipe_inputs(workspace.recipe, projection, stage).items()
    }
    values["dependencies"] = sorted(key.to_user_string() for key in dependencies)
    if stage == "embeddings":
        values["model settings"] = workspace.model_settings
    return _code_version(values)


def _code_version(values: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _description(projection: ProjectionRecipe | None, name: str, stage: str) -> str:
    text = DESCRIPTIONS[stage].format(name=name)
    if projection is None or stage != "pairs":
        return text
    pair_type = PAIR_TYPES[projection.training.pair_type]
    definition = (pair_type.derive.__doc__ or "").split("\n\n")[0]
    return f"{text}\n\n`{pair_type.name}` over `{pair_type.source.name}`: {definition}"


def stated(work: Callable[[], T]) -> T:
    """Return what `work` returns; its one-sentence error becomes the description of the failed step."""
    try:
        return work()
    except PatinaError as error:
        raise dg.Failure(description=one_line(str(error)), allow_retries=False) from error
