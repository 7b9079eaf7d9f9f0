"""`patina hook`."""

import click

from patina_assets.command_line.grammar import Command, CommandEntry, CommandGroup
from patina_assets.command_line.options import json_option
from patina_resources.project.project import find_project

hook = CommandGroup(
    "hook",
    [
        CommandEntry("install", "Commands", "hooks", "Install the hooks for this project."),
        CommandEntry("uninstall", "Commands", "hooks", "Remove the hooks."),
        CommandEntry(
            "status", "Commands", "hooks", "Show whether the hooks are installed, and what their last run did."
        ),
        CommandEntry("run", "Commands", "hooks", "Read and rebuild now, as the hooks do; the result is in the log."),
    ],
    help="Read and rebuild after each commit, merge, checkout and rewrite, in the background.",
)


@click.command(cls=Command)
def install() -> int:
    """Install the hooks post-commit, post-merge, post-checkout and post-rewrite for this project.

    A hook of yours is kept: the lines are added to it. Git does not wait for what they start.
    """
    from patina_assets.commands.hooks.installing import install_hooks

    return install_hooks(find_project())


@click.command(cls=Command)
def uninstall() -> int:
    """Remove the lines of Patina from the hooks; all other lines stay."""
    from patina_assets.commands.hooks.installing import uninstall_hooks

    return uninstall_hooks(find_project())


@click.command(cls=Command)
@json_option
def status(as_json: bool) -> int:
    """Show the state of the hooks, and their last run."""
    from patina_assets.commands.hooks.installing import print_hooks

    return print_hooks(find_project(), as_json=as_json)


@click.command(cls=Command)
def run() -> int:
    """Read and rebuild now the projects that the hooks of this folder are installed for, one run at a time."""
    from patina_assets.commands.hooks.background import run_after_hook

    return run_after_hook()
