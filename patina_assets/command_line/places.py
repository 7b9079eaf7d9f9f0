"""`patina like`, `recent` and `why`."""

from collections.abc import Sequence

import click

from patina_assets.command_line.completion import file_names, projection_names
from patina_assets.command_line.grammar import Command
from patina_assets.command_line.options import collector_paused, json_option, whole_number
from patina_resources.project.project import find_project

MOST_DAYS = 1_000_000


@click.command(cls=Command)
@click.argument(
    "words", nargs=-1, required=True, metavar="PATH[:LINE]|SYMBOL|COMMIT|SESSION", shell_complete=file_names
)
@click.option(
    "--projection", metavar="NAME", shell_complete=projection_names,
    help="Ask one projection, or `base` (default: all that hold it).",
)  # fmt: skip
@click.option(
    "-k", default="5", metavar="NUMBER", callback=whole_number(1), help="Number of results of each list (default 5)."
)
@json_option
def like(words: Sequence[str], projection: str | None, k: int, as_json: bool) -> int:
    """Show what is like a file, a function, a commit or a session.

    Each projection that holds it gives a list of its own. Facts from the eventlog stand beside it: files that changed
    together, callers and callees, authors.
    """
    with collector_paused():
        from patina_assets.commands.places.like import print_like

        return print_like(find_project(), words, projection, k, as_json=as_json)


@click.command(cls=Command)
@click.option("--days", metavar="NUMBER", callback=whole_number(1, MOST_DAYS), help="Only the last NUMBER days.")
@click.option("--path", metavar="GLOB", help="Only commits that touched a file like 'src/*.rs', and notes about one.")
@click.option("-k", default="20", metavar="NUMBER", callback=whole_number(1), help="Number of entries (default 20).")
@json_option
def recent(days: int | None, path: str | None, k: int, as_json: bool) -> int:
    """Show the newest commits, notes and issues."""
    with collector_paused():
        from patina_assets.commands.places.happened import print_recent

        return print_recent(find_project(), days, path, k, as_json=as_json)


@click.command(cls=Command)
@click.argument("place", metavar="PATH[:LINE]|SYMBOL", shell_complete=file_names)
@click.option("-k", default="20", metavar="NUMBER", callback=whole_number(1), help="Number of entries (default 20).")
@json_option
def why(place: str, k: int, as_json: bool) -> int:
    """Show the commits, notes and issues that touched a file, newest first.

    With a line or the name of a function, only those that changed these lines. Renames are followed.
    """
    with collector_paused():
        from patina_assets.commands.places.happened import print_why

        return print_why(find_project(), place, k, as_json=as_json)
