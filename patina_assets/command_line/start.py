"""`patina init`."""

from pathlib import Path

import click

from patina_assets.command_line.completion import model_names
from patina_assets.command_line.grammar import Command
from patina_assets.command_line.options import PATH


@click.command(cls=Command)
@click.argument("path", type=PATH, default=".")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=model_names,
    help="The base model (default: asked for on a terminal, else corpus-static+english-static).",
)
@click.option("--no-build", is_flag=True, help="Write the settings only; read and build nothing.")
@click.option(
    "--update", "updates", is_flag=True, help="Add to the recipe projections that now have signal; build nothing."
)
def init(path: Path, model: str | None, no_build: bool, updates: bool) -> int:
    """Prepare the repository at PATH (default: here), read it, and build what can be searched.

    It writes .patina/config.toml, .patina/oxidize.yaml and two lines of .gitignore. What somebody has edited is kept.
    """
    from patina_assets.commands.start import start, update

    if updates:
        if model is not None or no_build:
            raise click.UsageError("--update goes with no other option: it changes the recipe alone")
        update(path)
        return 0
    return 0 if start(path, model, builds=not no_build) else 1
