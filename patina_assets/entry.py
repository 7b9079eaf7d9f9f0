"""The process `patina`: Ctrl-C ends it with one line from the first moment on, also while the program is imported."""

import os
import signal
from importlib import import_module
from types import FrameType
from typing import NoReturn

EXIT_INTERRUPTED = 130


def _end(_: int = signal.SIGINT, __: FrameType | None = None) -> NoReturn:
    os.write(2, b"patina: interrupted\n")
    os._exit(EXIT_INTERRUPTED)


# Imported by the console script alone. A shell in the background has Ctrl-C ignored: that stays.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)


def run() -> NoReturn:
    """Import the program, run one command, and end the process."""
    program = import_module("patina_assets.cli")  # not before this: it takes a tenth of a second
    try:
        if signal.getsignal(signal.SIGINT) is _end:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a command says what is kept, and what goes on
        program.run()
    except KeyboardInterrupt:
        _end()
    raise AssertionError("a command ends its process")
