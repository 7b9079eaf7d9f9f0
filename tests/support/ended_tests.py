"""What happens to tests that are ended by SIGTERM: fixtures end what they have started, as after Ctrl-C."""

import ctypes
import os
import signal
import sys

import pytest

CODE = 128 + signal.SIGTERM
WHY = "ended by SIGTERM"
ASKED = {signal.SIGTERM}
PR_SET_PDEATHSIG = 1
# Then it ends whatever it waits for: xdist sometimes waits for a worker that it can tell nothing any more.
PATIENCE_SECONDS = 60
_asked: list[bool] = []


def end_with_fixtures() -> None:
    """Let SIGTERM end the tests of this process. By itself it ends Python at once, and servers stay behind."""
    signal.signal(signal.SIGTERM, _end)
    # A child has no fixtures, and ends at once. Python would lose what is sent to it before it runs.
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_end_at_once)
    if "PYTEST_XDIST_WORKER" in os.environ and sys.platform == "linux":  # it ends with the process that it works for
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_if_asked() -> None:
    """End before the next test, where Python has dropped the exception: it does so in callbacks of its own."""
    if _asked:
        pytest.exit(WHY, CODE)


def _end(*_: object) -> None:
    _asked.append(True)
    signal.alarm(PATIENCE_SECONDS)
    pytest.exit(WHY, CODE)


def _hold() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED)


def _end_at_once() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _release()
