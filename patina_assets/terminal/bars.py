"""Bars and tables on a terminal, drawn by rich. Imported only where a person watches: it takes 60 ms."""

import time
from collections.abc import Collection, Sequence
from textwrap import wrap
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


def draw_table(
    stream: TextIO, header: Sequence[str], rows: Sequence[Sequence[object]], spare: Sequence[int] = ()
) -> list[str]:
    """Draw a table, and return the names of the columns that were left out.

    Where it is wider than the terminal, names of columns become narrow, and spare columns are left out, the first of
    them first. Then the last column goes on in the next lines, if it has room. No other cell is cut.
    """
    console = guarded_console(stream)
    columns = [[name, *(one_line(str(row[place])) for row in rows)] for place, name in enumerate(header)]
    if _width(columns) > console.width:
        columns = [[_narrow(name, column), *column] for name, *column in columns]
    left_out: list[int] = []
    for place in spare:
        if _width(_without(columns, left_out)) > console.width:
            left_out.append(place)
    columns = _without(columns, left_out)
    before = _width(columns[:-1]) + len(GAP)
    folds = _width(columns) > console.width >= before + LEAST_FOLDED
    drawn = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if is_numeric(column[1:]) else "left"
        may_fold = folds and column is columns[-1]
        drawn.add_column(Text(column[0]), justify=justify, no_wrap=not may_fold, overflow="fold")
    for cells in list(zip(*columns, strict=True))[1:]:
        drawn.add_row(*(Text(cell) for cell in cells))
    if not folds:
        console.width = max(console.width, _width(columns) + len(GAP))
    console.print(drawn)
    return [header[place] for place in sorted(left_out)]


def _width(columns: Sequence[Sequence[str]]) -> int:
    cells = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    return sum(cells) + len(GAP) * (len(cells) - 1)


def _narrow(name: str, column: Sequence[str]) -> str:
    """Return the name of a column in lines that are no wider than its cells, as far as its words are not."""
    return "\n".join(wrap(name, max([1, *map(cell_len, [*column, *name.split()])]), break_on_hyphens=False)) or name


def _without(columns: Sequence[list[str]], left_out: Collection[int]) -> list[list[str]]:
    return [column for place, column in enumerate(columns) if place not in left_out]


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
