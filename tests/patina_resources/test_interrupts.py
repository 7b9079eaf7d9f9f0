"""Ctrl-C is remembered, and waits while a native module is initialised."""

import signal
import threading
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader

import pytest

from patina_resources.interrupts import held_interrupts, remembered_interrupts, was_interrupted


@pytest.fixture(autouse=True)
def _pythons_own_handler() -> Iterator[None]:
    """Let this process heed Ctrl-C: a shell that runs the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("times", [0, 1, 3])
def test_it_is_handled_once_and_at_the_end(times: int) -> None:
    done: list[int] = []

    def work() -> None:
        with held_interrupts():
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            done.append(times)

    if times:
        with pytest.raises(KeyboardInterrupt):
            work()
    else:
        work()
    assert done == [times]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_that_is_held_in_another_waits_for_the_outer_one() -> None:
    done: list[str] = []

    def work() -> None:
        with held_interrupts():
            with held_interrupts():
                signal.raise_signal(signal.SIGINT)
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["outer"]


def test_what_is_ignored_stays_ignored_and_another_thread_changes_nothing() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found: list[object] = []

    def look() -> None:
        with held_interrupts():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


@pytest.mark.parametrize("step", ["create_module", "exec_module"])
def test_a_native_module_is_initialised_to_its_end(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    done: list[str] = []

    def initialise(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        done.append(step)

    monkeypatch.setattr(ExtensionFileLoader, step, initialise)
    with remembered_interrupts():
        with pytest.raises(KeyboardInterrupt):
            getattr(ExtensionFileLoader("a", "a.so"), step)(None)
        assert was_interrupted()
    assert done == [step]
    assert getattr(ExtensionFileLoader, step) is initialise
