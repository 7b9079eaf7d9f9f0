"""`patina scry --fleet`: a question to everything that the fleet has published, as far as the user may see it."""

from collections.abc import Sequence

from patina_assets.commands.scry import print_hits_of_projects, question_of, say_doubt
from patina_assets.pipeline.plain_text import json_text, one_line
from patina_assets.search.asking.filters import Filters
from patina_assets.search.published.answers import FleetQuestion, answer_of_fleet
from patina_assets.terminal.hits import hit_document
from patina_assets.terminal.questions import say_on_stderr
from patina_resources.postgres.address import fleet_address, user_groups
from patina_resources.postgres.connection import connected
from patina_resources.store.mothership import mothership


def print_fleet_answer(
    words: Sequence[str],
    k: int,
    filters: Filters,
    projects: str | None,
    group: str | None,
    *,
    explain: bool,
    as_json: bool,
) -> int:
    """Ask the store of the fleet as the groups of the user's config.toml, and print one list.

    Args:
        words: The question, in one argument or in many; `-` alone stands for standard input.
        k: Number of results.
        filters: What results are limited to.
        projects: A glob over names of projects; None for all.
        group: Only projects that this group may see; None for all groups of the user.
        explain: Show what each list gave.
        as_json: Print JSON.

    Returns:
        The exit code.

    Raises:
        PatinaError: No store is named, it cannot be used, or the question is empty.
    """
    home = mothership()
    address, groups = fleet_address(home), user_groups(home)
    query = question_of(words)
    with connected(address) as connection:
        answer = answer_of_fleet(connection, address, groups, FleetQuestion(query, k, filters, projects, group))
    if as_json:
        print(
            json_text(
                [
                    {"project": found.project, **hit_document(rank, found.hit)}
                    for rank, found in enumerate(answer.hits, 1)
                ]
            )
        )
    else:
        hits = [(found.project, found.hit) for found in answer.hits]
        print_hits_of_projects(hits, query, explain=explain)
    if answer.projects:
        say_on_stderr(f"patina: likeliest projects: {one_line(', '.join(answer.projects))}: name one by --project")
    if answer.doubtful:
        say_doubt(filters, found_some=bool(answer.hits))
    return 0
