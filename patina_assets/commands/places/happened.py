"""`patina recent` and `why`: a place in, what happened there out."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from patina_assets.facts.answers import recent_of, why_of
from patina_assets.pipeline.plain_text import Styled, json_text, print_styled
from patina_assets.search.asking.filters import checked_pattern
from patina_assets.search.freshness import age_notes
from patina_assets.terminal.facts import (
    entries_document,
    entry_lines,
    why_document,
    why_lines,
)
from patina_assets.terminal.output import is_interactive
from patina_assets.terminal.questions import say_on_stderr
from patina_resources.materialize.git.repository import top_of
from patina_resources.project.project import Project


def print_recent(project: Project, days: int | None, path: str | None, k: int, *, as_json: bool) -> int:
    """Print what happened last.

    Args:
        project: The project.
        days: Only in so many days before now.
        path: A glob of files.
        k: Number of entries.
        as_json: Print JSON.

    Returns:
        The exit code.

    Raises:
        PatinaError: The eventlog is missing or damaged, or the pattern is too long.
    """
    entries = recent_of(project, days, checked_pattern(path), k)
    print_either(entry_lines(entries, with_files=True), entries_document(entries), as_json=as_json)
    nothing = [] if entries.entries else [_nothing_text(days, path)]
    say([*nothing, *ages(project, None)])
    return 0


def _nothing_text(days: int | None, path: str | None) -> str:
    files = f" touched {path}" if path else " happened"
    return f"nothing{files}" + ("" if days is None else f" in the last {days} days")


def print_why(project: Project, name: str, k: int, *, as_json: bool) -> int:
    """Print what happened to a file, or to the definition around a line.

    Args:
        project: The project.
        name: A path, PATH:LINE, or the name of a function or type.
        k: Number of entries.
        as_json: Print JSON.

    Returns:
        The exit code.

    Raises:
        PatinaError: There is no such file, or no such line in it, or the eventlog is missing or damaged.
    """
    folder, name = typed_place(project, name)
    why = why_of(project, name, k, folder)
    print_either(why_lines(why), why_document(why), as_json=as_json)
    file_only = [f"{why.file}:{why.line}: {why.why_not}: this is about the whole file"] if why.why_not else []
    say([*file_only, *ages(project, None)])
    return 0


def print_either(lines: Iterable[Styled], document: dict[str, Any], *, as_json: bool) -> None:
    """Print lines, or a document as JSON."""
    if as_json:
        print(json_text(document))
    else:
        print_styled(sys.stdout, lines, coloured=is_interactive(sys.stdout))


def say(sentences: Iterable[str]) -> None:
    """Print sentences on stderr, a line each."""
    for sentence in sentences:
        say_on_stderr(f"patina: {sentence}")


def ages(project: Project, model: str | None) -> list[str]:
    """Return a sentence for each thing that is older than what it is made from; see `age_notes`."""
    return [note.sentence for note in age_notes(project, model)]


def typed_place(project: Project, name: str) -> tuple[str, str]:
    """Return the working folder from the top of the repository, and the name; a path from `/` is one from the top."""
    top = top_of(project.root)
    here = Path.cwd()
    folder = here.relative_to(top).as_posix() if here.is_relative_to(top) else ""
    return "" if folder == "." else folder, name.removeprefix(f"{top}/")
