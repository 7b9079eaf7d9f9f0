"""A small eventlog, and another process that writes to it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog_builder import build_eventlog
from eventlog_queries import EVENTS, WRITER


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return build_eventlog(tmp_path / "patina.db", EVENTS)


@pytest.fixture
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds one committed and one uncommitted row in the write-ahead log."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    yield process
    process.communicate()
