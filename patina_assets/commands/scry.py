"""`patina scry`: a question in, results out."""

import sys
from collections.abc import Sequence

from patina_assets.pipeline.plain_text import json_text, print_styled
from patina_assets.search.asking.chosen import nothing_text
from patina_assets.search.asking.filters import NO_FILTERS, Filters
from patina_assets.search.built import IndexesAhead
from patina_assets.search.fusion import Hit
from patina_assets.search.searcher import Searcher
from patina_assets.terminal.hits import answer_lines, hit_document, hit_lines, missing_notes
from patina_assets.terminal.output import is_interactive
from patina_assets.terminal.questions import read_standard_input, say_on_stderr
from patina_resources.project.project import Project

FROM_STDIN = "-"
NOTHING_MATCHES = "nothing matches the words of the question well: what is listed is the nearest in meaning"
# As much as a search looks at, and more than a question has.
MOST_CHARACTERS = 100_000


def print_answer(
    project: Project,
    words: Sequence[str],
    projection: str | None,
    k: int,
    filters: Filters = NO_FILTERS,
    *,
    explain: bool,
    as_json: bool,
    ahead: IndexesAhead | None = None,
) -> int:
    """Search and print the results; what could not be searched, and what may be old, is said on stderr.

    Args:
        project: The project.
        words: The question, in one argument or in many; `-` alone stands for standard input.
        projection: One projection, `base` or `lexical`; None for all.
        k: Number of results.
        filters: What results are limited to.
        explain: Show what each list gave.
        as_json: Print JSON.
        ahead: Has begun to read the project's indexes.

    Returns:
        The exit code.

    Raises:
        PatinaError: Nothing can be searched, or the question is empty.
    """
    searcher = Searcher(project, ahead)
    query = question_of(words)
    answer = searcher.answer(query, projection, k, filters)
    if as_json:
        print(json_text([hit_document(rank, hit) for rank, hit in enumerate(answer.hits, 1)]))
    else:
        print_styled(sys.stdout, answer_lines(answer, query, explain=explain), coloured=is_interactive(sys.stdout))
    if answer.doubtful:
        say_doubt(filters, found_some=bool(answer.hits))
    if answer.caution:
        say_on_stderr(f"patina: {projection} is searched only where it is named: {answer.caution}")
    ages = [note.sentence for note in searcher.age_notes()]
    for sentence in [*missing_notes(answer.missing), *ages]:
        say_on_stderr(f"patina: {sentence}")
    return 0


def print_hits_of_projects(hits: Sequence[tuple[str, Hit]], query: str, *, explain: bool) -> None:
    """Print results of several projects as one list.

    Args:
        hits: Each with the name of its project, best first.
        query: The question.
        explain: Show what each list gave.
    """
    lines = [
        line
        for rank, (project, hit) in enumerate(hits, 1)
        for line in hit_lines(rank, hit, query, explain=explain, project=project)
    ]
    print_styled(sys.stdout, lines, coloured=is_interactive(sys.stdout))


def say_doubt(filters: Filters, *, found_some: bool) -> None:
    """Say on stderr that nothing seems to answer."""
    say_on_stderr(f"patina: {NOTHING_MATCHES if found_some else nothing_text(filters)}")


def question_of(words: Sequence[str]) -> str:
    """Return the question that a user typed, in one argument or in many; `-` alone stands for standard input."""
    if list(words) != [FROM_STDIN]:
        return " ".join(words)
    return read_standard_input(MOST_CHARACTERS)
