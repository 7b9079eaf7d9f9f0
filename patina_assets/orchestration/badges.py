"""Tells Dagster what is on disk where it does not know: the badges of its UI then say what `plan` says.

A stage may have been built by another Dagster instance, and a source changes without any run. Both are reported as
materializations that belong to no run, with the tags from which Dagster computes staleness.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import AssetMaterialization

from patina_assets.orchestration.assets import lock_key, model_key, source_key, stage_key
from patina_assets.orchestration.metadata import Metadata, lock_metadata, stage_metadata
from patina_assets.pipeline.runner import StageOutcome
from patina_assets.pipeline.staleness import recipe_inputs, sources_of, upstream_of
from patina_assets.pipeline.workspace import Survey, Workspace, manifest_state
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Look
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
    events = list(_news(instance, _states(workspace, found), code_versions, prefix, OUTSIDE))
    for event in events:
        instance.report_runless_asset_event(event)
    return [event.asset_key.to_user_string() for event in events]


def observed_sources(
    instance: dg.DagsterInstance,
    look: Look,
    code_versions: Mapping[dg.AssetKey, str | None],
    prefix: Sequence[str] = (),
) -> list[AssetMaterialization]:
    """Return a materialization for each source whose rows are not those that Dagster knows of, to be logged by a run.

    The arguments are those of `report_what_is_on_disk`; `look` is a look at the sources.
    """
    return list(_news(instance, _source_states(look), code_versions, prefix, "after this run had appended events"))


def _news(
    instance: dg.DagsterInstance,
    states: Mapping[dg.AssetKey, _State],
    code_versions: Mapping[dg.AssetKey, str | None],
    prefix: Sequence[str],
    found: str,
) -> Iterator[AssetMaterialization]:
    """Yield what Dagster does not know yet; `found` says how it is told."""
    for bare, state in states.items():
        key = dg.AssetKey([*prefix, *bare.path])
        if key not in code_versions:
            continue
        tags = {DATA_VERSION: state.version, CODE_VERSION: code_versions[key] or "" if state.current else OLDER_RECIPE}
        for name, value in state.inputs.items():
            tags[INPUT_PREFIX + dg.AssetKey([*prefix, *name.path]).to_user_string()] = value
        if not _known(instance, key, tags):
            pointers = {
                name.replace(INPUT_PREFIX, POINTER_PREFIX): NO_POINTER for name in tags if name.startswith(INPUT_PREFIX)
            }
            yield AssetMaterialization(key, metadata=state.details() | {"found": found}, tags=tags | pointers)


def _known(instance: dg.DagsterInstance, key: dg.AssetKey, tags: Tags) -> bool:
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return False
    believed = event.asset_materialization.tags or {}
    if tags[CODE_VERSION] == OLDER_RECIPE:
        # Dagster knows that it is an older one: which one does not matter.
        tags = {**tags, CODE_VERSION: believed.get(CODE_VERSION, "")}
    relevant = {name: value for name, value in believed.items() if name in tags or name.startswith(INPUT_PREFIX)}
    return relevant == tags


def _states(workspace: Workspace, found: Survey) -> dict[dg.AssetKey, _State]:
    """Return what is on disk of each asset."""
    states = _source_states(found.look)
    if found.model.digest is not None:
        states[model_key(workspace.spec.name)] = _State(found.model.digest, {})
    indexes: dict[dg.AssetKey, str] = {}
    for name in workspace.names():
        manifest = manifest_state(workspace.paths(name)).manifest
        for stage, record in manifest.items():
            if stage in upstream_of(name):
                states[stage_key(name, stage)] = _stage_state(workspace, name, stage, record)
        if "index" in manifest:
            indexes[stage_key(name, "index")] = manifest["index"].digest
    if workspace.project.lock.is_file() and len(indexes) == len(workspace.names()):
        path = workspace.project.lock
        states[lock_key()] = _State(file_sha256(path), indexes, details=lambda: lock_metadata(path))
    return states


def _source_states(look: Look) -> dict[dg.AssetKey, _State]:
    return {source_key(name): _State(digest.digest, {}) for name, digest in look.digests.items()}


def _stage_state(workspace: Workspace, name: str, stage: str, record: StageRecord) -> _State:
    projection = workspace.projection(name)
    wanted = recipe_inputs(workspace.recipe, projection, stage)
    built = {key: entry.value for key, entry in record.inputs.items() if key in wanted}
    current = built == {key: entry.value for key, entry in wanted.items()}
    inputs: dict[dg.AssetKey, str] = {
        stage_key(name, upstream): record.inputs[upstream].value
        for upstream in upstream_of(name)[stage]
        if upstream in record.inputs
    }
    for source in sources_of(workspace.recipe, projection) if not inputs else ():
        if source in record.inputs:
            inputs[source_key(source)] = record.inputs[source].value
    if "model" in record.inputs:
        inputs[model_key(workspace.spec.name)] = record.inputs["model"].value
        current = current and record.inputs["model settings"].value == workspace.model_settings
    return _State(record.digest, inputs, current, lambda: _details(workspace, name, stage, record))


def _details(workspace: Workspace, name: str, stage: str, record: StageRecord) -> Metadata:
    try:
        shown = stage_metadata(workspace, name, stage, StageOutcome(record, reused=True, reasons=(), seconds=0.0))
    except PatinaError:  # a file is damaged: the plan says so
        return {}
    return {key: value for key, value in shown.items() if key not in ("reused", "reasons", "seconds")}
