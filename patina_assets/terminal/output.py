"""How results, tables and progress read: on a terminal with colour and bars, anywhere else as plain lines."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:  # search prints without loading what builds
    from patina_assets.pipeline.progress import Report


def is_interactive(stream: TextIO) -> bool:
    """Return whether a person watches who wants colour and bars: a terminal, and no NO_COLOR, CI or TERM=dumb."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty() and os.environ.get("CI", "").lower() in ("", "0", "false")


@contextmanager
def shown_progress() -> "Iterator[Report]":
    """Yield what shows progress on stderr: bars where a person watches, lines elsewhere."""
    if is_interactive(sys.stderr):
        from patina_assets.terminal.bars import Bars

        with Bars(sys.stderr) as bars:
            yield bars
    else:
        from patina_assets.pipeline.progress import ProgressLines

        yield ProgressLines(lambda line, _: print(line, file=sys.stderr, flush=True))


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; on a terminal it is fitted to its width."""
    from patina_assets.pipeline.tables import text_table

    if is_interactive(sys.stdout):
        from patina_assets.terminal.bars import draw_table

        draw_table(sys.stdout, header, rows)
    else:
        print(text_table(header, rows))
