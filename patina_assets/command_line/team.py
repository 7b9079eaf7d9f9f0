"""`patina pull`, `push` and `cache`: what a team shares."""

import click

from patina_assets.command_line.grammar import Command, CommandEntry, CommandGroup
from patina_assets.command_line.options import json_option, whole_number, yes_option
from patina_resources.project.project import find_project

SECTION = "Commands"
cache = CommandGroup(
    "cache",
    [
        CommandEntry(
            "status", SECTION, "team", "Show where the cache is, whose records are accepted, what was transferred."
        ),
        CommandEntry("key", SECTION, "team", "Make the key that you sign with, and print its public part."),
        CommandEntry("confirm", SECTION, "team", "Use the cache that the project proposes."),
        CommandEntry("gc", SECTION, "team", "Remove old records, and contents that no record needs."),
    ],
    help="Manage the cache that a team shares.",
)


@click.command(cls=Command)
@json_option
def pull(as_json: bool) -> int:
    """Fetch from the team's cache what recipe and events ask for; train nothing."""
    from patina_assets.commands.team.pull_push import print_pull

    return print_pull(find_project(), as_json=as_json)


@click.command(cls=Command)
@json_option
def push(as_json: bool) -> int:
    """Sign what is built, and put it into the team's cache."""
    from patina_assets.commands.team.pull_push import print_push

    return print_push(find_project(), as_json=as_json)


@click.command(cls=Command)
@json_option
def status(as_json: bool) -> int:
    """Show where the cache is, whose records are accepted, what it holds, and what was transferred."""
    from patina_assets.commands.team.cache import print_status

    return print_status(find_project(), as_json=as_json)


@click.command(cls=Command)
def key() -> int:
    """Print the public part of the key that you sign with; make the key first if there is none."""
    from patina_assets.commands.team.cache import print_key

    return print_key()


@click.command(cls=Command)
@yes_option
def confirm(yes: bool) -> int:
    """Show the cache that the project's config.toml proposes, and use it."""
    from patina_assets.commands.team.cache import confirm_project_cache

    return confirm_project_cache(find_project(), yes=yes)


@click.command(cls=Command)
@click.option(
    "--older-than", "days", default="90", metavar="DAYS", callback=whole_number(0),
    help="Remove records that are older than this number of days (default 90).",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be removed.")
@yes_option
def gc(days: int, dry_run: bool, yes: bool) -> int:
    """Remove old records, and contents that no record names."""
    from patina_assets.commands.team.cache import collect

    return collect(find_project(), days, dry_run=dry_run, yes=yes)
