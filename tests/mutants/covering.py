"""Which tests run which lines of a module: no other can notice a change there."""

import ast
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

# What runs while modules are imported may concern every test.
EVERY = "every test"


class Recorder:
    """A plugin of pytest that records the lines of one file that each test runs, and how long each test takes."""

    def __init__(self, file: Path) -> None:
        self._file = str(file)
        self._running = EVERY
        self._lines: defaultdict[str, set[int]] = defaultdict(set)
        self._seconds: dict[str, float] = {}

    def start(self) -> None:
        """Begin to record: before pytest starts, whose `conftest.py` files import much."""
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def stop(self) -> None:
        """Record no more."""
        threading.settrace(None)  # type: ignore[arg-type]
        sys.settrace(None)

    def write(self, result: Path, items: Sequence[pytest.Item]) -> None:
        """Write what was recorded. What a fixture of several tests ran counts for each test that uses it."""
        for item in items:
            for name in getattr(item, "fixturenames", ()):
                self._lines[item.nodeid] |= self._lines.get(_fixture(name), set())
        lines = {test: sorted(found) for test, found in self._lines.items()}
        result.write_text(json.dumps({"lines": lines, "seconds": self._seconds}))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        begun = time.process_time()
        try:
            return (yield from self._as(item.nodeid))
        finally:
            self._seconds[item.nodeid] = time.process_time() - begun

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
        own = fixturedef.scope == "function"
        return (yield from self._as(self._running if own else _fixture(fixturedef.argname)))

    def _as(self, name: str) -> Iterator[None]:
        before, self._running = self._running, name
        sys.settrace(self._enter)  # another test may have taken it away
        try:
            return (yield)
        finally:
            self._running = before

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line(frame, event, argument) if frame.f_code.co_filename == self._file else None

    def _line(self, frame: FrameType, _event: str, _argument: object) -> Any:
        self._lines[self._running].add(frame.f_lineno)
        return self._line


class Covering:
    """Tells the tests of each line of a source.

    Attributes:
        lines: The lines that each test runs.
        seconds: How long each test takes.
    """

    def __init__(self, source: str, lines: dict[str, list[int]], seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self._lines = {test: set(found) for test, found in lines.items()}
        self._spans = [_span(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]

    def tests(self, line: int) -> set[str] | None:
        """Return the tests that run the statement at a line, maybe none; None where it may concern every test."""
        span = min((span for span in self._spans if line in span), key=len, default=range(line, line + 1))
        found = {test for test, lines in self._lines.items() if lines.intersection(span)}
        return None if EVERY in found else found.intersection(self.seconds)

    def chosen(self, items: Sequence[pytest.Item], line: int) -> list[pytest.Item]:
        """Return the tests that may notice a change at a line, quick files and quick tests first."""
        tests = self.tests(line)
        kept = [item for item in items if tests is None or item.nodeid in tests]
        by_file: defaultdict[Path, list[float]] = defaultdict(list)
        for item in kept:
            by_file[item.path].append(self.seconds.get(item.nodeid, 0))
        mean = {path: sum(seconds) / len(seconds) for path, seconds in by_file.items()}
        return sorted(kept, key=lambda item: (mean[item.path], item.path, self.seconds.get(item.nodeid, 0)))


def _fixture(name: str) -> str:
    return f"fixture {name}"


def _span(node: ast.stmt) -> range:
    """Return the lines of a statement, without those that stand in it."""
    inner = [part.lineno for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
    end = node.end_lineno or node.lineno
    return range(node.lineno, max(min([end + 1, *inner]), node.lineno + 1))
