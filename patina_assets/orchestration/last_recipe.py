"""The recipe that could be read last, and what was made by it: shown while the present one cannot be read."""

from contextlib import suppress
from pathlib import Path

import dagster as dg

from patina_assets.orchestration.assets import project_assets
from patina_assets.orchestration.jobs import eventlog_asset
from patina_assets.pipeline.workspace import open_workspace
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.store.files import write_if_changed

FILE = "last-recipe.yaml"


def keep_recipe(project: Project) -> None:
    """Keep the recipe, which could be read, beside Dagster's records; do nothing where that cannot be written."""
    if project.dagster_home.is_dir():
        with suppress(PatinaError, OSError):
            write_if_changed(_place(project), project.recipe.read_bytes())


def assets_of_last_recipe(project: Project) -> list[dg.AssetSpec]:
    """Return the assets of the recipe that could be read last, for reading alone: Dagster offers no run of them.

    Empty where there was none, or where it cannot be read any more either.
    """
    if not _place(project).is_file():
        return []
    try:
        workspace = open_workspace(project, _place(project))
    except PatinaError:
        return []
    made = [eventlog_asset(workspace), *project_assets(workspace)]
    return [spec for asset in made for spec in asset.specs]


def _place(project: Project) -> Path:
    return project.dagster_home / FILE
