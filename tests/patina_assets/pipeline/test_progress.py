"""Progress: not too often, and with what a person wants to know."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from materialize_helpers import GitFolder
from root import ROOT

from patina_assets.pipeline.progress import (
    LINE_SECONDS,
    Pace,
    Progress,
    ProgressLines,
    duration,
    line,
    scraper_progress,
)
from patina_assets.pipeline.stages.weights import _epoch_progress
from patina_assets.pipeline.tables import report_table
from patina_assets.terminal.bars import Bars
from patina_assets.terminal.output import is_interactive
from patina_resources.materialize.report import ScraperReport


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_two_seconds_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    # As the program has it: other tests are told nothing because time has passed.
    monkeypatch.setattr("patina_assets.pipeline.progress.LINE_SECONDS", LINE_SECONDS)
    lines, clock = [], Clock()
    report = ProgressLines(lambda text, progress: lines.append((text, progress.done)), clock)
    for done in range(41):
        report(Progress("semantic/embeddings", done, 40, "new texts"))
        clock.now += 0.25
    assert [done for _, done in lines] == [8, 16, 24, 32, 40]
    assert lines[0][0] == "semantic/embeddings: 8 of 40 new texts, 4 a second, 8 s left"
    assert lines[-1][0] == "semantic/embeddings: 40 of 40 new texts, 4 a second"


def test_notes_and_the_beginning_of_epochs_are_never_dropped() -> None:
    lines: list[str] = []
    report = ProgressLines(lambda text, _: lines.append(text), Clock())
    report(Progress("model/corpus-static", 0, 0, "", "learning words from 7 texts"))
    report(Progress("a/weights", 0, 10, "epochs", "validation MRR 0.5"))
    report(Progress("a/weights", 1, 10, "epochs"))
    report(Progress("b/weights", 0, 10, "epochs"))
    report(Progress("b/embeddings", 3, 3, "new texts"))
    assert lines == [
        "model/corpus-static: learning words from 7 texts",
        "a/weights: 0 of 10 epochs, validation MRR 0.5",
        "b/embeddings: 3 of 3 new texts",
    ]


def test_work_that_begins_anew_is_measured_anew() -> None:
    clock = Clock()
    pace = Pace(clock)
    for done, seconds, first in ((0, 0.0, True), (5, 1.0, False), (1, 9.0, True), (3, 10.0, False)):
        clock.now = seconds
        progress = Progress("a/weights", done, 10, "epochs")
        assert pace.starts(progress) == first
    assert pace.speed(progress) == "2 a second, 4 s left"
    assert pace.speed(Progress("a", 0, 0, "")) == ""


def test_one_work_is_told_in_one_unit() -> None:
    clock = Clock()
    pace = Pace(clock)
    told = []
    for done, seconds in ((0, 0.0), (1, 0.93), (2, 2.6), (40, 3.0)):
        clock.now = seconds
        progress = Progress("a/weights", done, 40, "epochs")
        pace.starts(progress)
        told.append(pace.speed(progress))
    assert told == ["", "1.1 a second, 36 s left", "0.77 a second, 49 s left", "13 a second"]
    clock.now = 0.0
    for done, clock.now in ((0, 10.0), (1, 12.5), (4, 13.0)):
        progress = Progress("b/weights", done, 8, "epochs")
        pace.starts(progress)
        told.append(pace.speed(progress))
    assert told[-2:] == ["2.5 s each, 18 s left", "0.75 s each, 3 s left"]


def test_an_epoch_is_a_value() -> None:
    class Record:
        epoch, loss, mrr, seconds = 5, 4.53, 0.25, 0.5

    progress = _epoch_progress("semantic", Record, 10)
    assert progress == Progress("semantic/weights", 5, 10, "epochs", "loss 4.5300, validation MRR 0.2500")
    assert line(progress, "2 a second") == (
        "semantic/weights: 5 of 10 epochs, loss 4.5300, validation MRR 0.2500, 2 a second"
    )
    Record.mrr = None
    assert _epoch_progress("semantic", Record, 10).note == "the last fit, on all pairs, loss 4.5300"


def test_scrapers_report_values() -> None:
    told: list[Progress] = []
    show = scraper_progress(told.append)
    show("git", 3, 7)
    show("code", 2, 2)
    show("sessions", 0, 0)
    show("waiting for another process", 0, None)
    assert told == [
        Progress("git", 3, 7, "commits"),
        Progress("code", 2, 2, "files"),
        Progress("materialize", 0, 0, "", "waiting for another process"),
    ]


def test_durations_are_for_people() -> None:
    assert [duration(seconds) for seconds in (0.4, 89, 90, 600, 7200)] == ["0 s", "89 s", "2 min", "10 min", "2.0 h"]


class Terminal(io.StringIO):
    """A terminal that keeps what it is told."""

    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, *values: Progress) -> str:
    """Return what a terminal of 80 columns is told."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "CI", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    with Bars(terminal) as bars:
        for value in values:
            bars(value)
    return terminal.getvalue()


