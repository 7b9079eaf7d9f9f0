"""`patina evaluate` and `patina metrics diff`: measures, and their last change, as a table or as JSON."""

from collections.abc import Sequence

from patina_assets.pipeline.measures.changes import HEADER as CHANGE_HEADER
from patina_assets.pipeline.measures.changes import last_changes
from patina_assets.pipeline.measures.evaluation import HEADER, SPARE, evaluate
from patina_assets.pipeline.plain_text import json_text
from patina_assets.pipeline.workspace import open_workspace
from patina_assets.terminal.output import print_table
from patina_assets.terminal.questions import say_on_stderr
from patina_resources.project.project import Project


def print_evaluation(project: Project, only: Sequence[str] | None, *, as_json: bool) -> bool:
    """Print the measures of projections; return whether every one that was asked for has been measured.

    Args:
        project: The project.
        only: Names of projections; None for all of the recipe.
        as_json: Print JSON.

    Raises:
        PatinaError: The recipe or a name is wrong, or nothing has been measured yet.
    """
    found = evaluate(open_workspace(project), only)
    if as_json:
        print(json_text(found.document()))
    else:
        print_table(HEADER, found.rows(), SPARE, "patina evaluate --json")
    for reason in found.missing.values():
        say_on_stderr(f"patina: {reason}")
    return not found.missing


def print_changes(project: Project, only: Sequence[str] | None, *, as_json: bool) -> bool:
    """Print the measures before and after the last change of each projection; return whether any differ.

    Args:
        project: The project.
        only: Names of projections; None for all of the recipe.
        as_json: Print JSON.

    Raises:
        PatinaError: The recipe or a name is wrong, or nothing is built.
    """
    changes = last_changes(open_workspace(project), only)
    if as_json:
        print(json_text({"projections": {change.projection: change.document() for change in changes.found}}))
    elif changes.found:
        print_table(CHANGE_HEADER, [row for change in changes.found for row in change.rows()])
    for change in changes.found:
        times = f"built {change.before.built_at} and {change.after.built_at}"
        say_on_stderr(f"{change.projection}: {times}: {'; '.join(change.reasons) or 'from equal inputs'}")
    for reason in changes.missing.values():
        say_on_stderr(f"patina: {reason}")
    return bool(changes.found)
