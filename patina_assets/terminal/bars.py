"""Bars and tables on a terminal, drawn by rich. Imported only where a person watches: it takes 60 ms."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, TextIO

from rich.cells import cell_len
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from patina_assets.pipeline.plain_text import guarded_console, one_line
from patina_assets.pipeline.progress import Pace, Progress, line
from patina_assets.pipeline.tables import is_numeric

REDRAW_SECONDS = 0.1
BAR_CELLS = 20
GAP = "  "
LEAST_FOLDED = 24


class Bars:
    """Shows one piece of work as a bar that is drawn over itself; what is done stays as a line above it."""

    def __init__(self, stream: TextIO) -> None:
        """Draw on a terminal."""
        self._console = guarded_console(stream)
        # Drawn when there is something new: a thread that draws would be copied with each process that is forked.
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._pace = Pace()
        self._drawn = 0.0

    def __enter__(self) -> "Bars":
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        """Leave the lines of what is done."""
        self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show how far some work is."""
        first, now = self._pace.starts(progress), time.monotonic()
        speed = self._pace.speed(progress)
        if progress.complete or not progress.total:
            self._live.update(Text(""), refresh=True)
            self._console.print(Text(one_line(line(progress, speed))), soft_wrap=True)
        elif first or now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            self._live.update(_bar(progress, speed), refresh=True)


def draw_table(stream: TextIO, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Draw a table. Where it is wider than the terminal, its last column goes on in the next lines, if it has room."""
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(cell_len(cell) for cell in column) for column in zip(header, *cells, strict=True)]
    console = guarded_console(stream)
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    folds = before + widths[-1] > console.width >= before + LEAST_FOLDED
    drawn = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    for place, name in enumerate(header):
        justify: Literal["left", "right"] = "right" if is_numeric(row[place] for row in cells) else "left"
        last = place == len(header) - 1
        drawn.add_column(Text(name), justify=justify, no_wrap=not (folds and last), overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    if not folds:
        console.width = max(console.width, before + widths[-1] + len(GAP))
    console.print(drawn)


def _bar(progress: Progress, speed: str) -> Table:
    """Return one line: what is done, a bar, a percentage, and the rest as far as there is room."""
    share = min(progress.done / progress.total, 1.0)
    counted = f"{progress.done} of {progress.total} {progress.unit}"
    rest = ", ".join(part for part in (counted, speed, progress.note) if part)
    grid = Table.grid(
        Column(no_wrap=True),
        Column(width=BAR_CELLS),
        Column(width=4, justify="right"),
        Column(no_wrap=True, overflow="ellipsis", ratio=1),
        padding=(0, 1, 0, 0),
        expand=True,
    )
    grid.add_row(
        Text(one_line(progress.stage)),
        ProgressBar(progress.total, progress.done, width=BAR_CELLS),
        Text(f"{share:.0%}"),
        Text(one_line(rest)),
    )
    return grid
