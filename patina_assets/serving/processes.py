"""What runs while the web UI is open: a process that loads the definitions, and in this one Dagster's daemon.

The process is a code server with a socket in a folder of ours, one for each project. It ends when this one does,
however that ends: it waits for a sign of life. The daemon is a thread for the same reason. Pages and daemon share one
workspace, so that no proxy stands between them and the code servers, as that of `dagster dev` does: it takes 75 MB.
"""

import ctypes
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import dagster as dg
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.remote_representation.code_location import CodeLocation, GrpcServerCodeLocation
from dagster._core.remote_representation.external import RemoteSchedule, RemoteSensor
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry, ServerRegistryEntry
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.controller import DagsterDaemonController, create_daemons_from_instance
from dagster._grpc import server as grpc_server
from dagster._grpc.constants import GrpcServerCommand
from dagster._grpc.server import GrpcServerProcess
from sqlalchemy.exc import DBAPIError

from patina_assets.orchestration.code_server import entry_point
from patina_assets.serving.running import EndedRuns

# One that a reload has replaced warns, a while later, that nobody asks it any more.
CODE_SERVER_LOG_LEVEL = "error"
CHECK_SECONDS = 5.0
TELL_SECONDS = 2.0
# As `dagster-webserver` sets them: milliseconds for a statement, seconds for a connection, connections.
STATEMENT_MILLISECONDS, CONNECTION_SECONDS, CONNECTIONS = 15_000, 3_600, 20
ENDING_SECONDS = 6.0
# A code server looks so often whether this process is there, and ends where it was not twice.
SIGN_OF_LIFE_SECONDS = 20


@contextmanager
def running_workspace(
    instance: dg.DagsterInstance, workspace_file: Path, name: str, stop: Callable[[], None]
) -> Iterator[WorkspaceProcessContext]:
    """Yield what the web application serves, while its code servers and the daemon run.

    Args:
        instance: Dagster's records.
        workspace_file: Names the code locations.
        name: The first of them.
        stop: Called when a part of the daemon has ended by itself.
    """
    grpc_server.get_python_environment_entry_point = entry_point  # type: ignore[attr-defined]
    instance.optimize_for_webserver(STATEMENT_MILLISECONDS, CONNECTION_SECONDS, CONNECTIONS)
    with (
        GrpcServerRegistry(
            instance_ref=instance.get_ref(),
            server_command=GrpcServerCommand.API_GRPC,
            heartbeat_ttl=SIGN_OF_LIFE_SECONDS,
            startup_timeout=instance.code_server_process_startup_timeout,
            wait_for_processes_on_shutdown=False,
            log_level=CODE_SERVER_LOG_LEVEL,
        ) as servers,
        WorkspaceProcessContext(
            instance,
            version=dg.__version__,
            workspace_load_target=WorkspaceFileTarget(paths=[str(workspace_file)]),
            grpc_server_registry=servers,
        ) as context,
        _daemon(context, servers, stop),
        _told_runs(instance, name),
    ):
        yield context


def children_end() -> bool:
    """Wait a little for the processes that this one started; return whether all have ended.

    One that executes a run ends when the run does.
    """
    deadline = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < deadline:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not ended:
            time.sleep(0.1)
    return False


@contextmanager
def _daemon(context: WorkspaceProcessContext, servers: GrpcServerRegistry, stop: Callable[[], None]) -> Iterator[None]:
    """Run the daemon over what the web application serves: what is loaded again there is new to both."""
    ended = Event()
    _log()
    with ExitStack() as stack:
        daemons = [stack.enter_context(daemon) for daemon in create_daemons_from_instance(context.instance)]
        controller = stack.enter_context(DagsterDaemonController(context, daemons))

        code_servers = CodeServers(context, servers)
        # Of a heap that is free here and there, glibc gives back by itself what is at its end alone. macOS has no such.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

        def watch() -> None:
            try:
                while not ended.wait(CHECK_SECONDS):
                    controller.check_daemon_threads()
                    code_servers.look()
                    if trim is not None:
                        trim(0)
            except Exception:  # Dagster raises no narrower class where one of its threads has ended
                logging.getLogger("dagster.daemon").exception("The daemon has stopped")
                stop()

        Thread(target=watch, name="patina-daemon-watch", daemon=True).start()
        stack.callback(ended.set)
        yield


