"""Options and values that several commands share: lists, whole numbers, `--json`, `--yes`, `--eventlog`."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from patina_assets.command_line.completion import recipe_names
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project, find_project
from patina_resources.project.user_settings import EVENTLOG_VARIABLE


def names(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names of a list option, each once: `--only a --only b` and `--only a,b` are the same.

    Returns:
        None where the option is not given.
    """
    if not values:
        return None
    found = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if not found:
        raise click.BadParameter("expected a name, got nothing")
    return tuple(dict.fromkeys(found))


MOST_DIGITS = 18


def whole_number(
    least: int, most: int | None = None
) -> Callable[[click.Context, click.Parameter, str | None], int | None]:
    """Return a callback that reads a whole number in a range."""

    def read(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
        if text is None:
            return None
        # A number of thousands of digits is refused by its length: Python would raise another error.
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS else -1
        if number < least or (most is not None and number > most):
            expected = f">= {least}" if most is None else f"from {least} to {most}"
            raise click.BadParameter(f"expected a whole number {expected}, got {text[:60]!r}")
        return number

    return read


def named_project(path: Path | None) -> Project:
    """Return the project at or above a folder that the user named; None for that of the working folder.

    Raises:
        PatinaError: There is no such folder, or no project: a wrong name must not mean the project above.
    """
    if path is not None and not path.is_dir():
        raise PatinaError(f"{path}: no such folder: expected a repository, or a folder in one")
    return find_project(path)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Look for no garbage meanwhile: what a search imports stays until it ends."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _choose_eventlog(_: click.Context, __: click.Parameter, value: Path | None) -> None:
    if value is not None:
        os.environ[EVENTLOG_VARIABLE] = str(value.absolute())  # child processes read it, too


PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
only_projections = click.option(
    "--only", multiple=True, metavar="NAME[,NAME]", callback=names, shell_complete=recipe_names,
    help="Only these projections.",
)  # fmt: skip
eventlog_option = click.option(
    "--eventlog", type=PATH, metavar="FILE", expose_value=False, callback=_choose_eventlog,
    help="Use this eventlog (default: the project's).",
)  # fmt: skip
