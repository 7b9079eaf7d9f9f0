"""`patina scry`, `map`, `export` and `ui`."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from patina_assets.command_line.completion import projection_names, recipe_names, trained_names
from patina_assets.command_line.grammar import Command
from patina_assets.command_line.options import (
    PATH,
    collector_paused,
    json_option,
    named_project,
    names,
    whole_number,
)
from patina_assets.search.built import IndexesAhead
from patina_resources.project.project import find_project


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="QUESTION...")
@click.option(
    "--projection", metavar="NAME", shell_complete=projection_names,
    help="Search one projection, `base` or `lexical` (default: all, merged).",
)  # fmt: skip
@click.option("-k", default="10", metavar="NUMBER", callback=whole_number(1), help="Number of results (default 10).")
@click.option(
    "--kind", "kinds", multiple=True, callback=names, metavar="KIND", help="Only code, docs, commits or notes."
)
@click.option(
    "--path",
    metavar="GLOB",
    help="Only files whose path from the repository's top is like 'src/*.rs', and commits that touched one.",
)
@click.option("--language", metavar="NAME", help="Only files of a language, such as python.")
@click.option("--since", metavar="DATE", help="Only commits, notes and issues since a date, such as 2026-01-31.")
@click.option("--author", metavar="NAME", help="Only commits and issues whose author's name contains this.")
@click.option(
    "--projects",
    metavar="WHICH",
    help="Search several projects: a pattern of folders, a file of paths, a name, or `all`.",
)
@click.option("--fleet", is_flag=True, help="Search everything that the fleet has published and your groups may see.")
@click.option("--project", metavar="GLOB", help="With --fleet: only projects whose names match.")
@click.option("--group", metavar="NAME", help="With --fleet: only projects that this group of yours may see.")
@click.option("--explain", is_flag=True, help="Show the rank and the score that each list gave.")
@json_option
def scry(
    words: Sequence[str],
    projection: str | None,
    k: int,
    kinds: Sequence[str] | None,
    path: str | None,
    language: str | None,
    since: str | None,
    author: str | None,
    projects: str | None,
    fleet: bool,
    project: str | None,
    group: str | None,
    explain: bool,
    as_json: bool,
) -> int:
    """Search with a QUESTION in your own words; `-` reads it from standard input.

    Put `--` before words that begin with a dash.
    """
    if projects is not None and projection is not None:
        raise click.UsageError("--projects and --projection do not go together: each project has its own")
    if fleet and (projects is not None or projection is not None):
        raise click.UsageError("--fleet does not go with --projects or --projection: leave them out")
    if not fleet and (project is not None or group is not None):
        raise click.UsageError("--project and --group need --fleet")
    with collector_paused() if projects is None else nullcontext():  # what many projects leave is collected
        ahead = None
        if not fleet and projects is None and projection is None:
            ahead = IndexesAhead(find_project())  # before what takes long to import
        from patina_assets.commands.scry import print_answer
        from patina_assets.search.asking.chosen import chosen_filters

        filters = chosen_filters(kinds or (), path, language, since, author)
        if fleet:
            from patina_assets.commands.fleet.scry_fleet import print_fleet_answer

            return print_fleet_answer(words, k, filters, project, group, explain=explain, as_json=as_json)
        if projects is not None:
            from patina_assets.commands.scry_projects import print_projects_answer

            return print_projects_answer(projects, words, k, filters, explain=explain, as_json=as_json)
        return print_answer(
            find_project(), words, projection, k, filters, explain=explain, as_json=as_json, ahead=ahead
        )


@click.command(name="map", cls=Command)
@click.argument("projection", shell_complete=recipe_names)
@click.option("--out", type=PATH, default="map.html", help="The page (default map.html).")
def draw_map(projection: str, out: Path) -> int:
    """Draw the items of a PROJECTION, or of `base`, as an HTML page with a text for each dot."""
    from patina_assets.commands.map_command import write_map

    print(write_map(find_project(), projection, out))
    return 0


@click.command(cls=Command)
@click.argument("name", shell_complete=trained_names)
@click.option("--to", type=PATH, required=True, metavar="FOLDER", help="A new folder.")
@click.option(
    "--weights", type=PATH, metavar="FOLDER", help="The base model's original config.json and model.safetensors."
)
def export(name: str, to: Path, weights: Path | None) -> int:
    """Write the projection NAME with its base model for other programs."""
    from patina_assets.export.export import export as write

    print("\n".join(write(find_project(), name, to, weights)))
    return 0


@click.command(cls=Command)
@click.option("--port", default="3000", metavar="NUMBER", callback=whole_number(1, 65535), help="Port (default 3000).")
@click.option(
    "--project", multiple=True, type=PATH, metavar="PATH", help="Serve this project; repeat the option for several."
)
@click.option("--no-browser", is_flag=True, help="Print the address; do not open it.")
def ui(port: int, project: Sequence[Path], no_browser: bool) -> int:
    """Serve the search page and Dagster's pages on 127.0.0.1, and rebuild what becomes stale."""
    from patina_assets.pipeline.trust import admit
    from patina_assets.serving.server import serve
    from patina_assets.terminal.output import is_interactive
    from patina_assets.terminal.questions import say_on_stderr

    projects = [named_project(path) for path in project] or [find_project()]
    for found in projects:
        for line in admit(found):
            say_on_stderr(f"patina: {line}")
    return serve(projects, port, opens_browser=not no_browser and is_interactive(sys.stderr))
