"""`patina scry --projects`: a question to several projects, one list of results."""

from collections.abc import Sequence

from patina_assets.commands.scry import print_hits_of_projects, question_of, say_doubt
from patina_assets.pipeline.plain_text import json_text
from patina_assets.search.asking.filters import Filters
from patina_assets.search.projects.answers import ProjectHit, answer_of_projects
from patina_assets.search.projects.chosen import chosen_projects
from patina_assets.terminal.hits import hit_document
from patina_assets.terminal.questions import say_on_stderr
from patina_resources.store.mothership import mothership


def print_projects_answer(
    which: str, words: Sequence[str], k: int, filters: Filters, *, explain: bool, as_json: bool
) -> int:
    """Search several projects and print one list; what could not be searched is said in one line on stderr.

    Args:
        which: Which projects: see `chosen_projects`.
        words: The question, in one argument or in many; `-` alone stands for standard input.
        k: Number of results.
        filters: What results are limited to.
        explain: Show what each list of a project gave.
        as_json: Print JSON.

    Returns:
        The exit code.

    Raises:
        PatinaError: No project is meant or can be searched, or the question is empty.
    """
    query = question_of(words)
    answer = answer_of_projects(chosen_projects(which, mothership()), query, k, filters)
    if as_json:
        print(json_text([_document(rank, found) for rank, found in enumerate(answer.hits, 1)]))
    else:
        hits = [(found.project, found.hit) for found in answer.hits]
        print_hits_of_projects(hits, query, explain=explain)
    if answer.doubtful:
        say_doubt(filters, found_some=bool(answer.hits))
    if answer.missing:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in answer.missing.items())
        say_on_stderr(f"patina: not searched: {' '.join(reasons.split())}")
    return 0


def _document(rank: int, found: ProjectHit) -> dict[str, object]:
    return {"project": found.project, "root": str(found.root), **hit_document(rank, found.hit)}
