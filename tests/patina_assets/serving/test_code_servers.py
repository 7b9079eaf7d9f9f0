"""What runs beside the web UI keeps its size: code servers that were replaced, and what is garbage."""

import gc
import subprocess
import threading
import time
import weakref
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry, ServerRegistryEntry
from dagster._core.scheduler.instigation import InstigatorTick, TickData, TickStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._grpc.constants import GrpcServerCommand

from patina_assets.serving.processes import CodeServers, set_aside

PATIENCE, FOR_EVER = 300, 100_000


LOADED = """import dagster as dg

@dg.job
def nothing(): ...

@dg.sensor(job=nothing)
def looking(): ...

defs = dg.Definitions(sensors=[looking])
"""


def asking() -> int:
    """Return how many threads ask code servers every second whether they are there."""
    return sum(thread.name == "grpc-client-heartbeat" for thread in threading.enumerate())


def test_one_that_was_replaced_ends_after_the_next_look_and_after_the_tick_that_may_ask_it(tmp_path: Path) -> None:
    file = tmp_path / "loaded.py"
    file.write_text(LOADED)
    target = PythonFileTarget(str(file), attribute=None, working_directory=str(tmp_path), location_name="loaded")
    with (
        dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance,
        GrpcServerRegistry(
            # It would wait for 30 s, which a busy machine exceeds.
            instance.get_ref(),
            GrpcServerCommand.API_GRPC,
            FOR_EVER,
            PATIENCE,
            wait_for_processes_on_shutdown=False,
        ) as registry,
        WorkspaceProcessContext(instance, workspace_load_target=target, grpc_server_registry=registry) as context,
    ):

        def serving() -> "subprocess.Popen[bytes]":
            (entry,) = context.get_current_workspace().code_location_entries.values()
            assert isinstance(entry.origin, ManagedGrpcPythonEnvCodeLocationOrigin)
            served = registry.get_grpc_server_entry(entry.origin)
            assert isinstance(served, ServerRegistryEntry)
            return served.process.server_process

        def began(timestamp: float) -> InstigatorTick:
            """Have a tick of the sensor begin."""
            (entry,) = context.get_current_workspace().code_location_entries.values()
            assert entry.code_location is not None
            (repository,) = entry.code_location.get_repositories().values()
            (sensor,) = repository.get_sensors()
            return instance.create_tick(
                TickData(
                    sensor.get_remote_origin_id(),
                    sensor.name,
                    InstigatorType.SENSOR,
                    TickStatus.STARTED,
                    timestamp,
                    selector_id=sensor.selector_id,
                )
            )

        servers = CodeServers(context, registry)
        servers.look()
        first = serving()
        began(0.0)  # of a process that was killed long ago
        tick = began(time.time())
        (entry,) = context.get_current_workspace().code_location_entries.values()
        registry.reload_grpc_endpoint(entry.origin)  # a new process, which has not loaded the definitions yet
        servers.look()
        assert servers._replaced == [], "the first one is still asked"
        context.reload_code_location("loaded")
        second = serving()
        servers.look()
        began(time.time())  # it asks the new one
        servers.look()
        assert first.poll() is None, "the tick may start a run"
        instance.update_tick(tick.with_status(TickStatus.SKIPPED))
        servers.look()
        assert first.wait(PATIENCE) == 0
        assert second.poll() is None
        assert serving() is second
        assert asking() == 1
    second.wait(PATIENCE)


class Node:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_set_aside_is_collected_when_it_is_looked_at_again() -> None:
    old = Node()
    try:
        set_aside()
        assert gc.get_freeze_count() > 0
        former, later = weakref.ref(old), weakref.ref(Node())
        del old
        gc.collect()
        assert later() is None
        assert former() is not None
        set_aside()
        assert former() is None
    finally:
        gc.unfreeze()
