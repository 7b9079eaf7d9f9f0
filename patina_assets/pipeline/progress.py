"""Progress of long work as values, and as lines for a log or a pipe. Bars for a terminal are in `commands`."""

import time
from collections.abc import Callable
from dataclasses import dataclass

LINE_SECONDS = 2.0


@dataclass(frozen=True)
class Progress:
    """How far some work is.

    Attributes:
        stage: What is done, such as `semantic/embeddings`.
        done: How much of it is done.
        total: How much there is; 0 where nothing is counted, and the note says what happens.
        unit: What is counted, such as `new texts`.
        note: What else a person wants to know, such as the loss of an epoch.
    """

    stage: str
    done: int
    total: int
    unit: str
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether all of it is done."""
        return 0 < self.total <= self.done


Report = Callable[[Progress], None]


class Pace:
    """How fast work advances, by the clock; work that begins anew is measured anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock: seconds from any moment on."""
        self._clock = clock
        self._stage = ""
        self._begun = self._last = (0, 0.0)
        self._is_slow: bool | None = None

    def starts(self, progress: Progress) -> bool:
        """Take note of a value, and return whether it is the first of its work."""
        first = progress.stage != self._stage or progress.done < self._last[0]
        now = self._clock()
        if first:
            self._stage, self._begun, self._is_slow = progress.stage, (progress.done, now), None
        self._last = (progress.done, now)
        return first

    def speed(self, progress: Progress) -> str:
        """Return rate and time left for people, such as `10 a second, 8 s left`; "" while neither is known."""
        done, seconds = progress.done - self._begun[0], self._last[1] - self._begun[1]
        if not progress.total or done <= 0 or seconds <= 0:
            return ""
        rate = done / seconds
        left = "" if progress.complete else f", {duration((progress.total - progress.done) / rate)} left"
        if self._is_slow is None:  # one unit for one work: "1.1 a second" beside "1.3 s each" cannot be compared
            self._is_slow = rate < 1
        pace = f"{_figures(1 / rate)} s each" if self._is_slow else f"{_figures(rate)} a second"
        return f"{pace}{left}"


class ProgressLines:
    """Writes progress as lines: at most one in two seconds; notes always, and the end of what took longer than that."""

    def __init__(self, write: Callable[[str, Progress], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Take where lines go, each with its value, and a clock in seconds."""
        self._write, self._clock, self._pace = write, clock, Pace(clock)
        self._written, self._is_begun = 0.0, False

    def __call__(self, progress: Progress) -> None:
        """Write a line, or drop it."""
        now = self._clock()
        if self._pace.starts(progress):
            self._written, self._is_begun = now, False
            is_due = bool(progress.note) or progress.complete or not progress.total
        else:
            is_due = now - self._written >= LINE_SECONDS or (progress.complete and self._is_begun)
        if is_due:
            self._written, self._is_begun = now, True
            self._write(line(progress, self._pace.speed(progress)), progress)


def line(progress: Progress, speed: str = "") -> str:
    """Return progress as one line of text."""
    counted = f"{progress.done} of {progress.total} {progress.unit}" if progress.total else ""
    return f"{progress.stage}: {', '.join(part for part in (counted, progress.note, speed) if part)}"


def _figures(value: float) -> str:
    return f"{value:.2g}" if value < 99.5 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Return a time for people, such as `40 s` or `3 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def scraper_progress(report: Report) -> Callable[[str, int, int | None], None]:
    """Return what `materialize` tells how far it is, so that it reaches `report` as values."""

    def show(doing: str, done: int, total: int | None) -> None:
        if total is None:
            report(Progress("materialize", 0, 0, "", doing))
        elif total:
            report(Progress(doing, done, total, "commits" if doing == "git" else "files"))

    return show