def set_aside() -> None:
    """Have Python's collector look at what is made from now on alone: what is there now stays.

    Each question to Dagster's records and to a code server leaves objects that refer to each other, 3,300 a minute.
    Those that have grown old are collected when they are a quarter of all that are old. Of 280,000, that is after 20
    minutes, and the process grows meanwhile.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.collect()  # the collector counts anew what is old


@dataclass(frozen=True)
class Served:
    """A code location as the workspace has it.

    Attributes:
        process: Its code server.
        location: What asks that, with a thread that does so every second; None where it could not be loaded.
    """

    process: GrpcServerProcess
    location: CodeLocation | None


class CodeServers:
    """Starts each code server anew that has ended by itself, and ends each that a reload has replaced.

    Dagster leaves the latter until Python has collected what asks them, and then until they miss a sign of life: they
    take 150 MB each meanwhile. The first is never collected: Dagster writes its records' constructors when they are
    first needed, and keeps the variables of who needed them.
    """

    def __init__(self, context: WorkspaceProcessContext, servers: GrpcServerRegistry) -> None:
        """Take what is served, and by which processes."""
        self._context, self._servers = context, servers
        self._serving: dict[str, Served] = {}
        self._replaced: list[tuple[float, Served]] = []
        self._began = time.time()
        self._has_looked = False

    def look(self) -> None:
        """Look at them once. What was replaced before the last look ends when it has answered what it was asked."""
        before, now = len(self._replaced), time.time()
        self._replaced = [(since, served) for since, served in self._replaced if not self._ended(since, served)]
        if len(self._replaced) < before or not self._has_looked:
            set_aside()
        self._has_looked = True
        former, self._serving = self._serving, self._served()
        self._replaced += [
            (now, served)
            for name, served in former.items()
            if name not in self._serving or self._serving[name].process is not served.process
        ]
        for name, served in self._serving.items():
            if served.process.server_process.poll() is not None:  # such as for want of memory
                logging.getLogger("dagster.daemon").warning(
                    "the code server of %s has ended: it is started again", name
                )
                self._context.reload_code_location(name)

    def _ended(self, since: float, served: Served) -> bool:
        """End a process that was replaced and what asks it, and return whether that was possible.

        A tick that began before asks it again, for the plan of each run that it starts.
        """
        if any(self._began <= tick.timestamp < since for tick in self._ticks_under_way()):
            return False
        served.process.shutdown_server()  # type: ignore[no-untyped-call]
        if served.location is not None:
            served.location.cleanup()
        return True

    def _ticks_under_way(self) -> Iterator[InstigatorTick]:
        """Yield the ticks that have not ended. One of a process that was killed never does."""
        for entry in self._context.get_current_workspace().code_location_entries.values():
            repositories = entry.code_location.get_repositories().values() if entry.code_location else ()
            for repository in repositories:
                ticking: list[RemoteSensor | RemoteSchedule] = [*repository.get_sensors(), *repository.get_schedules()]
                for one in ticking:
                    yield from self._context.instance.get_ticks(
                        one.get_remote_origin_id(), one.selector_id, statuses=[TickStatus.STARTED]
                    )

    def _served(self) -> dict[str, Served]:
        """Return who is asked for each project: while a new code server loads the definitions, the former one."""
        found: dict[str, Served] = {}
        for name, entry in self._context.get_current_workspace().code_location_entries.items():
            if not isinstance(entry.origin, ManagedGrpcPythonEnvCodeLocationOrigin):
                continue
            server, location = self._servers.get_grpc_server_entry(entry.origin), entry.code_location
            if isinstance(server, ServerRegistryEntry):
                is_asked = not isinstance(location, GrpcServerCodeLocation) or location.socket == server.process.socket
                served = Served(server.process, location)
                found[name] = served if is_asked else self._serving.get(name, served)
        return found


def _log() -> None:
    """Print what Dagster's daemon warns of; what it does is on its page *Automation*."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("patina: %(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("dagster")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING)


@contextmanager
def _told_runs(instance: dg.DagsterInstance, name: str) -> Iterator[None]:
    """Print a line for each run that ends."""
    runs, ended = EndedRuns(instance, name), Event()

    def tell() -> None:
        while not ended.wait(TELL_SECONDS):
            with suppress(DBAPIError, OSError):  # the records are busy, or nobody reads what is printed
                for line in runs.lines():
                    print(line, file=sys.stderr, flush=True)

    Thread(target=tell, name="patina-run-lines", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
