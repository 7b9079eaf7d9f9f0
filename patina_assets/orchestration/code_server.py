"""A code server of the web UI: Dagster's own, which ends without a traceback when a signal comes while it loads.

Ctrl-C on a terminal, and any other signal to the whole group, comes to it as well as to the web UI, which tells of it.
"""

import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

MODULE = "patina_assets.orchestration.code_server"


def entry_point(executable_path: str) -> Sequence[str]:
    """Return the beginning of the command line: what follows is Dagster's."""
    return [executable_path, "-m", MODULE]


def _end(_: int, __: FrameType | None) -> NoReturn:
    os._exit(0)


def _leave(_: int, __: FrameType | None) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):  # what is to end ends once
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def _run() -> None:
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as a shell in the background has it
    if not is_ignored:
        signal.signal(signal.SIGINT, _end)  # to import Dagster takes a second
    from dagster._cli import main
    from dagster._core.errors import DagsterExecutionInterruptedError

    if not is_ignored:
        signal.signal(signal.SIGINT, _leave)  # Dagster has SIGTERM do the same
    try:
        main()  # type: ignore[no-untyped-call]
    except DagsterExecutionInterruptedError:  # while it loaded the definitions
        os._exit(0)


if __name__ == "__main__":
    _run()
