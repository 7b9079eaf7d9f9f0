"""A real `patina ui` or `dagster dev`: its processes, and questions to its GraphQL."""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browser import PATIENCE_SECONDS
from root import ROOT

STATUS = """{ assetNodes { assetKey { path } groupName staleStatus staleCauses { category reason key { path } } } }"""
RUNS = """{ runsOrError(limit: 100) { ... on Runs { results {
  runId status jobName tags { key value } assetMaterializations { assetKey { path } }
} } } }"""
# Asked for without statuses, Dagster finds no ticks of a sensor whose server was started again.
LAST_TICKS = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on RepositoryLocation { repositories { sensors { name sensorState {
    ticks(limit: 1, statuses: [STARTED, SKIPPED, SUCCESS, FAILURE]) { status skipReason }
  } } } }
} } } } }"""
UNDER_WAY = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"}
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class NotServedError(Exception):
    """The processes ended although nobody asked them to."""


@dataclass
class Ui:
    """A running UI."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    start_of_log: int = 0

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """Return the secret of the address that `patina ui` printed; "" where there is none (yet)."""
        printed = self.log.read_bytes()[self.start_of_log :].decode("utf-8", "replace")
        found = re.search(rf"{re.escape(self.url)}/patina/\?token=([\w-]+) ", printed)
        return found[1] if found else ""

    @property
    def login_url(self) -> str:
        """Return the address that opens Dagster's pages."""
        return f"{self.url}/?token={self.token}"

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """Return the data of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.loads(response.read())
        assert "errors" not in answer, answer["errors"]
        return dict(answer["data"])

    def answers(self) -> bool:
        """Tell whether it is up."""
        return bool(self.ask("{ version }"))

    def badges(self) -> dict[str, str]:
        """Return every asset's stale status."""
        return {"/".join(node["assetKey"]["path"]): node["staleStatus"] for node in self.ask(STATUS)["assetNodes"]}

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, newest first."""
        return list(self.ask(RUNS)["runsOrError"]["results"])

    def at_rest(self) -> bool:
        """Tell whether no run is under way, and every sensor's last tick found nothing to do."""
        if any(run["status"] in UNDER_WAY for run in self.runs()):
            return False
        ticks = self.last_ticks()
        return bool(ticks) and all(
            tick is not None and tick["status"] == "SKIPPED" and str(tick["skipReason"]).startswith("nothing")
            for tick in ticks
        )

    def last_ticks(self) -> list[dict[str, Any] | None]:
        """Return the last tick of each location's `oxidize_sensor`; None where there was none yet."""
        found = []
        for entry in self.ask(LAST_TICKS)["workspaceOrError"]["locationEntries"]:
            for repository in (entry["locationOrLoadError"] or {}).get("repositories", []):
                for sensor in repository["sensors"]:
                    if sensor["name"] == "oxidize_sensor":
                        ticks = sensor["sensorState"]["ticks"]
                        found.append(ticks[0] if ticks else None)
        return found

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """Return what `condition` returns once that is true; fail with what the UI said where it never is."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = condition()
            except OSError:  # not up yet, or between two processes
                found = None
            if found:
                return found
            if self.process.poll() is not None:
                raise NotServedError(f"it ended while waiting for {what}; it said:\n{self._said()}")
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}; it said:\n{self._said()}"
            time.sleep(0.3)

    def kill(self) -> None:
        """End all its processes at once, as a crash would."""
        kill_group(self.process.pid)
        self.process.wait()

    def processes(self) -> dict[int, str]:
        """Return the command lines of all its processes by their number."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                group = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[2])
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it ended meanwhile
                continue
            if group == self.process.pid and command:
                found[int(folder.name)] = command
        return found

    def _said(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-40:])


def built_by(run: Mapping[str, Any]) -> set[str]:
    """Return the assets that a run materialized."""
    return {"/".join(entry["assetKey"]["path"]) for entry in run["assetMaterializations"]}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_ui(*projects: Path, log: Path) -> Iterator[Ui]:
    """Run `patina ui` over some projects until it answers, and end it afterwards."""

    def command(port: int) -> list[str]:
        named = [part for project in projects for part in ("--project", str(project))]
        return [sys.executable, "-m", "patina_assets.cli", "ui", "--port", str(port), *named]

    with serving(command, log, log.parent, {}) as ui:
        yield ui


@contextmanager
def serving(
    command: Callable[[int], Sequence[str]], log: Path, folder: Path, environment: Mapping[str, str]
) -> Iterator[Ui]:
    """Run a command that serves Dagster's UI on a port, in a process group of its own, and end that."""
    ui = None
    try:
        for last_chance in (False, False, True):  # somebody else may take the port that was free
            ui = _started(command, log, folder, environment)
            try:
                ui.wait_for(ui.answers, "the web UI")
                break
            except NotServedError:
                if last_chance:
                    raise
        assert ui is not None
        yield ui
    finally:
        if ui is not None:
            _end(ui)


def _started(command: Callable[[int], Sequence[str]], log: Path, folder: Path, environment: Mapping[str, str]) -> Ui:
    port = free_port()
    start_of_log = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            command(port),
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **environment},
            preexec_fn=_end_with_parent,
        )
    return Ui(port, process, log, start_of_log)


def _end_with_parent() -> None:
    """Have the kernel interrupt this process when its parent dies, however that comes."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _end(ui: Ui) -> None:
    """Ask it to end, and see to it that it does, with everything that it started."""
    if ui.process.poll() is None:
        os.kill(ui.process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            ui.process.wait(60)
    kill_group(ui.process.pid)
    ui.process.wait()


def kill_group(group: int) -> None:
    """Kill all processes of a group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
