"""How results, tables and progress read: on a terminal with colour and bars, anywhere else as plain lines."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from patina_assets.terminal.questions import say_on_stderr

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


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[object]], spare: Sequence[int] = (), whole: str = ""
) -> None:
    """Print a table on stdout; on a terminal it is fitted to its width.

    Args:
        header: The names of its columns.
        rows: Its cells.
        spare: Places of columns that may be left out where the terminal is too narrow, the first of them first.
        whole: The command that shows them; stderr names it.
    """
    from patina_assets.pipeline.tables import text_table

    if is_interactive(sys.stdout):
        from patina_assets.terminal.bars import draw_table

        if left_out := draw_table(sys.stdout, header, rows, spare):
            say_on_stderr(f"the terminal is too narrow for {', '.join(left_out)}: `{whole}` shows these columns")
    else:
        print(text_table(header, rows))
