"""Progress of long work: one line about every two seconds, with rate and time left; on a terminal, a bar."""

import re
import time
from collections.abc import Callable

LINE_SECONDS = 2.0
BAR_CELLS = 24
# Ends a bar that is full.
COMPLETE = "] 100% "
_PROGRESS = re.compile(r"(?P<doing>\S+): (?P<unit>epoch )?(?P<done>\d+) of (?P<total>\d+)(?P<rest>.*)")

Report = Callable[[str], None]


class Pace:
    """Says how far counted work is, not more often than every two seconds, and when it is done."""

    def __init__(self, report: Report, doing: str, things: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock.

        Args:
            report: Called with each line.
            doing: What is done, such as `semantic/embeddings`.
            things: What is counted, such as `new texts`.
            clock: Seconds from any moment on.
        """
        self._report, self._doing, self._things, self._clock = report, doing, things, clock
        self._started = self._last = clock()

    def __call__(self, done: int, total: int) -> None:
        """Tell that so much is done."""
        now = self._clock()
        if now - self._last < LINE_SECONDS and done < total:
            return
        self._last = now
        rate = done / max(now - self._started, 1e-9)
        left = f", {duration((total - done) / rate)} left" if 0 < done < total else ""
        self._report(f"{self._doing}: {done} of {total} {self._things}, {rate:.3g} a second{left}")


class Seldom:
    """Passes on lines not more often than every two seconds; the first and those that matter always."""

    def __init__(self, report: Report, clock: Callable[[], float] = time.monotonic) -> None:
        """Take where lines go, and a clock in seconds."""
        self._report, self._clock = report, clock
        self._last: float | None = None

    def __call__(self, line: str, *, matters: bool = False) -> None:
        """Report a line, or drop it."""
        now = self._clock()
        if matters or self._last is None or now - self._last >= LINE_SECONDS:
            self._last = now
            self._report(line)


def duration(seconds: float) -> str:
    """Return a time for people, such as `40 s` or `3 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def bar(line: str) -> str | None:
    """Return a line of progress as a bar; None for any other line."""
    match = _PROGRESS.fullmatch(line)
    if match is None or int(match["total"]) == 0:
        return None
    share = min(int(match["done"]) / int(match["total"]), 1.0)
    filled = round(share * BAR_CELLS)
    cells = "#" * filled + "." * (BAR_CELLS - filled)
    counted = f"{match['unit'] or ''}{match['done']} of {match['total']}{match['rest']}"
    return f"{match['doing']} [{cells}] {share:4.0%} {counted}"
