"""Lists of results that notebooks show as tables, and that other libraries take as tables."""

from collections.abc import Callable, Iterable
from html import escape
from importlib import import_module
from typing import Any, TypeVar

from patina_resources.errors import PatinaError

T = TypeVar("T")
ResultRow = dict[str, Any]
SHOWN_ROWS, SHOWN_CHARACTERS = 100, 300


class Results(list[T]):
    """A list of results, best or newest first; a notebook shows it as a table."""

    def __init__(self, values: Iterable[T], row: Callable[[int, T], ResultRow]) -> None:
        """Take the results, and what makes a row of one and its place, from 1."""
        super().__init__(values)
        self._row = row

    def to_list(self) -> list[ResultRow]:
        """Return a dictionary for each result: texts, numbers and None, the same keys in each."""
        return [self._row(place, value) for place, value in enumerate(self, 1)]

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas is optional
        """Return a `pandas.DataFrame` with a row for each result.

        Raises:
            PatinaError: pandas is not installed.
        """
        return _library("pandas").DataFrame(self.to_list())

    def to_polars(self) -> Any:  # noqa: ANN401 - polars is optional
        """Return a `polars.DataFrame` with a row for each result.

        Raises:
            PatinaError: polars is not installed.
        """
        return _library("polars").DataFrame(self.to_list(), infer_schema_length=None)

    def _repr_html_(self) -> str:
        """Return a table for a notebook; all text in it is text."""
        rows = self.to_list()
        names = [name for name in (rows[0] if rows else {}) if any(row[name] is not None for row in rows)]
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            f"<tr>{''.join(f'<td>{_cell(row[name])}</td>' for name in names)}</tr>" for row in rows[:SHOWN_ROWS]
        )
        more = f"<p>{len(rows) - SHOWN_ROWS} more</p>" if len(rows) > SHOWN_ROWS else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
    shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    # What turns the direction of writing, or is no sign at all, would show another text than there is.
    kept = "".join(sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in shown)
    return escape(kept).replace("\n", "<br>")


def _library(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise PatinaError(f"to_{name} needs {name}: run `pip install {name}`") from error
