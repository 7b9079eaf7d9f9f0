"""Tests that are ended by SIGTERM, as a job that is cancelled: what fixtures have started ends, too."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ended_tests import CODE
from loopback import wait_until
from root import ROOT

SECONDS = 120.0
TEST = """
import os
import signal
import threading

import pytest
from ended_tests import end_with_fixtures

end_with_fixtures()


@pytest.fixture
def served():
    print("begun", flush=True)
    yield
    print("ended", flush=True)


def test_that_takes_long(served):
    child = os.fork()
    if not child:
        signal.pause()
    os.kill(child, signal.SIGTERM)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
    print("waits", flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize("more", [(), ("-n", "1")], ids=["one process", "workers"])
def test_fixtures_end_what_they_started(tmp_path: Path, more: tuple[str, ...]) -> None:
    told = tmp_path / "told"
    (tmp_path / "test_long.py").write_text(TEST.replace("flush=True", f'file=open("{told}", "a"), flush=True'))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more, "--rootdir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "support")}
    environment.pop("PYTEST_XDIST_WORKER", None)
    # What is ignored is ignored by children, too. Bash (also in the background), make, nohup, setsid, eatmydata and
    # xdist do not ignore it; `_raise_interrupts` of the web server does in its process, once a signal has come.
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with subprocess.Popen([*command, str(tmp_path)], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL) as tests:
        signal.signal(signal.SIGTERM, before)
        try:
            wait_until(lambda: told.exists() and "waits" in told.read_text(), "the test", SECONDS)
            tests.send_signal(signal.SIGTERM)
            code = tests.wait(SECONDS)
            wait_until(lambda: "ended" in told.read_text(), "the end of what was started", SECONDS)
        finally:
            tests.kill()
    assert told.read_text().split() == ["begun", "waits", "ended"]
    assert more or code == CODE
