"""`patina materialize`, `oxidize`, `evaluate` and `metrics`."""

import gc
from collections.abc import Sequence
from pathlib import Path

import click

from patina_assets.command_line.completion import scraper_names
from patina_assets.command_line.grammar import Command, CommandEntry, CommandGroup
from patina_assets.command_line.options import (
    PATH,
    eventlog_option,
    json_option,
    named_project,
    names,
    only_projections,
)
from patina_resources.project.project import find_project


# How many objects more than before are looked through for cycles. Rows, items and texts have none, and live long.
OBJECTS_AT_ONCE = 100_000


def _collect_rarely() -> None:
    gc.set_threshold(OBJECTS_AT_ONCE)


@click.command(cls=Command)
@click.argument("path", type=PATH, required=False)
@click.option(
    "--only", multiple=True, metavar="NAME[,NAME]", callback=names, shell_complete=scraper_names,
    help="Read only these: git, sessions, docs, code.",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Read everything again, not only what is new.")
@click.option(
    "--forge", "forge_files", multiple=True, type=PATH, metavar="FILE",
    help="Read issues and pull requests from a JSON file of gh or glab, too; - is standard input.",
)  # fmt: skip
@click.option("--oxidize", "then_oxidize", is_flag=True, help="Then build what is stale.")
@json_option
@eventlog_option
def materialize(
    path: Path | None,
    only: Sequence[str] | None,
    full: bool,
    forge_files: Sequence[Path],
    then_oxidize: bool,
    as_json: bool,
) -> int:
    """Read the repository at PATH (default: this project) into the eventlog."""
    if as_json and then_oxidize:
        raise click.UsageError("--json and --oxidize do not go together: run `patina oxidize` afterwards")
    from patina_assets.commands.materialize import materialize as read_repository

    _collect_rarely()
    project = named_project(path)
    is_read = read_repository(
        project, only=only, full=full, forge_files=forge_files, as_json=as_json, says_next=not then_oxidize
    )
    if not then_oxidize:
        return 0 if is_read else 1
    from patina_assets.commands.oxidize import oxidize as build

    return 0 if build(project) and is_read else 1


@click.command(cls=Command)
@only_projections
@click.option("--full", is_flag=True, help="Build everything, the corpus model included.")
@click.option("--dry-run", is_flag=True, help="Show what would be built, and why.")
@click.option("--exit-code", is_flag=True, help="With --dry-run: exit with 1 if anything would be built.")
@click.option("--yes", is_flag=True, help="Add a missing model that the registry names.")
@json_option
@eventlog_option
def oxidize(only: Sequence[str] | None, full: bool, dry_run: bool, exit_code: bool, yes: bool, as_json: bool) -> int:
    """Build what is stale: pairs, embeddings, weights, indexes."""
    if exit_code and not dry_run:
        raise click.UsageError("--exit-code needs --dry-run")
    from patina_assets.commands.oxidize import oxidize as build
    from patina_assets.commands.oxidize import plan_build

    _collect_rarely()
    project = find_project()
    if dry_run:
        is_fresh = plan_build(project, only=only, full=full, as_json=as_json)
        return 1 if exit_code and not is_fresh else 0
    return 0 if build(project, only=only, full=full, may_add_model=yes, as_json=as_json) else 1


@click.command(cls=Command)
@only_projections
@json_option
@eventlog_option
def evaluate(only: Sequence[str] | None, as_json: bool) -> int:
    """Measure how well each projection ranks data that it was not trained on."""
    from patina_assets.commands.evaluation import print_evaluation

    return 0 if print_evaluation(find_project(), only, as_json=as_json) else 1


metrics = CommandGroup(
    "metrics",
    [CommandEntry("diff", "Commands", "build", "Show the measures before and after the last change.")],
    help="Compare measures.",
)


@click.command(cls=Command)
@only_projections
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
@json_option
@eventlog_option
def diff(only: Sequence[str] | None, exit_code: bool, as_json: bool) -> int:
    """Show the measures of each projection before and after the last build that changed them."""
    from patina_assets.commands.evaluation import print_changes

    differs = print_changes(find_project(), only, as_json=as_json)
    return 1 if exit_code and differs else 0
