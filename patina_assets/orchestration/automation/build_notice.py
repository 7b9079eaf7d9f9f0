"""Makes runs of builds that went on without Dagster while `patina ui` is up."""

from collections.abc import Sequence

import dagster as dg

from patina_assets.orchestration.automation.ticks import instance_of, location_name
from patina_assets.orchestration.noted_builds import code_versions, tell_noted_builds
from patina_assets.pipeline.direct_build import noted_files
from patina_assets.pipeline.plain_text import from_root
from patina_assets.pipeline.workspace import open_workspace
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project, find_project


def build_notice(project: Project, prefix: Sequence[str] = ()) -> dg.SensorDefinition:
    """Return the sensor that makes a run of each noted build.

    Args:
        project: The project.
        prefix: What stands before its asset keys.
    """

    @dg.sensor(
        name="build_notice",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=project.config.automation.interval_seconds,
        description="Makes a run of each small build of `patina oxidize`: such a build goes on without Dagster.",
    )
    def notice(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        count = len(noted_files(project))
        if not count:
            return dg.SkipReason("nothing was built without Dagster")
        if context.repository_def is None:
            raise AssertionError("Dagster gives every sensor its repository")
        versions = code_versions(context.repository_def.asset_graph)
        try:
            workspace = open_workspace(find_project(project.root))
            tell_noted_builds(instance_of(context), workspace, versions, prefix, location_name(context))
        except PatinaError as error:
            return dg.SkipReason(from_root(str(error), project.root))
        return dg.SkipReason(f"made runs of {count} builds")

    return notice
