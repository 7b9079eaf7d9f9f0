"""`patina model`: the base models of this user."""

from pathlib import Path
from typing import Literal

import click

from patina_assets.command_line.completion import model_names
from patina_assets.command_line.grammar import Command, CommandEntry, CommandGroup
from patina_assets.command_line.options import PATH, json_option, yes_option

SECTION = "Commands"
model = CommandGroup(
    "model",
    [
        CommandEntry("list", SECTION, "models", "Show the registry, and what is in the cache.", "list_models"),
        CommandEntry("add", SECTION, "models", "Download a model, or copy it from a folder."),
        CommandEntry("remove", SECTION, "models", "Delete a model's files from the cache."),
        CommandEntry("status", SECTION, "models", "Show the cache, and what each known project needs."),
        CommandEntry("verify", SECTION, "models", "Check the SHA-256 of every file."),
    ],
    help="Manage base models.",
)


@click.command(name="list", cls=Command)
@json_option
def list_models(as_json: bool) -> int:
    """Show the registry, and what is in the cache."""
    from patina_assets.commands.models.model_commands import print_models

    print_models(as_json=as_json)
    return 0


@click.command(cls=Command)
@click.argument("name", shell_complete=model_names)
@click.option("--precision", type=click.Choice(("int8", "fp32")), help="Precision of the stored weights.")
@click.option("--from", "folder", type=PATH, metavar="FOLDER", help="Take the files from a folder.")
@click.option("--yes", is_flag=True, help="Do not ask, even if only the project says where the model is.")
def add(name: str, precision: Literal["int8", "fp32"] | None, folder: Path | None, yes: bool) -> int:
    """Download the model NAME into the cache: a name of `model list`, an alias, or hf:org/name[@revision]."""
    from patina_assets.commands.models.model_commands import add as add_model

    print(add_model(name, precision, folder, yes=yes))
    return 0


@click.command(cls=Command)
@click.argument("name", shell_complete=model_names)
@yes_option
def remove(name: str, yes: bool) -> int:
    """Delete the files of the model NAME from the cache."""
    from patina_assets.commands.models.model_commands import remove as remove_model

    print(remove_model(name, yes=yes))
    return 0


@click.command(cls=Command)
@json_option
def status(as_json: bool) -> int:
    """Show the cache, and what each known project needs."""
    from patina_assets.commands.models.model_commands import status as print_status

    return 0 if print_status(as_json=as_json) else 1


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=model_names)
@json_option
def verify(name: str | None, as_json: bool) -> int:
    """Check the SHA-256 of every file of the model NAME (default: of all models)."""
    from patina_assets.commands.models.model_commands import verify as print_verified

    return 0 if print_verified(name, as_json=as_json) else 1
