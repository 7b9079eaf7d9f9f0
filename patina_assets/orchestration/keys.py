"""The keys of a project's assets."""

import re
from collections.abc import Iterable

import dagster as dg

from patina_assets.pipeline.staleness import LOCK, MODEL, StageVerdict
from patina_assets.pipeline.workspace import Workspace


def key_part(name: str) -> str:
    """Return a name as a part of an asset key: what Dagster does not allow there becomes `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def stage_key(name: str, stage: str) -> dg.AssetKey:
    """Return the key of a projection's (or base's) stage."""
    return dg.AssetKey([key_part(name), stage])


def source_key(source: str) -> dg.AssetKey:
    """Return the key of a source, such as `source/git_co_changes`."""
    return dg.AssetKey(["source", key_part(source)])


def model_asset_key(model: str) -> dg.AssetKey:
    """Return the key of a base model, such as `model/corpus_static`."""
    return dg.AssetKey([MODEL, key_part(model)])


def cache_key(model: str) -> dg.AssetKey:
    """Return the key of the embedding cache of one model, such as `model/corpus_static/cache`."""
    return dg.AssetKey([*model_asset_key(model).path, "cache"])


def eventlog_key() -> dg.AssetKey:
    """Return the key of the eventlog."""
    return dg.AssetKey(["eventlog"])


def lock_key() -> dg.AssetKey:
    """Return the key of the lock."""
    return dg.AssetKey([LOCK])


def keys_to_build(workspace: Workspace, verdicts: Iterable[StageVerdict]) -> list[dg.AssetKey]:
    """Return the keys of the stages to build, behind those of the sources whose rows they are made from."""
    verdicts = list(verdicts)
    wanted = {(verdict.projection, verdict.stage) for verdict in verdicts}
    sources = {
        source.name
        for projection in workspace.projections
        for stage in projection.stages
        if (projection.name, stage.name) in wanted
        for source in stage.sources
    }
    return [*(source_key(source) for source in sorted(sources)), *map(_verdict_key, verdicts)]


def _verdict_key(verdict: StageVerdict) -> dg.AssetKey:
    if verdict.projection == MODEL:
        return model_asset_key(verdict.stage)
    return lock_key() if verdict.projection == LOCK else stage_key(verdict.projection, verdict.stage)
