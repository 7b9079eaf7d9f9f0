"""What people see of a stage: tables and pictures on its page, columns in the table of `patina oxidize`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows that a page shows as a table."""

    rows: Sequence[Mapping[str, Any]]


def beginning(text: str, characters: int) -> str:
    """Return the beginning of a text for a cell of a table, on one line, with a mark where there is more."""
    line = " ".join(text.split())
    return line if len(line) <= characters else f"{line[:characters].rstrip()}…"


@dataclass(frozen=True)
class Picture:
    """An SVG that a page shows, and what it is called."""

    svg: str
    title: str


@dataclass(frozen=True)
class Column:
    """A column of the table that `patina oxidize` prints.

    Attributes:
        header: Its header.
        keys: What leads to its value in a stage's facts; nothing leads to all of them.
        shown: What becomes of that.
        spare: Where the terminal is too narrow, the column of the highest number is left out first; 0 never is.
    """

    header: str
    keys: tuple[str, ...] = ()
    shown: Callable[[Any], object] = lambda value: value
    spare: int = 0

    def value(self, facts: Mapping[str, Any]) -> object:
        """Return the column's value; None where the facts lack it."""
        found: Any = facts or None
        for key in self.keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return None if found is None else self.shown(found)
