"""The Dagster code location: all assets of the project that `PATINA_PROJECT` or the working folder names."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import dagster as dg

from patina_assets.orchestration.assets import project_assets
from patina_assets.orchestration.automation.build_notice import build_notice
from patina_assets.orchestration.automation.decisions import definitions_digest
from patina_assets.orchestration.automation.failures import failure_notice
from patina_assets.orchestration.automation.sensors import (
    OXIDIZE_JOB,
    RECIPE,
    RECIPE_IS_READABLE,
    CodeLocation,
    nightly_schedule,
    oxidize_sensor,
)
from patina_assets.orchestration.jobs import MATERIALIZE_JOB, evaluate_job, eventlog_asset, materialize_selection
from patina_assets.orchestration.keys import eventlog_key
from patina_assets.orchestration.last_recipe import assets_of_last_recipe, keep_recipe
from patina_assets.pipeline.plain_text import from_root
from patina_assets.pipeline.workspace import Workspace, open_workspace
from patina_resources.errors import PatinaError
from patina_resources.project.config import AutomationConfig
from patina_resources.project.project import find_project, find_root
from patina_resources.resources import build_options
from patina_resources.store.mothership import mothership

# No asset hands a value to another. Dagster's default would let a run choose the folder in which it keeps them.
NO_IO = dg.IOManagerDefinition(dg.mem_io_manager.resource_fn, config_schema={})


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the project that the environment names."""
    return project_definitions()


def project_definitions(start: Path | None = None, prefix: Sequence[str] = ()) -> dg.Definitions:
    """Return a project's definitions, or where its recipe cannot be read, one asset that says why.

    Args:
        start: The project; None for the one that `PATINA_PROJECT` or the working folder names.
        prefix: What stands before each asset key, where several projects share one Dagster instance.
    """
    try:
        root = find_root(start)
    except PatinaError as error:
        broken = broken_recipe(str(error), prefix)
        return broken if start is None else dg.Definitions.merge(broken, _until_it_is_back(start, prefix, str(error)))
    # Taken before the files are read: what is edited meanwhile is noticed by the sensor.
    location = CodeLocation(root, definitions_digest(root, mothership()), tuple(prefix))
    try:
        workspace = open_workspace(find_project(root))
        keep_recipe(workspace.project)
        return dg.Definitions.merge(workspace_definitions(workspace, prefix=prefix), _automation(workspace, location))
    except PatinaError as error:
        reason = from_root(str(error), root)
        sensor = oxidize_sensor(location, AutomationConfig(), broken=reason)
        beside = dg.Definitions(assets=_last_assets(root, prefix), sensors=[sensor, *_notices(root, prefix)])
        return dg.Definitions.merge(broken_recipe(reason, prefix), beside)


def _until_it_is_back(root: Path, prefix: Sequence[str], reason: str) -> dg.Definitions:
    """Return what loads the definitions again once a project is there: its folder was moved, or is not mounted."""
    location = CodeLocation(root, definitions_digest(root, mothership()), tuple(prefix))
    return dg.Definitions(sensors=[oxidize_sensor(location, AutomationConfig(), broken=reason)])


def _notices(root: Path, prefix: Sequence[str]) -> list[dg.SensorDefinition]:
    """Return what tells of runs; none where the project cannot be read.

    They stay while the recipe cannot be read: a round of the daemon that began before asks for them, too.
    """
    try:
        project = find_project(root)
    except PatinaError:
        return []
    return [failure_notice(project), build_notice(project, prefix)]


def _last_assets(root: Path, prefix: Sequence[str]) -> list[dg.AssetSpec]:
    """Return the assets of the last good recipe, to be looked at; none where the project cannot be read."""
    try:
        specs = assets_of_last_recipe(find_project(root))
    except PatinaError:
        return []
    return [
        spec.replace_attributes(
            key=[*prefix, *spec.key.path], deps=[[*prefix, *dep.asset_key.path] for dep in spec.deps]
        )
        for spec in specs
    ]


def workspace_definitions(
    workspace: Workspace, loggers: Mapping[str, dg.LoggerDefinition] | None = None, prefix: Sequence[str] = ()
) -> dg.Definitions:
    """Return all assets of a project and the resources they rest on."""
    return dg.Definitions(
        assets=_prefixed([eventlog_asset(workspace), *project_assets(workspace)], prefix),
        resources={"build": build_options(), "io_manager": NO_IO},
        loggers=loggers,
        executor=dg.in_process_executor,
    )


def broken_recipe(reason: str, prefix: Sequence[str] = ()) -> dg.Definitions:
    """Return definitions with the single asset `recipe`, which carries the reason and fails with it."""

    @dg.asset(
        key=[*prefix, RECIPE],
        config_schema={},
        group_name=RECIPE,
        description=f"**The recipe cannot be read.** {reason}",
    )
    def recipe() -> None:
        raise dg.Failure(description=reason, allow_retries=False)

    @dg.asset_check(asset=recipe, name=RECIPE_IS_READABLE, config_schema={}, description=reason)
    def readable() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description=reason, metadata={"reason": reason})

    return dg.Definitions(
        assets=[recipe],
        asset_checks=[readable],
        resources={"io_manager": NO_IO},
        executor=dg.in_process_executor,
    )


def _automation(workspace: Workspace, location: CodeLocation) -> dg.Definitions:
    project, automation = workspace.project, workspace.project.config.automation
    eventlog = dg.AssetKey([*location.prefix, *eventlog_key().path])
    job = dg.define_asset_job(
        OXIDIZE_JOB,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(eventlog),
        description="Everything that is made from events; what is fresh returns at once. As `patina oxidize`.",
    )
    read = dg.define_asset_job(
        MATERIALIZE_JOB,
        selection=materialize_selection(workspace, location.prefix),
        description="`patina materialize`: reads the repository into the eventlog, then looks at the sources, so that "
        "what is made from new events shows as stale. The sensor rebuilds it.",
    )
    return dg.Definitions(
        jobs=[job, read, evaluate_job(workspace)],
        schedules=[nightly_schedule(location, automation, project.config_file)],
        sensors=[oxidize_sensor(location, automation), *_notices(project.root, location.prefix)],
    )


def _prefixed(assets: Iterable[dg.AssetsDefinition], prefix: Sequence[str]) -> list[dg.AssetsDefinition]:
    assets = list(assets)
    if not prefix:
        return assets
    keys = {key: dg.AssetKey([*prefix, *key.path]) for asset in assets for key in asset.keys}
    return [asset.with_attributes(asset_key_replacements=keys) for asset in assets]