def test_a_bar_fits_its_line_and_what_is_done_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    half = drawn(monkeypatch, Progress("semantic/weights", 5, 10, "epochs", "loss 4.53"))
    assert "semantic/weights" in half
    assert "50%" in half
    assert "5 of 10 epochs, loss 4.53" in half
    long = drawn(monkeypatch, Progress("semantic/weights", 5, 10, "epochs", "x" * 500))
    assert "…" in long
    assert "x" * 60 not in long
    assert long.count("\n") == 1  # which is taken back at the end
    done = drawn(monkeypatch, Progress("a/embeddings", 7, 7, "new texts"), Progress("a", 0, 0, "", "noted"))
    assert "a/embeddings: 7 of 7 new texts\n" in done
    assert "a: noted\n" in done


def test_a_bar_obeys_nothing_that_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "[bold]\x1b[2J\x9b2J\x07\u202e:smile:"
    for progress in (
        Progress(evil, 1, 2, evil, evil),
        Progress(evil, 2, 2, evil, evil),
        Progress(evil, 0, 0, "", evil),
    ):
        shown = drawn(monkeypatch, progress)
        assert "\x1b[2J" not in shown.replace("\x1b[2K", "")
        assert not {"\x9b", "\x07", "\u202e"} & set(shown)
        assert "[bold]" in shown


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"CI": "false"}, True),
        ({"NO_COLOR": ""}, True),
        ({"CI": "true"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_and_bars_are_for_a_person(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"CI": "", "NO_COLOR": "", "TERM": "xterm"} | variables).items():
        monkeypatch.setenv(name, value)
    assert is_interactive(Terminal()) == expected
    assert not is_interactive(io.StringIO())


@pytest.mark.parametrize(("variables", "is_shown"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_materialize_draws_a_bar_where_someone_watches(
    variables: dict[str, str], is_shown: bool, tmp_path: Path
) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write(".patina/config.toml", "")
    folder.write("a.py", "def f():\n    pass\n")
    folder.commit("one")
    left_out = ("CI", "COLUMNS", "NO_COLOR", "TERM")
    kept = {name: value for name, value in os.environ.items() if name not in left_out} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "patina_assets.cli", "materialize", str(folder.path)]
    ours, theirs = os.openpty()
    try:
        environment = kept | variables | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, cwd="/", check=False)
        os.close(theirs)
        shown = b""
        while block := _read(ours):
            shown += block
    finally:
        os.close(ours)
    assert done.returncode == 0, shown
    assert done.stdout.split(b"\n")[0].split() == [b"event", b"new", b"known", b"retracted"]
    assert (b"\x1b[" in shown) == is_shown
    if is_shown:
        assert b"git: 1 of 1 commits" in shown
    else:  # a line where it took more than two seconds
        assert b"\r" not in shown.replace(b"\r\n", b"\n")


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
