"""To which code location a run belongs that went on outside of `patina ui`: Dagster tells runs by it on some pages."""

from functools import partial

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.tags import CODE_LOCATION_TAG

from patina_assets.orchestration.instance import location_names
from patina_resources.project.project import Project


def own_location(project: Project) -> str:
    """Return the name that a project's code location has where `patina ui` serves that project alone."""
    return next(iter(location_names([project])))


def job_origin(location: str, job: str) -> RemoteJobOrigin:
    """Return the origin of a job in a code location. It names the location, and says nothing of a server."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), SINGLETON_REPOSITORY_NAME)
    return RemoteJobOrigin(repository, job)


def of_location(run: DagsterRun, location: str) -> DagsterRun:
    """Return a run as one of a code location."""
    return run.with_job_origin(job_origin(location, run.job_name)).with_tags({**run.tags, CODE_LOCATION_TAG: location})


def run_in(instance: dg.DagsterInstance, location: str, job: str) -> None:
    """Have the runs of a job that this process creates belong to a code location: `execute_in_process` takes none."""
    instance.create_run_for_job = partial(  # type: ignore[method-assign]
        instance.create_run_for_job, remote_job_origin=job_origin(location, job)
    )
