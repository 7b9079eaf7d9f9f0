"""The Dagster code location: all assets of the project that `PATINA_PROJECT` or the working folder names."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import dagster as dg

from patina_assets.orchestration.assets import project_assets
from patina_assets.orchestration.automation import definitions_digest
from patina_assets.orchestration.failures import failure_notice
from patina_assets.orchestration.jobs import evaluate_job, materialize_job
from patina_assets.orchestration.sensors import OXIDIZE_JOB, Location, nightly_schedule, oxidize_sensor
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
        return broken_recipe(str(error))
    # Taken before the files are read: what is edited meanwhile is noticed by the sensor.
    location = Location(root, definitions_digest(root, mothership()), tuple(prefix))
    try:
        workspace = open_workspace(find_project(root))
        return dg.Definitions.merge(workspace_definitions(workspace, prefix=prefix), _automation(workspace, location))
    except PatinaError as error:
        sensor = oxidize_sensor(location, AutomationConfig(), broken=str(error))
        return dg.Definitions.merge(broken_recipe(str(error), prefix), dg.Definitions(sensors=[sensor]))


def workspace_definitions(
    workspace: Workspace, loggers: Mapping[str, dg.LoggerDefinition] | None = None, prefix: Sequence[str] = ()
) -> dg.Definitions:
    """Return all assets of a project and the resources they rest on."""
    return dg.Definitions(
        assets=_prefixed(project_assets(workspace), prefix),
        resources={"build": build_options(), "io_manager": NO_IO},
        loggers=loggers,
        executor=dg.in_process_executor,
    )


def broken_recipe(reason: str, prefix: Sequence[str] = ()) -> dg.Definitions:
    """Return definitions with the single asset `recipe`, which carries the reason and fails with it."""

    @dg.asset(
        key=[*prefix, "recipe"],
        config_schema={},
        group_name="recipe",
        description=f"**The recipe cannot be read.** {reason}",
    )
    def recipe() -> None:
        raise dg.Failure(description=reason, allow_retries=False)

    @dg.asset_check(asset=recipe, name="readable", config_schema={}, description=reason)
    def readable() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description=reason, metadata={"reason": reason})

    return dg.Definitions(
        assets=[recipe],
        asset_checks=[readable],
        resources={"io_manager": NO_IO},
        executor=dg.in_process_executor,
    )


def _automation(workspace: Workspace, location: Location) -> dg.Definitions:
    project, automation = workspace.project, workspace.project.config.automation
    assets = _prefixed(project_assets(workspace), location.prefix)
    code_versions = {spec.key: spec.code_version for asset in assets for spec in asset.specs}
    job = dg.define_asset_job(
        OXIDIZE_JOB,
        selection=dg.AssetSelection.all(),
        description="Everything: what is fresh returns at once. `patina oxidize` does the same.",
    )
    return dg.Definitions(
        jobs=[job, materialize_job(workspace, code_versions, location.prefix), evaluate_job(workspace)],
        schedules=[nightly_schedule(location, automation, project.config_file)],
        sensors=[
            oxidize_sensor(location, automation),
            failure_notice(location.root, automation, project.failures_log),
        ],
    )


def _prefixed(assets: Iterable[dg.AssetsDefinition], prefix: Sequence[str]) -> list[dg.AssetsDefinition]:
    assets = list(assets)
    if not prefix:
        return assets
    keys = {key: dg.AssetKey([*prefix, *key.path]) for asset in assets for key in asset.keys}
    return [asset.with_attributes(asset_key_replacements=keys) for asset in assets]
