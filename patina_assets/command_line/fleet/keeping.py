"""`patina fleet`: many repositories."""

from collections.abc import Sequence
from pathlib import Path

import click

from patina_assets.command_line.grammar import Command, CommandEntry, CommandGroup
from patina_assets.command_line.options import PATH, json_option, whole_number

SECTION = "Commands"
fleet = CommandGroup(
    "fleet",
    [
        CommandEntry("init", SECTION, "fleet.keeping", "Write a commented fleet.toml."),
        CommandEntry("fetch", SECTION, "fleet.keeping", "Fetch repositories into their clones."),
        CommandEntry("run", SECTION, "fleet.keeping", "Fetch, then build what is due, several at once."),
        CommandEntry("status", SECTION, "fleet.keeping", "Show how each repository stands."),
        CommandEntry("publish", SECTION, "fleet.asking", "Publish what is built, for `patina scry --fleet`."),
        CommandEntry("serve", SECTION, "fleet.asking", "Answer questions over HTTP, behind a proxy."),
    ],
    help="Keep many repositories built. docs/fleet.md explains fleet.toml.",
)
file_option = click.option(
    "--file", type=PATH, metavar="FILE", help="The fleet.toml (default: PATINA_FLEET, else ~/.patina/fleet.toml)."
)
patterns_argument = click.argument("patterns", nargs=-1, metavar="[NAME|PATTERN]...")


@click.command(cls=Command)
@file_option
def init(file: Path | None) -> int:
    """Write a fleet.toml with comments if there is none."""
    from patina_assets.commands.fleet.keeping import initialise_fleet

    return initialise_fleet(file)


@click.command(cls=Command)
@patterns_argument
@file_option
def fetch(patterns: Sequence[str], file: Path | None) -> int:
    """Fetch repositories into their clones, several at once, and say which ones changed."""
    from patina_assets.commands.fleet.keeping import fetch_fleet

    return fetch_fleet(file, patterns)


@click.command(cls=Command)
@patterns_argument
@click.option(
    "--workers", metavar="N", callback=whole_number(1, 256), help="How many are built at once (default: fleet.toml's)."
)
@click.option("--no-fetch", is_flag=True, help="Build what was fetched before.")
@click.option("--all", "everything", is_flag=True, help="Look also at repositories without changes.")
@file_option
def run(patterns: Sequence[str], workers: int | None, no_fetch: bool, everything: bool, file: Path | None) -> int:
    """Fetch repositories and build what is due of them. After an interruption, the same command goes on."""
    from patina_assets.commands.fleet.keeping import run_fleet

    return run_fleet(file, patterns, workers=workers, fetches=not no_fetch, everything=everything)


@click.command(cls=Command)
@patterns_argument
@click.option("--stages", is_flag=True, help="Also count stale stages. This opens each repository.")
@json_option
@file_option
def status(patterns: Sequence[str], stages: bool, as_json: bool, file: Path | None) -> int:
    """Show the state of each repository: its head, what is built, the last run, and why it failed."""
    from patina_assets.commands.fleet.keeping import print_fleet_status

    return print_fleet_status(file, patterns, stages=stages, as_json=as_json)
