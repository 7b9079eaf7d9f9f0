"""Ctrl-C that was pressed: SQLite takes a KeyboardInterrupt in its callback for an error of its own."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_seen: list[int] = []


def was_interrupted() -> bool:
    """Return whether Ctrl-C was pressed since the command began."""
    return bool(_seen)


@contextmanager
def remembered_interrupts() -> Iterator[None]:
    """Remember each Ctrl-C, unless somebody else takes it."""
    _seen.clear()
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _remember)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _remember:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _remember(number: int, _frame: FrameType | None) -> NoReturn:
    _seen.append(number)
    raise KeyboardInterrupt
