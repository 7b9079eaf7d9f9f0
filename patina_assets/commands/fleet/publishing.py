"""`patina fleet publish` and `serve`: what questions to all repositories are answered from."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from patina_assets.commands.fleet.keeping import chosen_repositories
from patina_assets.fleet.published import publish_entry
from patina_assets.pipeline.plain_text import json_text, one_line
from patina_assets.search.published.publication import Published
from patina_assets.search.published.publishing import Withdrawn, published_names, withdraw
from patina_assets.terminal.questions import say_on_stderr
from patina_resources.errors import PatinaError
from patina_resources.postgres.address import fleet_address
from patina_resources.postgres.connection import StoreError
from patina_resources.store.mothership import mothership

NAMES_SHOWN = 5


def publish_fleet(file: Path | None, patterns: Sequence[str], *, prune: bool, as_json: bool) -> int:
    """Publish what is built of repositories, one after the other, and print what changed.

    Args:
        file: The fleet.toml; None for the user's.
        patterns: Names of repositories, or patterns of such; none for all.
        prune: Withdraw what the store has and fleet.toml no longer names.
        as_json: Print JSON.

    Returns:
        The exit code: 1 where some could not be published; the others were.

    Raises:
        PatinaError: The fleet or the store cannot be used.
    """
    fleet, projects = chosen_repositories(file, patterns)
    address = fleet_address(mothership())
    done: dict[str, Published] = {}
    failed: dict[str, str] = {}
    for entry in projects:
        try:
            done[entry.name] = publish_entry(address, entry)
        except StoreError:
            raise  # the next one would fail as well
        except PatinaError as error:
            failed[entry.name] = one_line(str(error))
    unknown = [name for name in published_names(address) if name not in fleet.by_name]
    withdrawn = withdraw(address, unknown) if prune else Withdrawn(0)
    if as_json:
        told = {name: asdict(one) for name, one in done.items()}
        print(json_text({"published": told, "failed": failed, "withdrawn": withdrawn.projects, "unknown": unknown}))
    else:
        for name, one in done.items():
            print(f"{name}: {one.passages} passages: {one.added} new, {one.moved} moved, {one.removed} removed")
        for name, reason in failed.items():
            say_on_stderr(f"patina: {name}: not published: {reason}")
        if withdrawn.projects:
            print(f"{withdrawn.projects} projects withdrawn that fleet.toml does not name")
    notices = [*(f"{name}: {one.notice}" for name, one in done.items() if one.notice), withdrawn.notice]
    for notice in filter(None, notices):
        say_on_stderr(f"patina: {notice}")
    if unknown and not prune:
        named = ", ".join(unknown[:NAMES_SHOWN]) + (" and more" if len(unknown) > NAMES_SHOWN else "")
        say_on_stderr(
            f"patina: published, but not in {fleet.file}: {named}: `patina fleet publish --prune` withdraws them"
        )
    return 1 if failed else 0
