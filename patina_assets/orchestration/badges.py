"""Tells Dagster what is on disk where it does not know: the badges of its UI then say what `plan` says.

A stage may have been built by another Dagster instance, and a source changes without any run. Both are reported as
materializations that belong to no run, with the tags from which Dagster computes staleness.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import dagster as dg
from dagster import AssetMaterialization

from patina_assets.orchestration.assets import source_sql
from patina_assets.orchestration.keys import cache_key, eventlog_key, lock_key, model_asset_key, source_key, stage_key
from patina_assets.orchestration.metadata import (
    Metadata,
    cache_metadata,
    eventlog_metadata,
    lock_metadata,
    model_metadata,
    source_metadata,
    stage_metadata,
)
from patina_assets.pipeline.corpus import model_sources
from patina_assets.pipeline.reasons import ReasonKind
from patina_assets.pipeline.stages.embeddings import MODEL_INPUT, SETTINGS_INPUT
from patina_assets.pipeline.stages.stage import Stage
from patina_assets.pipeline.staleness import LOCK, recipe_inputs
from patina_assets.pipeline.workspace import Survey, Workspace, manifest_state
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Source
from patina_resources.project.project import Project
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.files import file_sha256
from patina_resources.store.manifests import StageRecord

DATA_VERSION = "dagster/data_version"
CODE_VERSION = "dagster/code_version"
INPUT_PREFIX = "dagster/input_data_version/"
# Dagster takes an input for known only where this stands beside its version; of which event it is does not matter.
POINTER_PREFIX = "dagster/input_event_pointer/"
NO_POINTER = "NULL"
OUTSIDE = "on disk, built or changed outside of this Dagster instance's runs"
# Stands where a stage was built from a recipe that is not the present one.
OLDER_RECIPE = "an older recipe"

# Why trained weights are stale although nothing that they were made from changed: the recipe's policy did.
POLICY_KINDS = {ReasonKind.ALWAYS, ReasonKind.CONTINUED, ReasonKind.NOTHING_LEARNED, ReasonKind.LARGE_DRIFT}

Tags = dict[str, str]


@dataclass(frozen=True)
class _State:
    """What is on disk of an asset.

    Attributes:
        version: Its data version.
        inputs: The data versions of what it was made from.
        current: Whether it was made with the present recipe.
        details: Returns what its page shows.
    """

    version: str
    inputs: Mapping[dg.AssetKey, str]
    current: bool = True
    details: Callable[[], Metadata] = dict


def report_what_is_on_disk(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    found: Survey,
    code_versions: Mapping[dg.AssetKey, str | None],
    prefix: Sequence[str] = (),
) -> list[str]:
    """Report every asset of which Dagster believes something else than the manifests say; return their keys as text.

    Args:
        instance: Where to report.
        workspace: The project.
        found: A survey of it.
        code_versions: Of each asset as it is defined now.
        prefix: What stands before each asset key in this instance.
    """
    events = list(_news(instance, _states(workspace, found), code_versions, prefix))
    for event in events:
        instance.report_runless_asset_event(event)
    return [event.asset_key.to_user_string() for event in events]


def _news(
    instance: dg.DagsterInstance,
    states: Mapping[dg.AssetKey, _State],
    code_versions: Mapping[dg.AssetKey, str | None],
    prefix: Sequence[str],
) -> Iterator[AssetMaterialization]:
    """Yield what Dagster does not know yet."""
    for bare, state in states.items():
        key = dg.AssetKey([*prefix, *bare.path])
        if key not in code_versions:
            continue
        code_version = code_versions[key] or "" if state.current else OLDER_RECIPE
        tags = version_tags(state.version, code_version, state.inputs, prefix)
        if not _known(instance, key, tags, code_versions[key]):
            yield AssetMaterialization(key, metadata=state.details() | {"found": OUTSIDE}, tags=tags)


def version_tags(version: str, code_version: str, inputs: Mapping[dg.AssetKey, str], prefix: Sequence[str]) -> Tags:
    """Return the tags of a materialization from which Dagster computes staleness.

    Args:
        version: The asset's data version.
        code_version: Its code version.
        inputs: The data versions of what it was made from, by bare key.
        prefix: What stands before each key.
    """
    tags = {DATA_VERSION: version, CODE_VERSION: code_version}
    for bare, value in inputs.items():
        name = dg.AssetKey([*prefix, *bare.path]).to_user_string()
        tags |= {INPUT_PREFIX + name: value, POINTER_PREFIX + name: NO_POINTER}
    return tags


def input_keys(workspace: Workspace, stage: Stage) -> dict[str, dg.AssetKey]:
    """Return the bare keys of what a stage is made from, by the name of the input."""
    keys = {upstream.name: stage_key(stage.projection, upstream.name) for upstream in stage.upstream}
    keys |= {source.name: source_key(source.name) for source in stage.sources}
    return keys | ({MODEL_INPUT: model_asset_key(workspace.spec.name)} if stage.embeds else {})


def _known(instance: dg.DagsterInstance, key: dg.AssetKey, tags: Tags, present: str | None) -> bool:
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return False
    believed = event.asset_materialization.tags or {}
    if tags[CODE_VERSION] == OLDER_RECIPE and believed.get(CODE_VERSION) != present:
        # Dagster knows that it is an older one: which one does not matter.
        tags = {**tags, CODE_VERSION: believed.get(CODE_VERSION, "")}
    # Of which event an input is does not matter.
    wanted = {name: value for name, value in tags.items() if not name.startswith(POINTER_PREFIX)}
    return {name: believed[name] for name in believed if name in wanted or name.startswith(INPUT_PREFIX)} == wanted


def _states(workspace: Workspace, found: Survey) -> dict[dg.AssetKey, _State]:
    """Return what is on disk of each asset."""
    last_seq, looked_at = workspace.eventlog.last_seq(), found.look.digests
    details = partial(eventlog_metadata, workspace.project.root, workspace.eventlog.path, last_seq)
    states = {eventlog_key(): _State(str(last_seq), {}, details=details)}
    sql = source_sql(workspace)
    for name, digest in looked_at.items():
        details = partial(source_metadata, workspace.eventlog, Source(name, sql[name]), digest)
        states[source_key(name)] = _State(digest.digest, {eventlog_key(): str(last_seq)}, details=details)
    if found.model.digest is not None:
        inputs = {source_key(source.name): looked_at[source.name].digest for source in model_sources(workspace.spec)}
        details = partial(model_metadata, workspace.spec, found.model)
        states[model_asset_key(workspace.spec.name)] = _State(found.model.digest, inputs, details=details)
    by_policy = {
        (verdict.projection, verdict.stage)
        for verdict in found.verdicts
        if not verdict.stays and any(reason.kind in POLICY_KINDS for reason in verdict.reasons)
    }
    indexes: dict[dg.AssetKey, str] = {}
    embedded: list[StageRecord] = []
    for projection in workspace.projections:
        paths = workspace.paths(projection.name)
        built = BuiltProjection(paths, manifest_state(paths).manifest)
        for stage in projection.stages:
            if stage.name in built.manifest:
                state = _stage_state(workspace, stage, built)
                is_current = state.current and (projection.name, stage.name) not in by_policy
                states[stage_key(projection.name, stage.name)] = replace(state, current=is_current)
                embedded += [built.manifest[stage.name]] if stage.embeds else []
        if projection.last.name in built.manifest:
            indexes[stage_key(projection.name, projection.last.name)] = built.manifest[projection.last.name].digest
    states |= _cache_states(workspace, embedded)
    if workspace.project.lock.is_file() and len(indexes) == len(workspace.names()):
        own_digest = file_sha256(workspace.project.lock)
        own = {reason.kind for entry in found.verdicts if entry.projection == LOCK for reason in entry.reasons}
        current = ReasonKind.OTHER_PROVENANCE not in own
        states[lock_key()] = _State(own_digest, indexes, current, partial(lock_metadata, workspace.project))
    return states


def _cache_states(workspace: Workspace, embedded: Sequence[StageRecord]) -> dict[dg.AssetKey, _State]:
    """Return what is on disk of the embedding caches: they change when texts are embedded."""
    project, last = workspace.project, max(embedded, key=lambda record: record.built_at, default=None)
    if last is None:
        return {}
    return {
        cache_key(part.name): _State(last.digest, {}, details=partial(_cache_details, project, part.name, last))
        for part in workspace.spec.parts
        if project.embedding_cache(part.name).is_file()
    }


def _cache_details(project: Project, model: str, embedded: StageRecord) -> Metadata:
    try:
        return cache_metadata(project, model, embedded)
    except PatinaError:  # another process has it, or it is damaged
        return {}


def _stage_state(workspace: Workspace, stage: Stage, projection: BuiltProjection) -> _State:
    record = projection.stage(stage.name).record
    wanted = recipe_inputs(stage)
    used = {key: entry.value for key, entry in record.inputs.items() if key in wanted}
    current = used == {key: entry.value for key, entry in wanted.items()}
    keys = input_keys(workspace, stage)
    if stage.embeds:
        settings = record.inputs.get(SETTINGS_INPUT)
        current = current and settings is not None and settings.value == workspace.model_settings
    inputs = {key: record.inputs[name].value for name, key in keys.items() if name in record.inputs}
    return _State(record.digest, inputs, current, lambda: _details(stage, projection))


def _details(stage: Stage, built: BuiltProjection) -> Metadata:
    try:
        return stage_metadata(stage, built)
    except PatinaError:  # a file is damaged: the plan says so
        return {}
