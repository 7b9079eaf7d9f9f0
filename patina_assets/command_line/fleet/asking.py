"""`patina fleet publish` and `serve`: one question to all repositories."""

from collections.abc import Sequence
from pathlib import Path

import click

from patina_assets.command_line.fleet.keeping import file_option, patterns_argument
from patina_assets.command_line.grammar import Command
from patina_assets.command_line.options import json_option, whole_number


@click.command(cls=Command)
@patterns_argument
@click.option("--prune", is_flag=True, help="Withdraw published projects that fleet.toml no longer names.")
@json_option
@file_option
def publish(patterns: Sequence[str], prune: bool, as_json: bool, file: Path | None) -> int:
    """Publish what is built of repositories to Postgres, for `patina scry --fleet`; only what changed is sent."""
    from patina_assets.commands.fleet.publishing import publish_fleet

    return publish_fleet(file, patterns, prune=prune, as_json=as_json)


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Where to listen (default 127.0.0.1).")
@click.option(
    "--port",
    default="3010",
    metavar="NUMBER",
    callback=whole_number(0, 65535),
    help="Port (default 3010; 0: a free one).",
)
def serve(host: str, port: int) -> int:
    """Answer questions over HTTP, behind a proxy that says who asks. docs/fleet-search.md explains it."""
    from patina_assets.serving.fleet.server import serve_fleet
    from patina_resources.store.mothership import mothership

    return serve_fleet(mothership(), host, port)
