"""Ctrl-C that was pressed: SQLite takes a KeyboardInterrupt in its callback for an error of its own.

And native modules are not interrupted while they are initialised: some call Python then, and what it raises ends the
process by a signal (onnx), is forgotten, or comes out as an ImportError (numpy).
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.machinery import ExtensionFileLoader
from types import FrameType
from typing import NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_seen: list[int] = []


def was_interrupted() -> bool:
    """Return whether Ctrl-C was pressed since the command began."""
    return bool(_seen)


@contextmanager
def remembered_interrupts() -> Iterator[None]:
    """Remember each Ctrl-C, unless somebody else takes it; let native modules be initialised without one."""
    _seen.clear()
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _remember)
    create, execute = ExtensionFileLoader.create_module, ExtensionFileLoader.exec_module
    ExtensionFileLoader.create_module = _without_interrupts(create)  # type: ignore[method-assign]
    ExtensionFileLoader.exec_module = _without_interrupts(execute)  # type: ignore[method-assign]
    try:
        yield
    finally:
        ExtensionFileLoader.create_module = create  # type: ignore[method-assign]
        ExtensionFileLoader.exec_module = execute  # type: ignore[method-assign]
        if signal.getsignal(signal.SIGINT) is _remember:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back until the end, when whoever handles it is told once: we, or Dagster while it runs something."""
    if threading.current_thread() is not threading.main_thread():  # Python handles signals in no other one
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held and callable(before):
            before(held[0], None)


def _without_interrupts(work: Callable[P, T]) -> Callable[P, T]:
    @wraps(work)
    def held(*arguments: P.args, **named: P.kwargs) -> T:
        with held_interrupts():
            return work(*arguments, **named)

    return held


def _remember(number: int, _frame: FrameType | None) -> NoReturn:
    _seen.append(number)
    raise KeyboardInterrupt
