"""Progress: not too often, and with what a person wants to know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from materialize_helpers import GitFolder

from patina_assets.pipeline.progress import COMPLETE, Pace, Seldom, bar, duration
from patina_assets.pipeline.tables import report_table
from patina_resources.materialize.report import ScraperReport


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_two_seconds_with_rate_and_time_left() -> None:
    lines: list[str] = []
    clock = Clock()
    pace = Pace(lines.append, "semantic/embeddings", "new texts", clock)
    for done in range(1, 101):
        clock.now += 0.1
        pace(done, 100)
    assert len(lines) == 5
    assert lines[0].startswith("semantic/embeddings: 20 of 100 new texts, 10 a second, 8 s left")
    assert lines[-1].startswith("semantic/embeddings: 100 of 100 new texts, 10 a second")
    assert "left" not in lines[-1]


def test_seldom_keeps_the_first_line_and_those_that_matter() -> None:
    lines: list[str] = []
    clock = Clock()
    seldom = Seldom(lines.append, clock)
    seldom("first")
    seldom("too soon")
    seldom("last", matters=True)
    clock.now = 2.5
    seldom("later")
    assert lines == ["first", "last", "later"]


def test_durations_are_for_people() -> None:
    assert [duration(seconds) for seconds in (0.4, 89, 90, 600, 7200)] == ["0 s", "89 s", "2 min", "10 min", "2.0 h"]


def test_a_line_of_progress_becomes_a_bar() -> None:
    half = bar("semantic/weights: epoch 5 of 10, loss 4.53 (0.5 s)")
    assert half == "semantic/weights [############............]  50% epoch 5 of 10, loss 4.53 (0.5 s)"
    assert COMPLETE in (bar("a/embeddings: 7 of 7 new texts") or "")
    assert bar("model/corpus-static: learning words from 7 texts") is None
    assert bar("a/embeddings: 0 of 0 new texts") is None


@pytest.mark.parametrize(("variables", "is_shown"), [({}, True), ({"CI": "false"}, True), ({"CI": "true"}, False)])
def test_materialize_draws_a_bar_where_someone_watches(
    variables: dict[str, str], is_shown: bool, tmp_path: Path
) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write(".patina/config.toml", "")
    folder.write("a.py", "def f():\n    pass\n")
    folder.commit("one")
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "COLUMNS")}
    command = [sys.executable, "-m", "patina_assets.cli", "materialize", str(folder.path)]
    ours, theirs = os.openpty()
    try:
        environment = kept | variables | {"PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, cwd="/", check=False)
        os.close(theirs)
        shown = b""
        while block := _read(ours):
            shown += block
    finally:
        os.close(ours)
    assert done.returncode == 0, shown
    assert done.stdout.split(b"\n")[0].split() == [b"event", b"new", b"known", b"retracted"]
    assert (b"git [........................]   0% 0 of 1" in shown) == is_shown
    assert is_shown or shown == b""


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # on Linux, how a terminal says that nobody writes any more
        return b""


def test_a_path_cannot_command_the_terminal() -> None:
    report = ScraperReport("code", {"code.call": 1}, skipped=("a\x1b[2J\nb/caf\u00e9.py: binary",))
    assert report_table([report]).splitlines() == [
        "skipped a\\x1b[2J\\nb/caf\u00e9.py: binary",
        "event      new  known  retracted",
        "code.call    1      0          0",
        "skipped: 1, named above",
    ]
