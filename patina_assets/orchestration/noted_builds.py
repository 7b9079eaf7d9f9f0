"""Tells Dagster of builds that went on without it: each becomes a run, with what it built and checked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import AssetMaterialization, DagsterEvent, DagsterEventType
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.events import EventSpecificData, StepMaterializationData

from patina_assets.orchestration.badges import input_keys, report_what_is_on_disk, version_tags
from patina_assets.orchestration.checks import result
from patina_assets.orchestration.keys import stage_key
from patina_assets.orchestration.metadata import Metadata, stage_metadata
from patina_assets.orchestration.origin import of_location, own_location
from patina_assets.pipeline.direct_build import NotedBuild, NotedStage, noted_files, read_noted
from patina_assets.pipeline.workspace import Workspace, manifest_state, survey
from patina_resources.errors import PatinaError
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.files import delete_file
from patina_resources.store.mutex import exclusive

WAIT_SECONDS = 60.0
MUTEX = "telling.mutex"
# Dagster goes on from a failed step only where it has a plan of steps.
BEGUN = (
    "Built by `patina oxidize`, without Dagster and its steps: to build it again, choose to re-execute all steps, or "
    "run `patina oxidize`; from the failure alone is not possible."
)


def code_versions(graph: BaseAssetGraph[Any]) -> dict[dg.AssetKey, str | None]:
    """Return the code version of each asset as it is defined now."""
    return {key: graph.get(key).code_version for key in graph.get_all_asset_keys()}


def tell_noted_builds(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    versions: Mapping[dg.AssetKey, str | None],
    prefix: Sequence[str] = (),
    location: str | None = None,
) -> None:
    """Tell Dagster of each build that was noted, and remove the note; then of whatever else is on disk.

    A note says nothing of sources and of the lock, and Dagster may have built something newer meanwhile.

    Args:
        instance: Where to tell.
        workspace: The project.
        versions: Code versions of the assets that are defined now; of others nothing is told.
        prefix: What stands before each asset key in this instance.
        location: The project's code location in this instance; None for the name that it has alone.

    Raises:
        PatinaError: Another process has been telling for a minute, a note cannot be removed, or the project cannot be
            surveyed.
    """
    if not noted_files(workspace.project):
        return
    with exclusive(workspace.project.noted_builds / MUTEX, WAIT_SECONDS, "telling Dagster of builds"):
        for path in noted_files(workspace.project):
            build = read_noted(path)
            if build is not None:
                _tell(instance, workspace, build, versions, prefix, location or own_location(workspace.project))
            delete_file(path)
    report_what_is_on_disk(instance, workspace, survey(workspace), versions, prefix)


def _tell(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    build: NotedBuild,
    versions: Mapping[dg.AssetKey, str | None],
    prefix: Sequence[str],
    location: str,
) -> None:
    """Tell of one build; who was killed while telling goes on with it."""

    def report(
        kind: DagsterEventType, timestamp: float, data: EventSpecificData | None = None, message: str | None = None
    ) -> None:
        event = DagsterEvent(kind.value, IMPLICIT_ASSET_JOB_NAME, event_specific_data=data, message=message)
        instance.report_dagster_event(event, build.run, timestamp=timestamp)

    keys = {
        dg.AssetKey([*prefix, *stage_key(stage.projection, stage.stage).path]): stage
        for stage in build.stages
        if stage.projection in workspace.names()
    }
    known = {key: stage for key, stage in keys.items() if key in versions}
    if not instance.has_run(build.run):
        for key, stage in known.items():
            latest = instance.get_latest_materialization_event(key)
            was_told = latest is not None and latest.run_id == build.run  # its page would show it twice
            if stage.digest and not was_told:
                made = _materialization(workspace, key, stage, versions[key] or "", prefix)
                report(DagsterEventType.ASSET_MATERIALIZATION, build.ended, StepMaterializationData(made))
            for evaluation in _evaluations(key, stage):
                report(DagsterEventType.ASSET_CHECK_EVALUATION, build.ended, evaluation)
        run = dg.DagsterRun(
            job_name=IMPLICIT_ASSET_JOB_NAME, run_id=build.run, tags=build.tags, asset_selection=frozenset(known)
        )
        created = datetime.fromtimestamp(build.started, UTC)
        instance.run_storage.add_historical_run(of_location(run, location), created)
    report(DagsterEventType.PIPELINE_START, build.started, message=BEGUN)
    ended = DagsterEventType.PIPELINE_FAILURE if build.failures else DagsterEventType.PIPELINE_SUCCESS
    report(ended, build.ended, message=" | ".join(build.failures) or "Everything that was stale is built.")


def _materialization(
    workspace: Workspace, key: dg.AssetKey, noted: NotedStage, code_version: str, prefix: Sequence[str]
) -> AssetMaterialization:
    stage = workspace.projection(noted.projection).stage(noted.stage)
    inputs = {name: noted.inputs[part] for part, name in input_keys(workspace, stage).items() if part in noted.inputs}
    told: Metadata = {"reused": noted.reused, "reasons": noted.reasons or "nothing changed", "seconds": noted.seconds}
    tags = version_tags(noted.digest, code_version, inputs, prefix)
    return AssetMaterialization(key, metadata={**_page(workspace, noted), **told}, tags=tags)


def _page(workspace: Workspace, noted: NotedStage) -> Metadata:
    """Return what the page of a stage shows: all of it while the stage is as it was noted, its numbers otherwise."""
    stage, paths = workspace.projection(noted.projection).stage(noted.stage), workspace.paths(noted.projection)
    built = BuiltProjection(paths, manifest_state(paths).manifest)
    record = built.manifest.get(noted.stage)
    if record is not None and {name: entry.value for name, entry in record.inputs.items()} == noted.inputs:
        with suppress(PatinaError):  # replaced meanwhile, or damaged
            return stage_metadata(stage, built)
    return dict(noted.facts)


def _evaluations(key: dg.AssetKey, noted: NotedStage) -> Iterator[dg.AssetCheckEvaluation]:
    for check in noted.checks:
        shown = result(check)
        yield dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=check.name,
            passed=check.passed,
            metadata=shown.metadata or {},
            severity=shown.severity,
            description=check.reason,
        )
