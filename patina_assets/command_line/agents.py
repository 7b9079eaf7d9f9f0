"""`patina mcp`."""

from pathlib import Path

import click

from patina_assets.command_line.grammar import Command
from patina_assets.command_line.options import PATH
from patina_resources.project.project import find_project

EDITORS = ("vscode", "claude", "cursor", "zed", "codex")


@click.command(cls=Command)
@click.option(
    "--project", type=PATH, metavar="PATH", help="The project (default: PATINA_PROJECT, else the one of this folder)."
)
@click.option(
    "--print-config", type=click.Choice(EDITORS), help="Print the lines for the settings of this program, and exit."
)
@click.option(
    "--write", is_flag=True, help="With --print-config: add it to the settings file; the rest of the file stays."
)
def mcp(project: Path | None, print_config: str | None, write: bool) -> int:
    """Serve search to an editor or agent on standard input and output (MCP).

    The editor starts it. It ends with the editor. It needs the extra `patina-assets[mcp]`.
    """
    if print_config is not None:
        from patina_assets.commands.agents.settings import print_settings

        return print_settings(find_project(project), print_config, write=write)
    if write:
        raise click.UsageError("--write needs --print-config")
    from patina_assets.serving.mcp.stdio import serve_on_stdio

    named = project.absolute() if project is not None else None
    return serve_on_stdio(lambda: find_project(named))
