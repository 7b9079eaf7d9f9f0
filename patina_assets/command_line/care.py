"""`patina doctor`, `clean` and `trust`."""

import click

from patina_assets.command_line.grammar import Command
from patina_assets.command_line.options import json_option, yes_option
from patina_resources.project.project import find_project


@click.command(cls=Command)
@json_option
def doctor(as_json: bool) -> int:
    """Show versions, folders, and what is stale, damaged or foreign, with the command that repairs it."""
    from patina_assets.commands.doctor import print_examination

    return print_examination(as_json=as_json)


@click.command(cls=Command)
@click.option("--dry-run", is_flag=True, help="Show what would be removed.")
@yes_option
@json_option
def clean(dry_run: bool, yes: bool, as_json: bool) -> int:
    """Remove what no recipe needs: files of removed projections and models, and what was moved aside."""
    from patina_assets.commands.clean import clean as remove

    remove(find_project(), dry_run=dry_run, yes=yes, as_json=as_json)
    return 0


@click.command(cls=Command)
@yes_option
@json_option
def trust(yes: bool, as_json: bool) -> int:
    """Show what another installation built in this project, and accept it."""
    from patina_assets.commands.trust import trust as accept

    return accept(find_project(), yes=yes, as_json=as_json)
