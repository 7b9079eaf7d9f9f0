"""A real `patina ui` with something to lose, what an attacker sends to it, and what it has lost."""

import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_project import make_project
from ui_server import Ui, running_ui

from patina_resources.project.project import Project, find_project

QUIET = "[automation]\nsensor = false\nnightly = false\n"
SECRET_VARIABLE, SECRET = "PATINA_TEST_SECRET", "s3cr3t-of-the-environment"
LOCATION = "victim"
ASSET = ["base", "items"]
SELECTOR = {
    "repositoryLocationName": LOCATION,
    "repositoryName": "__repository__",
}
LAUNCH = """mutation Launch($selector: JobOrPipelineSelector!, $config: RunConfigData) {
  launchRun(executionParams: {selector: $selector, runConfigData: $config, mode: "default"}) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
  }
}"""
STATE = """{
  runsOrError(limit: 1000) { ... on Runs { results { runId status } } }
  assetsOrError { ... on AssetConnection { nodes { key { path } assetMaterializations { timestamp } } } }
  workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
    ... on RepositoryLocation { repositories { sensors { name sensorState { status } } schedules { name
      scheduleState { status } } } } } } } }
}"""
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass
class Victim:
    """A project with a web UI, in whose records are a run and an asset.

    Attributes:
        ui: The web UI.
        project: The project.
        run: A run that has ended.
    """

    ui: Ui
    project: Project
    run: str

    @property
    def mutations(self) -> Mapping[str, str]:
        """Return what an attacker would have executed: each changes `state()` where it is."""
        job = f'repositoryLocationName: "{LOCATION}", repositoryName: "__repository__"'
        path = json.dumps(ASSET)
        return {
            "launch": 'mutation { launchRun(executionParams: {mode: "default", runConfigData: {}, selector: '
            f'{{jobName: "evaluate_job", {job}}}}}) {{ __typename }} }}',
            "delete": f'mutation {{ deleteRun(runId: "{self.run}") {{ __typename }} }}',
            "wipe": f"mutation {{ wipeAssets(assetPartitionRanges: [{{assetKey: {{path: {path}}}}}]) "
            "{ __typename } }",
            "start": f'mutation {{ startSensor(sensorSelector: {{sensorName: "oxidize_sensor", {job}}}) '
            "{ __typename } }",
        }

    def state(self) -> dict[str, Any]:
        """Return what may not change: runs, assets, and what is switched on."""
        return self.ui.ask(STATE)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Check that what is done meanwhile changes nothing, also not a little later."""
        before = self.state()
        yield
        time.sleep(1.0)
        assert self.state() == before

    def launch(self, job: str, config: object) -> dict[str, Any]:
        """Ask for a run as its user does, and return the answer."""
        answer = self.ui.ask(LAUNCH, selector={"pipelineName": job, **SELECTOR}, config=config)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess" or config, answer
        return dict(answer)

    def wait_for_run(self, run: str) -> str:
        """Return the status of a run once it has ended."""

        def ended() -> str:
            (found,) = (entry["status"] for entry in self.ui.runs() if entry["runId"] == run)
            return found if found in FINISHED else ""

        return str(self.ui.wait_for(ended, "the end of a run"))


@contextmanager
def running_victim(folder: Path) -> Iterator[Victim]:
    """Run the web UI of a project whose sensors are off."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(folder / "mothership"))
        patch.setenv("HOME", str(folder))
        patch.setenv(SECRET_VARIABLE, SECRET)
        made = make_project(folder / LOCATION)
        made.config_file.write_text(QUIET)
        with running_ui(made.root, log=folder / "ui.log") as ui:
            victim = Victim(ui, find_project(made.root), "")
            victim.run = victim.launch("evaluate_job", {})["run"]["runId"]
            victim.wait_for_run(victim.run)
            _materialize(victim)
            yield victim


def _materialize(victim: Victim) -> None:
    """Have the records hold a materialization that can be wiped."""
    status, _, _ = send(
        victim.ui.port,
        raw(
            "POST",
            f"/report_asset_materialization/{'/'.join(ASSET)}",
            {"Host": f"127.0.0.1:{victim.ui.port}", **authorized(victim), "Content-Type": "application/json"},
            b"{}",
        ),
    )
    assert status == 200


def authorized(victim: Victim) -> dict[str, str]:
    """Return the header with the secret that was printed."""
    return {"Authorization": f"Bearer {victim.ui.token}"}


def raw(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire, exactly with these headers."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("latin-1") + body


def send(port: int, request: bytes) -> tuple[int, dict[str, list[str]], bytes]:
    """Return status, headers and body of the answer to the bytes of a request."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while block := connection.recv(1 << 16):
            answer += block
            if b" 101 " in answer.split(b"\r\n", 1)[0]:
                break
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    return int(status.split()[1]), headers, body


def graphql(query: str) -> bytes:
    """Return a query as the body of a POST."""
    return json.dumps({"query": query}).encode()


def files_with(folder: Path, secret: str) -> list[str]:
    """Return the files below a folder that hold a secret, in their bytes or their name."""
    found = []
    for path in folder.rglob("*"):
        if secret in path.name or (path.is_file() and secret.encode() in path.read_bytes()):
            found.append(str(path))
    return found


def environment_of(process: int) -> str:
    """Return a process's environment and arguments as the kernel shows them."""
    folder = Path("/proc") / str(process)
    return os.fsdecode((folder / "cmdline").read_bytes() + (folder / "environ").read_bytes())


def words(text: str) -> list[str]:
    """Return a text's lines without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
