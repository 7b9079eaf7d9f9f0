"""Which tests run which lines of a module: no other can notice a change there."""

import ast
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

# What runs while modules are imported and fixtures are made may concern every test.
EVERY = "every test"


class Recorder:
    """A plugin of pytest that records the lines of one file that each test runs."""

    def __init__(self, file: Path, result: Path) -> None:
        self._file, self._result = str(file), result
        self._test = EVERY
        self._lines: defaultdict[str, set[int]] = defaultdict(set)

    def start(self) -> None:
        """Begin to record: before pytest starts, whose `conftest.py` files import much."""
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self._test = item.nodeid
        sys.settrace(self._enter)  # another test may have taken it away
        try:
            return (yield)
        finally:
            self._test = EVERY

    def pytest_sessionfinish(self) -> None:
        sys.settrace(None)
        self._result.write_text(json.dumps({test: sorted(lines) for test, lines in self._lines.items()}))

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line(frame, event, argument) if frame.f_code.co_filename == self._file else None

    def _line(self, frame: FrameType, _event: str, _argument: object) -> Any:
        self._lines[self._test].add(frame.f_lineno)
        return self._line


class Only:
    """A plugin of pytest that leaves all tests out but some."""

    def __init__(self, tests: Collection[str]) -> None:
        self._tests = tests

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]


class Covering:
    """Tells the tests of each line of a source."""

    def __init__(self, source: str, recorded: dict[str, list[int]]) -> None:
        self._recorded = {test: set(lines) for test, lines in recorded.items()}
        self._spans = [_span(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]

    def tests(self, line: int) -> set[str] | None:
        """Return the tests that run the statement at a line, maybe none; None where it may concern every test."""
        span = min((span for span in self._spans if line in span), key=len, default=range(line, line + 1))
        found = {test for test, lines in self._recorded.items() if lines.intersection(span)}
        return None if EVERY in found else found


def _span(node: ast.stmt) -> range:
    """Return the lines of a statement, without those that stand in it."""
    inner = [part.lineno for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
    end = node.end_lineno or node.lineno
    return range(node.lineno, max(min([end + 1, *inner]), node.lineno + 1))
