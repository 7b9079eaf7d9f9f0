"""Names of Dagster that are not its public interface, as this program uses them: a new version may change them."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution import context_creation_job, execute_in_process
from dagster._core.remote_origin import RegisteredCodeLocationOrigin
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.controller import DagsterDaemonController, create_daemons_from_instance
from dagster._grpc import server as grpc_server
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster_webserver.webserver import DagsterWebserver
from small_project import make_project
from starlette.routing import Route

from patina_assets.commands.run import INTERRUPTED, is_interruption
from patina_assets.orchestration.instance import WORKSPACE_FILE, prepare_workspace
from patina_assets.orchestration.records import opened_instance
from patina_assets.serving.checks import GRAPHQL, NOTEBOOKS
from patina_assets.serving.running import Running


def parameters(called: Callable[..., object]) -> list[str]:
    """Return the names of what something is called with."""
    return [name for name in inspect.signature(called).parameters if name != "self"]


@pytest.mark.parametrize(
    ("called", "names"),
    [
        (GrpcServerRegistry.get_grpc_server_entry, ["code_location_origin"]),
        (WorkspaceProcessContext.reload_code_location, ["name"]),
        (GrpcServerCodeLocation.cleanup, []),
        (
            dg.DagsterInstance.get_ticks,
            ["origin_id", "selector_id", "before", "after", "limit", "statuses"],
        ),
        (DagsterDaemonController.check_daemon_threads, []),
        (grpc_server.get_python_environment_entry_point, ["executable_path"]),  # type: ignore[attr-defined]
        (create_daemons_from_instance, ["instance"]),
        (DagsterWebserver.create_asgi_app, ["kwargs"]),
        (DagsterWebserver.download_captured_logs_endpoint, ["request"]),
        (
            dg.DagsterInstance.optimize_for_webserver,
            ["statement_timeout", "pool_recycle", "max_overflow"],
        ),
    ],
)
def test_what_is_called_takes_what_it_is_given(called: Callable[..., object], names: list[str]) -> None:
    assert parameters(called) == names


def test_what_is_given_by_name_is_taken() -> None:
    assert {"version", "workspace_load_target", "grpc_server_registry"} <= {*parameters(WorkspaceProcessContext)}
    assert {"instance_ref", "server_command", "heartbeat_ttl", "startup_timeout", "log_level"} <= {
        *parameters(GrpcServerRegistry)
    }
    assert RegisteredCodeLocationOrigin("garden").location_name == "garden"
    assert {"remote_job_origin"} <= {*parameters(dg.DagsterInstance.create_run_for_job)}
    assert parameters(DagsterDaemonController)[:2] == ["workspace_process_context", "daemons"]
    assert isinstance(GrpcServerCodeLocation.socket, property)
    assert {"live_data_poll_rate"} <= {*parameters(DagsterWebserver)}


def test_a_run_in_this_process_is_created_by_the_method_that_is_replaced() -> None:
    assert "execute_instance.create_run_for_job(" in inspect.getsource(execute_in_process.core_execute_in_process)


def test_runs_that_name_no_logger_take_one_that_can_be_replaced() -> None:
    assert "in default_system_loggers(context_creation_data.instance)" in inspect.getsource(
        context_creation_job.create_log_manager
    )
    ((_, settings),) = dg.default_system_loggers(None)
    assert {"log_level"} <= {*settings}


def test_the_instance_makes_what_is_made_at_once(tmp_path: Path) -> None:
    with opened_instance(prepare_workspace([make_project(tmp_path / "project")])) as instance:
        assert isinstance(instance.run_launcher, object)
        assert list(instance.get_handlers())
        assert not instance.has_asset_key(dg.AssetKey("x"))


@dg.job
def waiting() -> None:
    """Do nothing."""


def test_runs_that_are_under_way_are_told(tmp_path: Path) -> None:
    home = prepare_workspace([make_project(tmp_path / "project")])
    assert {dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING} <= {*IN_PROGRESS_RUN_STATUSES}
    with opened_instance(home) as instance:
        assert Running(instance).runs() == []
        run = instance.create_run_for_job(waiting)
        instance.report_run_canceling(run)
        (told,) = Running(instance).runs()
    assert (told["run"], told["job"], told["status"], told["steps"]) == (run.run_id, "waiting", "CANCELING", [])


def test_output_of_steps_can_be_left_alone(tmp_path: Path) -> None:
    home = prepare_workspace([make_project(tmp_path / "project")])
    with opened_instance(home, keeps_output=False) as instance:
        assert isinstance(instance.compute_log_manager, NoOpComputeLogManager)


def test_ctrl_c_is_known_under_other_errors() -> None:
    def told(error: BaseException) -> bool:
        try:
            raise error
        except BaseException:
            return is_interruption(serializable_error_info_from_exc_info(sys.exc_info()))

    interrupted = DagsterExecutionInterruptedError()
    assert interrupted.__class__.__name__ == INTERRUPTED
    assert told(interrupted)
    for chained in ("__cause__", "__context__"):
        error = ValueError("a step")
        setattr(error, chained, interrupted)
        assert told(error)
    assert not told(ValueError("a step"))


def test_pages_are_where_the_checks_expect_them(tmp_path: Path) -> None:
    home = prepare_workspace([make_project(tmp_path / "project")])
    (home / WORKSPACE_FILE).write_text("load_from: []\n")
    target = WorkspaceFileTarget(paths=[str(home / WORKSPACE_FILE)])
    with opened_instance(home) as instance, WorkspaceProcessContext(instance, workspace_load_target=target) as context:
        routes = [route for route in DagsterWebserver(context).build_routes() if isinstance(route, Route)]
    methods = {route.path: route.methods or set() for route in routes}
    assert methods[GRAPHQL] == {"GET", "HEAD", "POST"}
    assert {*NOTEBOOKS} <= methods.keys()
    # What changes something is asked for by POST: a link may be followed to everything else.
    assert {path for path, known in methods.items() if known != {"GET", "HEAD"}} == {
        GRAPHQL,
        "/report_asset_materialization/{asset_key:path}",
        "/report_asset_check/{asset_key:path}",
        "/report_asset_observation/{asset_key:path}",
    }
