"""The process `patina` from its first moment on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog_builder import build_eventlog, project_history
from root import ROOT

SCRIPT = "import sys; from patina_assets.entry import run; sys.exit(run())"
# Stands in the place of a library that takes long to be imported.
SLOW = "import time\nprint('importing', flush=True)\ntime.sleep(300)\n"


@pytest.fixture
def signals_are_heeded() -> Iterator[None]:
    """Let children of this process heed signals: a shell that runs the tests in the background has them ignored."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_are_heeded")
@pytest.mark.parametrize("is_ignored", [False, True])
def test_ctrl_c_while_the_program_is_imported_is_one_line(tmp_path: Path, is_ignored: bool) -> None:
    (tmp_path / "click.py").write_text(SLOW)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    if is_ignored:  # as a shell in the background has it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        if is_ignored:
            process.terminate()
        _, err = process.communicate()
    assert (process.returncode, err) == ((-signal.SIGTERM, "") if is_ignored else (130, "patina: interrupted\n"))


# Presses Ctrl-C while SQLite reads: Python raises in the callback, and SQLite says that it was interrupted.
INTERRUPTED_QUERY = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
from patina_resources.store import database
from patina_assets.cli import main
database.STEPS_BETWEEN_CHECKS = 1
database.WorkLimit._is_used_up = lambda limit: os.kill(os.getpid(), signal.SIGINT)
sys.exit(main(["recent"]))
"""


def test_ctrl_c_while_sqlite_reads_is_no_damage(tmp_path: Path) -> None:
    build_eventlog(tmp_path / ".patina/data/patina.db", project_history())
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_QUERY],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATINA_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "patina: interrupted\n")


# Presses Ctrl-C when a native module calls Python while it is initialised: `press` is told of each call.
INTERRUPTED_IMPORT = """
import enum, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
from patina_assets import cli

def press(frame, event, _):
    if event == "call" and frame.f_code.co_filename == enum.__file__:
        while frame.f_code.co_filename == enum.__file__:
            frame = frame.f_back
        if frame.f_code.co_name == "_call_with_frames_removed":
            sys.setprofile(None)
            os.write(1, b"pressed")
            signal.raise_signal(signal.SIGINT)

def work(*_):
    sys.setprofile(press)
    import onnx

cli._run = work
sys.exit(cli.main(["oxidize"]))
"""


def test_ctrl_c_while_a_native_module_is_initialised_waits_for_it() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", INTERRUPTED_IMPORT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "pressed")
    assert done.stderr == "patina: interrupted; what is built is kept: `patina oxidize` goes on from there\n"


def test_it_runs_commands_and_ends_with_their_code(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATINA_HOME": str(tmp_path / "home")}
    for arguments, code in ((["--version"], 0), (["nothing"], 2)):
        command = [sys.executable, "-c", SCRIPT, *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, argument: str, unbuffered: str) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "PATINA_HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": unbuffered
    }  # fmt: skip
    command = [sys.executable, "-c", SCRIPT, argument]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    sentence = "patina: the output cannot be written (No space left on device): choose another place for it\n"
    assert (done.returncode, done.stderr) == (2, sentence)
