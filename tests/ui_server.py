"""A real `patina ui`: its processes, and questions to its GraphQL."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STATUS = """{ assetNodes { assetKey { path } groupName staleStatus staleCauses { category reason key { path } } } }"""
RUNS = """{ runsOrError(limit: 50) { ... on Runs { results {
  runId status jobName tags { key value } stats { ... on RunStatsSnapshot { materializations } }
  assetMaterializations { assetKey { path } }
} } } }"""


@dataclass
class Ui:
    """A running UI."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """Return the data of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.loads(response.read())
        assert "errors" not in answer, answer["errors"]
        return dict(answer["data"])

    def badges(self) -> dict[str, str]:
        """Return every asset's stale status."""
        return {"/".join(node["assetKey"]["path"]): node["staleStatus"] for node in self.ask(STATUS)["assetNodes"]}

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, newest first."""
        return list(self.ask(RUNS)["runsOrError"]["results"])

    def kill(self) -> None:
        """End all its processes at once, as a crash would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def built_by(run: Mapping[str, Any]) -> set[str]:
    """Return the assets that a run materialized."""
    return {"/".join(entry["assetKey"]["path"]) for entry in run["assetMaterializations"]}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> Any:
    """Return what `condition` returns once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except OSError:  # not up yet, or between two processes
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.5)


@contextmanager
def running_ui(*projects: Path, log: Path, port: int | None = None) -> Iterator[Ui]:
    """Run `patina ui` in a process group of its own, and end it."""
    port = port or free_port()
    command = [sys.executable, "-m", "patina_assets.cli", "ui", "--port", str(port)]
    for project in projects:
        command += ["--project", str(project)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=log.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        )
    ui = Ui(port, process, log)
    try:
        wait_for(lambda: ui.ask("{ version }"), 120, "the web UI")
        yield ui
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                ui.kill()
        with_children_gone(process.pid)


def with_children_gone(group: int) -> None:
    """End what is left of a process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
