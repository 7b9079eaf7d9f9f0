"""What runs beside the web UI keeps its size: code servers that were replaced, and what is garbage."""

import gc
import subprocess
import weakref
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry, ServerRegistryEntry
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._grpc.constants import GrpcServerCommand

from patina_assets.serving.processes import CodeServers, set_aside

PATIENCE, FOR_EVER = 300, 100_000


def test_one_that_was_replaced_ends_after_the_next_look(tmp_path: Path) -> None:
    file = tmp_path / "loaded.py"
    file.write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
    target = PythonFileTarget(str(file), attribute=None, working_directory=str(tmp_path), location_name="loaded")
    with (
        dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance,
        GrpcServerRegistry(
            instance.get_ref(), GrpcServerCommand.API_GRPC, FOR_EVER, PATIENCE, wait_for_processes_on_shutdown=True
        ) as registry,
        WorkspaceProcessContext(instance, workspace_load_target=target, grpc_server_registry=registry) as context,
    ):

        def serving() -> "subprocess.Popen[bytes]":
            (entry,) = context.get_current_workspace().code_location_entries.values()
            assert isinstance(entry.origin, ManagedGrpcPythonEnvCodeLocationOrigin)
            served = registry.get_grpc_server_entry(entry.origin)
            assert isinstance(served, ServerRegistryEntry)
            return served.process.server_process

        servers = CodeServers(context, registry)
        servers.look()
        first = serving()
        context.reload_code_location("loaded")
        second = serving()
        servers.look()
        assert first.poll() is None, "it may have been asked something"
        servers.look()
        assert first.wait(PATIENCE) == 0
        assert second.poll() is None
        assert serving() is second


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
