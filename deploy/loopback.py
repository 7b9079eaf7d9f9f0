"""Starts a fleet's Postgres, Redis, daemon, web server and workers on loopback, from Debian's packages.

    apt-get install postgresql redis-server
    pip install 'patina-assets[fleet]'
    python deploy/loopback.py --fleet fleet.toml --workers 2 --web 3000

It is for trials and tests: nothing asks for a password, and nothing is kept when it ends, but the fleet's own folder.
Everything runs as children of this process, and ends with Ctrl-C.
"""

import argparse
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

DEFINITIONS = "patina_assets.fleet.definitions"
START_SECONDS = 120.0
STOP_SECONDS = 30.0
SETTINGS = Path(__file__).with_name("dagster.yaml")


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def postgres_program(name: str) -> Path | None:
    """Return a program of Postgres, where Debian has it; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found[-1] if found else None


def missing() -> str:
    """Return what is not installed that a fleet on several machines needs; empty if nothing is missing."""
    if postgres_program("initdb") is None:
        return "Postgres is not installed (apt-get install postgresql)"
    if shutil.which("redis-server") is None:
        return "Redis is not installed (apt-get install redis-server)"
    for module in ("dagster_postgres", "dagster_celery", "psycopg2", "redis"):
        try:
            __import__(module)
        except ImportError:
            return f"{module} is not installed (pip install 'patina-assets[fleet]')"
    return ""


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = START_SECONDS, every: float = 0.1) -> None:
    """Return when something is so; it is asked every so many seconds.

    Raises:
        TimeoutError: It is not, after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of loopback."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Services:
    """Postgres, Redis, Dagster's daemon and workers, as children of this process.

    Attributes:
        folder: Where their data and logs are.
        environment: What a process of the fleet has to have in its environment.
        processes: The processes that were started, by name.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Choose ports; nothing is started yet.

        Args:
            folder: A folder that every user may enter, since Postgres does not run as root.
            environment: PATINA_FLEET, PATINA_HOME and so on.
        """
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._postgres_port, self._redis_port = free_port(), free_port()
        url = f"postgresql+psycopg2://patina@127.0.0.1:{self._postgres_port}/postgres"
        home = folder / "dagster_home"
        home.mkdir(parents=True)
        shutil.copy(SETTINGS, home / "dagster.yaml")
        self.environment = {
            **environment,
            "DAGSTER_HOME": str(home),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "PATINA_FLEET_POSTGRES": url,
            "PATINA_FLEET_DATABASE": url,
            "PATINA_FLEET_BROKER": f"redis://127.0.0.1:{self._redis_port}/0",
        }

    def start_postgres(self) -> None:
        """Start Postgres, on the data that are there."""
        data = self.folder / "postgres"
        account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        owner = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        if not data.exists():
            data.mkdir()
            if account:
                os.chown(data, account.pw_uid, account.pw_gid)
            made = [str(postgres_program("initdb")), "-D", str(data), "-U", "patina", "--auth=trust", "--no-sync"]
            subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **owner)  # type: ignore[call-overload]
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(postgres_program("postgres")), "-D", str(data), "-p", str(self._postgres_port), *options]
        self._start("postgres", command, **owner)
        wait_until(self._postgres_answers, "Postgres")

    def start_redis(self) -> None:
        """Start Redis, on the data that are there."""
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        options = ["--bind", "127.0.0.1", "--port", str(self._redis_port), "--dir", str(data), "--appendonly", "yes"]
        self._start("redis", ["redis-server", *options])
        wait_until(lambda: listens(self._redis_port), "Redis")

    def start_daemon(self, definitions: str = DEFINITIONS) -> None:
        """Start Dagster's daemon: sensor, schedule, queue, and the watch over runs."""
        self._start("daemon", [sys.executable, "-P", "-m", "dagster._daemon", "run", "-m", definitions])

    def start_web(self, port: int) -> None:
        """Start Dagster's web server. It has no login: this is loopback."""
        options = ["-h", "127.0.0.1", "-p", str(port), "-m", DEFINITIONS]
        self._start("web", [sys.executable, "-P", "-m", "dagster_webserver", *options])

    def start_worker(self, name: str) -> None:
        """Start a worker, which does one run at a time."""
        options = ["worker", "--concurrency", "1", "--hostname", f"{name}@%h", "--loglevel", "WARNING"]
        self._start(name, [sys.executable, "-P", "-m", "celery", "-A", "patina_assets.fleet.queueing", *options])

    def kill(self, name: str) -> None:
        """End a service and all its children as the kernel does it: signal 9."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> None:
        """End a service in the way that it expects."""
        process = self.processes[name]
        # Postgres: the fast shutdown.
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        self.kill(name)

    def stop_all(self) -> None:
        """End everything, workers first."""
        for name in reversed(list(self.processes)):
            self.stop(name) if name in ("postgres", "redis") else self.kill(name)

    def log(self, name: str) -> str:
        """Return what a service has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, command: list[str], **owner: object) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(  # type: ignore[call-overload]
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                cwd="/",
                start_new_session=True,
                **owner,
            )

    def _postgres_answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(host="127.0.0.1", port=self._postgres_port, user="patina", dbname="postgres").close()
        except psycopg2.OperationalError:
            return False
        return True


def main() -> None:
    """Start everything, and wait for Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleet", type=Path, required=True, help="the fleet.toml")
    parser.add_argument("--workers", type=int, default=2, help="how many workers (default: 2)")
    parser.add_argument("--web", type=int, metavar="PORT", help="start Dagster's web server, too")
    arguments = parser.parse_args()
    if why := missing():
        parser.error(why)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with this process
    folder = Path(tempfile.mkdtemp(prefix="patina-loopback-"))
    folder.chmod(0o755)
    services = Services(folder, {"PATINA_FLEET": str(arguments.fleet.absolute())})
    try:
        services.start_postgres()
        services.start_redis()
        services.start_daemon()
        for number in range(arguments.workers):
            services.start_worker(f"worker{number + 1}")
        if arguments.web:
            services.start_web(arguments.web)
        print("\n".join(f"export {name}='{value}'" for name, value in services.environment.items()))
        print(f"logs are in {folder}; Ctrl-C ends everything", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        services.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
