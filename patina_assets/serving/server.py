"""`patina ui`: takes the port, prints the address, and serves until it is interrupted."""

import ctypes
import errno
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

import dagster as dg
import uvicorn

from patina_assets.orchestration.automation.failures import unused_webhook
from patina_assets.orchestration.automation.reload import TOKEN_VARIABLE, UI_VARIABLE
from patina_assets.orchestration.instance import WORKSPACE_FILE, prepare_workspace
from patina_assets.orchestration.records import opened_instance
from patina_assets.pipeline.plain_text import one_line
from patina_assets.serving.checks import Site
from patina_assets.serving.doors import Doors, doors_of
from patina_assets.serving.guard import PunctualHttp
from patina_assets.serving.opening import open_page
from patina_assets.serving.processes import children_end, running_workspace
from patina_assets.serving.web import web_application
from patina_resources.errors import PatinaError
from patina_resources.project.project import PROJECT_VARIABLE, Project
from patina_resources.project.user_settings import DATA_VARIABLE, EVENTLOG_VARIABLE
from patina_resources.store.child_environment import child_environment
from patina_resources.store.folders.runtime import make_runtime_folder, remove_runtime_folder, write_secret
from patina_resources.store.mothership import HOME_VARIABLE, mothership

ADDRESS = "127.0.0.1"
LARGEST_MESSAGE = 1 << 20
CLOSING_SECONDS = 1
TICK_SECONDS = "1800"
# mallopt(3): what is larger is given back as soon as it is free. By default glibc raises this to 32 MiB by itself.
M_MMAP_THRESHOLD, KEPT_BYTES = -3, 1 << 20
# By default each thread has a heap of its own, up to eight for a processor, and each keeps what is free in it.
M_ARENA_MAX, HEAPS = -8, 2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(projects: Sequence[Project], port: int, *, opens_browser: bool = False) -> int:
    """Serve the web UI and run its daemon in this process until it is interrupted; return the exit code.

    The working folder and the environment of this process are changed for good.

    Args:
        projects: What is served.
        port: Where on this machine.
        opens_browser: Open the search page in the user's browser.

    Raises:
        PatinaError: The port is taken, Dagster's home cannot be used, the user's settings are wrong, or the
            environment names one eventlog for several projects. Nothing was started then.
    """
    if len(projects) > 1 and os.environ.get(EVENTLOG_VARIABLE):
        raise PatinaError(f"{EVENTLOG_VARIABLE}: names the eventlog of one project: unset it to serve several")
    _give_memory_back()
    with _listener(port) as listener:
        doors = doors_of(projects)
        home = prepare_workspace(projects)
        site = Site(port, secrets.token_urlsafe(32))
        with _runtime_folder() as folder:
            write_secret(folder / "token", site.token)
            _settle(folder, _settings(projects, home, site, folder))
            for line in filter(None, map(unused_webhook, projects)):
                print(f"patina: {line}", file=sys.stderr)
            with opened_instance(home) as instance:
                named = one_line(", ".join(str(project.root) for project in projects))
                print(f"Patina for {named}: {site.login_url} (stop with Ctrl-C)", file=sys.stderr, flush=True)
                if opens_browser:
                    open_page(folder, site.login_url)
                return _run(listener, site, doors, instance, home / WORKSPACE_FILE)


def _give_memory_back() -> None:
    """Have this process keep no large memory that is free: indexes are read, copied by native code, and replaced."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:  # macOS has none
        set_option(M_MMAP_THRESHOLD, KEPT_BYTES)
        set_option(M_ARENA_MAX, HEAPS)


def _listener(port: int) -> socket.socket:
    """Return a socket that listens: from here on nobody else can take the port.

    Raises:
        PatinaError: It is taken, or may not be listened on.
    """
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as error:
        reason = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise PatinaError(
            f"--port {port}: cannot listen on {ADDRESS}:{port} ({reason}): choose another port"
        ) from error


@contextmanager
def _runtime_folder() -> Iterator[Path]:
    """Yield a new folder, and delete it once every process that uses it has ended."""
    try:
        folder = make_runtime_folder()
    except OSError as error:
        raise PatinaError(
            f"{tempfile.gettempdir()}: no folder can be made there ({error.strerror}): set TMPDIR to one of yours"
        ) from error
    try:
        yield folder
    finally:
        if children_end():
            remove_runtime_folder(folder)
        else:
            print("patina: a process goes on: it ends by itself when its run has ended", file=sys.stderr)


def _settle(folder: Path, settings: Mapping[str, str]) -> None:
    """Have this process, and those that it will start, work in a folder of ours.

    Python imports modules, and Dagster reads an `.env`, from the working folder: it must not be a repository.
    """
    environment = child_environment()
    # Dagster takes the first folder for that of the script, and imports definitions without it.
    searched = (str(folder), environment.get("PYTHONPATH", ""))
    os.environ |= {**environment, **settings, "PYTHONPATH": os.pathsep.join(filter(None, searched))}
    os.chdir(folder)
    tempfile.tempdir = str(folder)


def _settings(projects: Sequence[Project], home: Path, site: Site, folder: Path) -> Mapping[str, str]:
    """Return the environment variables of the web UI's processes."""
    # The working folder will be another one.
    places = {name: os.environ[name] for name in (DATA_VARIABLE, EVENTLOG_VARIABLE) if os.environ.get(name)}
    return {
        **{name: str(Path(place).absolute()) for name, place in places.items()},
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        # As `dagster dev` sets it: a definition that cannot be loaded is told once.
        "DAGSTER_IS_DEV_CLI": "1",
        # Dagster gives a tick 60 s; to look at some million events that have changed takes longer on a busy machine.
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": TICK_SECONDS,
        "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS": TICK_SECONDS,
        PROJECT_VARIABLE: str(projects[0].root),
        HOME_VARIABLE: str(mothership().home),
        UI_VARIABLE: site.url,
        TOKEN_VARIABLE: str(folder / "token"),
        # Code servers put their sockets there.
        "TMPDIR": str(folder),
    }


def _run(listener: socket.socket, site: Site, doors: Doors, instance: dg.DagsterInstance, workspace_file: Path) -> int:
    """Serve until a signal comes (0), or a part has ended by itself (1)."""
    failed = Event()

    def stop() -> None:
        failed.set()
        os.kill(os.getpid(), signal.SIGTERM)

    _raise_interrupts()
    try:
        with running_workspace(instance, workspace_file, next(iter(doors.projects)), stop) as context:
            config = uvicorn.Config(
                web_application(context, site, doors),
                # By the strict parser: it also refuses a second Host.
                http=PunctualHttp,
                lifespan="off",
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                ws_max_size=LARGEST_MESSAGE,
                timeout_graceful_shutdown=CLOSING_SECONDS,
            )
            WebServer(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    if failed.is_set():
        print("patina: Dagster's daemon has ended, see above: start `patina ui` again", file=sys.stderr)
    return int(failed.is_set())


class WebServer(uvicorn.Server):
    """Answers until a signal comes, and prints nothing from then on: a signal to the group ends code servers, too."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End."""
        for name in ("dagster", "uvicorn"):
            logging.getLogger(name).handlers = [logging.NullHandler()]
        super().handle_exit(sig, frame)


def _raise_interrupts() -> None:
    """Have the first signal to stop raise KeyboardInterrupt, also where a shell in the background ignores Ctrl-C."""

    def interrupt(_: int, __: FrameType | None) -> None:
        for number in SIGNALS:  # what is to end ends once
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` sets it
        # The web server replaces the handlers of the two others while it runs.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
