"""The sensor as the daemon evaluates it, over a project that is built once and copied."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.defs_state.base import set_defs_state_storage
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.cli import execute_query
from eventlog_builder import commit
from made_once import made_once
from small_project import make_project
from ui_server import STATUS

from patina_assets.definitions import project_definitions
from patina_assets.orchestration.instance import prepare_workspace
from patina_assets.orchestration.records import opened_instance
from patina_resources.project.project import Project, find_project

# A change after which no model is built, and no weights from the start.
SMALL_CHANGE = [commit("a" * 40, "src/parser/alone.py", "src/parser/grammar.py", hour=600)]


@contextmanager
def quick_instance(folder: Path) -> Iterator[DagsterInstance]:
    """Yield an instance with settings of Dagster's own, opened as `patina oxidize` opens one.

    One that opens its files anew for each event takes three times as long for a build.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with opened_instance(folder, keeps_output=False) as instance:
        yield instance


class Sensor:
    """The sensor as the daemon evaluates it, and the runs that it asks for."""

    def __init__(self, project: Project, instance: DagsterInstance) -> None:
        self.project, self.instance, self.cursor = project, instance, None
        self.reload()

    def reload(self) -> None:
        """Load the definitions again."""
        self.definitions = project_definitions(self.project.root)
        self.sensor = self.definitions.resolve_sensor_def("oxidize_sensor")
        self.repository = self.definitions.get_repository_def()

    def tick(self) -> dg.SensorResult | dg.SkipReason:
        """Evaluate it once."""
        with dg.build_sensor_context(
            self.instance, self.cursor, repository_def=self.repository, sensor_name="oxidize_sensor"
        ) as context:
            result = self.sensor(context)
        if isinstance(result, dg.SensorResult):
            self.cursor = result.cursor
        assert isinstance(result, dg.SensorResult | dg.SkipReason)
        return result

    def settled_tick(self) -> dg.SensorResult:
        """Evaluate it until writes have settled."""
        for _ in range(600):
            result = self.tick()
            assert isinstance(result, dg.SensorResult), result
            if result.run_requests or "waiting until" not in str(result.skip_reason):
                return result
            time.sleep(0.1)
        raise AssertionError("never settled")

    def requested(self) -> set[str]:
        """Return the assets that it asks for now."""
        requests = self.settled_tick().run_requests or []
        return {key.to_user_string() for request in requests for key in request.asset_selection or ()}

    def run(self, keys: set[str]) -> bool:
        """Materialize these assets in this process; return whether that succeeded."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        selection = [dg.AssetKey.from_user_string(key) for key in keys]
        config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return job.execute_in_process(
            instance=self.instance, asset_selection=selection, raise_on_error=False, run_config=config
        ).success


def origin_of(location: str) -> InProcessCodeLocationOrigin:
    """Return what Dagster knows of a code location of this name."""
    return InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file="definitions.py"), location_name=location)


def run_of(instance: DagsterInstance, location: str) -> dg.DagsterRun:
    """Return a new run of a code location, as the web UI and the daemon make them."""
    repository = RemoteRepositoryOrigin(origin_of(location), "__repository__")
    return create_run_for_test(instance, remote_job_origin=RemoteJobOrigin(repository, "oxidize_job"))


def built_template() -> Path:
    """Return a folder with a project and the Dagster instance that has built it, for `copied`."""
    return made_once("template", _build_template)


def _build_template(folder: Path) -> None:
    project = make_project(folder / "project")
    project.config_file.write_text("[automation]\nsettle_seconds = 1\n")
    with quick_instance(folder / "instance") as instance:
        made = Sensor(project, instance)
        assert made.run({key.to_user_string() for key in made.repository.asset_graph.materializable_asset_keys})


@contextmanager
def copied(template: Path, folder: Path) -> Iterator[Sensor]:
    """Yield the sensor of a copy of the template."""
    shutil.copytree(template, folder)
    with quick_instance(folder / "instance") as instance:
        yield Sensor(find_project(folder / "project"), instance)


def badges(sensor: Sensor) -> dict[str, dict[str, Any]]:
    """Return what GraphQL says of each asset, its definitions loaded as the web UI loads them."""
    home = prepare_workspace([sensor.project])
    (location,) = (home / "locations").glob("*.py")
    # Within one process Dagster loads a file of a name once.
    file = home / f"loaded_{time.monotonic_ns()}.py"
    file.write_text(location.read_text())
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file=str(file)), location_name=file.stem)
    with (
        # Dagster keeps this storage in a context variable. An instance that is disposed of late, by the garbage
        # collector, puts back what was there before it was opened: a storage whose instance is gone.
        set_defs_state_storage(sensor.instance.defs_state_storage),
        WorkspaceProcessContext(sensor.instance, InProcessWorkspaceLoadTarget([origin])) as context,
    ):
        errors = {
            name: entry.load_error
            for name, entry in context.create_request_context().get_code_location_entries().items()
        }
        assert not any(errors.values()), errors
        answer = execute_query(context, STATUS)
    assert "errors" not in answer, answer
    return {"/".join(node["assetKey"]["path"]): node for node in answer["data"]["assetNodes"]}
