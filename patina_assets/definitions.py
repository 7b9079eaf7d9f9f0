"""The Dagster code location: all assets of the project that `PATINA_PROJECT` or the working folder names."""

from collections.abc import Mapping

import dagster as dg

from patina_assets.assets import project_assets
from patina_assets.pipeline import Workspace, open_workspace
from patina_resources.errors import PatinaError
from patina_resources.project import find_project
from patina_resources.resources import BuildOptions, EventlogResource, ModelCacheResource


@dg.definitions
def defs() -> dg.Definitions:
    """Return the project's definitions, or where its recipe cannot be read, one asset that says why."""
    try:
        return workspace_definitions(open_workspace(find_project()))
    except PatinaError as error:
        return broken_recipe(str(error))


def workspace_definitions(
    workspace: Workspace, loggers: Mapping[str, dg.LoggerDefinition] | None = None
) -> dg.Definitions:
    """Return all assets of a project and the resources they rest on."""
    return dg.Definitions(
        assets=project_assets(workspace),
        resources={
            "eventlog": EventlogResource(path=str(workspace.eventlog.path)),
            "models": ModelCacheResource(home=str(workspace.home.home)),
            "build": BuildOptions(),
        },
        loggers=loggers,
        executor=dg.in_process_executor,
    )


def broken_recipe(reason: str) -> dg.Definitions:
    """Return definitions with the single asset `recipe`, which carries the reason and fails with it."""

    @dg.asset(key="recipe", group_name="recipe", description=f"**The recipe cannot be read.** {reason}")
    def recipe() -> None:
        raise dg.Failure(description=reason, allow_retries=False)

    @dg.asset_check(asset=recipe, name="readable", description=reason)
    def readable() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description=reason, metadata={"reason": reason})

    return dg.Definitions(assets=[recipe], asset_checks=[readable], executor=dg.in_process_executor)
