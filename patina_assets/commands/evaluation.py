"""`patina evaluate`: the measures of what is built, as a table or as JSON."""

import sys
from collections.abc import Sequence

from patina_assets.pipeline.evaluation import evaluate
from patina_assets.pipeline.plain_text import json_text
from patina_assets.pipeline.workspace import open_workspace
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
    print(json_text(found.document()) if as_json else found.table())
    for reason in found.missing.values():
        print(f"patina: {reason}", file=sys.stderr)
    return not found.missing
