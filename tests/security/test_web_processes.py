"""What `patina ui` starts, and what is left when it ends: nothing."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import make_project
from ui_server import ROOT, Ui, running_ui
from web_victim import QUIET, environment_of

from patina_resources.project.project import Project
from patina_resources.store.mothership import mothership

SECONDS = 60.0  # what takes 3 s on an idle machine
WITHOUT_PARENT_SECONDS = 120.0  # 45 s
RUNTIME = "TMPDIR="


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose sensors are off."""
    made = make_project(tmp_path / "project")
    made.config_file.write_text(QUIET)
    return made


def ended_within(seconds: float, condition: Callable[[], object]) -> bool:
    """Wait until something is so; return whether it came to that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False


def runtime_folder(ui: Ui) -> Path:
    """Return the folder in which its processes work."""
    folders = {Path(f"/proc/{number}/cwd").readlink() for number in ui.processes()}
    (folder,) = folders
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(project: Project, tmp_path: Path, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as below nohup, and so by what is started")
    with running_ui(project.root, log=tmp_path / "ui.log") as ui:
        folder = runtime_folder(ui)
        assert (folder.stat().st_mode & 0o777, folder.parent) == (0o700, Path("/tmp"))
        os.killpg(ui.process.pid, number)  # as a terminal does; the code server may still load the definitions
        assert ui.process.wait(SECONDS) == 0
        assert ended_within(SECONDS, lambda: not ui.processes())
        # On a busy machine it does not wait until all have ended, and leaves it to them.
        assert not folder.exists() or "a process goes on" in ui.log.read_text()
        assert [word for word in ("Traceback", "lost sys.stderr") if word in ui.log.read_text()] == []


def test_places_are_those_of_the_folder_that_the_command_was_given_in(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.config_file.write_text(f'{QUIET}webhook = "http://127.0.0.1:9/"\n')
    for name in ("PATINA_DATA", "PATINA_EVENTLOG", "PATINA_HOME"):
        monkeypatch.setenv(name, f"relative-{name}")
    with running_ui(project.root, log=tmp_path / "ui.log") as ui:
        children = [environment_of(number) for number in ui.processes() if number != ui.process.pid]
        assert children
        for name in ("PATINA_DATA", "PATINA_EVENTLOG", "PATINA_HOME"):
            assert all(f"\0{name}={tmp_path}/relative-{name}\0" in child for child in children)
        (line,) = (line for line in ui.log.read_text().splitlines() if "webhook" in line)
        assert line.startswith(f"patina: {project.config_file}: [automation] webhook: http://127.0.0.1:9 is not used")
        assert f"{tmp_path}/relative-PATINA_HOME/config.toml" in line


def test_nothing_outlives_a_killed_server(project: Project, tmp_path: Path) -> None:
    with running_ui(project.root, log=tmp_path / "ui.log") as ui:
        assert len(ui.processes()) > 1
        os.kill(ui.process.pid, signal.SIGKILL)
        ui.process.wait()
        assert ended_within(WITHOUT_PARENT_SECONDS, lambda: not ui.processes())


def test_a_killed_code_server_is_started_again(project: Project, tmp_path: Path) -> None:
    with running_ui(project.root, log=tmp_path / "ui.log") as ui:
        (killed,) = (number for number in ui.processes() if number != ui.process.pid)
        os.kill(killed, signal.SIGKILL)
        ui.wait_for(lambda: ui.badges() and {*ui.processes()} - {ui.process.pid, killed}, "the next one")
        assert "the code server of project has ended: it is started again" in ui.log.read_text()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_one_sentence_and_nothing_is_started(project: Project, tmp_path: Path, address: str) -> None:
    with socket.socket() as other:
        other.bind((address, 0))
        other.listen()
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "patina_assets.cli", "ui", "--port", str(port), "--project", str(project.root)]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"patina: --port {port}: cannot listen on 127.0.0.1:{port} (another program uses it)")
    assert not mothership().own.exists() or list(mothership().own.rglob("dagster.yaml")) == []


def test_a_second_server_does_not_disturb_the_first(project: Project, tmp_path: Path) -> None:
    with running_ui(project.root, log=tmp_path / "ui.log") as first:
        token = first.token
        with running_ui(project.root, log=tmp_path / "second.log") as second:
            assert second.token != token
        assert first.answers()
        assert first.token == token
