"""What happens to tests that are ended by SIGTERM: fixtures end what they have started, as after Ctrl-C."""

import ctypes
import os
import signal
import sys

import pytest

CODE = 128 + signal.SIGTERM
ASKED = {signal.SIGTERM}
PR_SET_PDEATHSIG = 1


def end_with_fixtures() -> None:
    """Let SIGTERM end the tests of this process. By itself it ends Python at once, and servers stay behind."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM", CODE))
    # A child has no fixtures, and ends at once. Python would lose what is sent to it before it runs.
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_end_at_once)
    if "PYTEST_XDIST_WORKER" in os.environ and sys.platform == "linux":  # it ends with the process that it works for
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _hold() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED)


def _end_at_once() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _release()
