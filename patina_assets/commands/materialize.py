"""`patina materialize`: reads the repository into the eventlog, and says what was appended."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from patina_assets.pairs.types import pair_types_by_source
from patina_assets.pipeline.plain_text import json_text, one_line
from patina_assets.pipeline.progress import scraper_progress
from patina_assets.pipeline.tables import REPORT_HEADER, report_rows
from patina_assets.recipe.reader import read_recipe
from patina_assets.terminal.output import print_table, shown_progress
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.code.languages.languages import PROBLEMS
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.materialize.run import materialize as read_repository
from patina_resources.project.project import Project

# What has signal is asked of the whole eventlog: up to so many events, that takes a moment.
SMALL_EVENTLOG = 2_000


def materialize(
    project: Project,
    *,
    only: Sequence[str] | None,
    full: bool,
    forge_files: Sequence[Path] = (),
    as_json: bool = False,
    says_next: bool = True,
) -> bool:
    """Append what is new in the repository to the eventlog, and print what was done.

    The first events of a kind tell what has signal: a recipe that nobody has edited is then written anew. In a small
    eventlog any events may.

    Args:
        project: The project.
        only: What to read; None for everything.
        full: Compare everything, whatever the last run remembered.
        forge_files: JSON files with issues and pull requests; `-` is standard input.
        as_json: Print JSON: a list of reports.
        says_next: Say what to do next.

    Returns:
        Whether everything that was asked for could be read.

    Raises:
        PatinaError: The repository cannot be read, or the eventlog cannot be written.
    """
    refuse_tracked(project.root)
    project.refuse_unwritable()
    has_recipe = project.recipe.exists()
    with shown_progress() as report:
        reports = read_repository(
            project.root,
            project.eventlog(),
            only=only,
            full=full,
            progress=scraper_progress(report),
            session_globs=project.config.session_globs,
            code_include=project.config.code_include,
            forge_files=forge_files,
        )
    brings_kinds = any(count and not entry.known.get(kind) for entry in reports for kind, count in entry.new.items())
    brings_some = any(entry.new for entry in reports)
    follows = brings_kinds or (brings_some and Eventlog(project.eventlog()).last_seq() < SMALL_EVENTLOG)
    recipe_lines = _follow_signal(project, names_new=brings_kinds) if has_recipe and follows else []
    is_whole = not any(entry.failed for entry in reports)
    if as_json:
        print(json_text([asdict(entry) for entry in reports]))
        return is_whole
    skipped = [one_line(reason) for entry in reports for reason in entry.skipped]
    skipped += PROBLEMS
    for reason in skipped:
        print(f"skipped {reason}")
    print_table(REPORT_HEADER, report_rows(reports))
    if skipped:
        print(f"skipped: {len(skipped)}, named above")
    for line in recipe_lines:
        print(line)
    if says_next and any(entry.new or entry.retracted for entry in reports):
        print("next: run `patina oxidize`")
    return is_whole


def _follow_signal(project: Project, *, names_new: bool) -> list[str]:
    """Write a recipe anew that nobody has edited; return what was done, or what an edited one could have.

    Args:
        project: The project.
        names_new: Name what an edited recipe could have.
    """
    # Imported late: most runs bring no new kind of events, and must not wait for what downloads models.
    from patina_assets.commands.initialise import follows_signal, write_recipe
    from patina_assets.upkeep.suggestions import unused

    if follows_signal(project.recipe):
        try:
            line = write_recipe(project)
        except PatinaError as error:  # what was read is in the eventlog all the same
            return [f"the recipe stays as it is: {error}"]
        return [line] if line.startswith("written") else []
    if not names_new:
        return []
    try:
        new = unused(project, read_recipe(project.recipe, pair_types_by_source()))
    except PatinaError:  # what is wrong with the recipe is said where it is used
        return []
    names = ", ".join(entry.name for entry in new)
    return [f"the recipe could have {names} now: `patina init --update` adds that"] if names else []
