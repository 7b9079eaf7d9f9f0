"""One list of results out of several projects, each searched by its own indexes.

Scores of two projects cannot be compared as they are: a rank says nothing of how well a project fits, vectors of
`corpus-static` belong to one project each, and a word that is rare in one is everywhere in another. So a result counts
what its project makes of it, times how much of the question the project's best passage covers. What a word of the
question weighs is counted over all projects.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from patina_assets.search.asking.filters import Filters
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.fusion import Hit
from patina_assets.search.lexical import telling_terms
from patina_assets.search.projects.chosen import short_names
from patina_assets.search.question_lists import EVIDENCE_PASSAGES, SHOWN_AS, word_lists
from patina_assets.search.ranking import NAMES
from patina_assets.search.searcher import Searcher, refuse_empty
from patina_resources.errors import PatinaError
from patina_resources.project.project import find_project

# How much the coverage of a project decides beside the rank within it (docs/team.md).
COVERAGE_POWER = 4.0


@dataclass(frozen=True)
class ProjectHit:
    """A result with the project that it is of.

    Attributes:
        project: Its name.
        root: Its folder.
        hit: The result; its score is the calibrated one.
    """

    project: str
    root: Path
    hit: Hit


@dataclass(frozen=True)
class ProjectsAnswer:
    """What a question found in several projects.

    Attributes:
        hits: Best first.
        searched: Names of the projects that were searched.
        missing: By name of a project: why it was not searched.
        doubtful: Whether nothing that was found seems to answer.
    """

    hits: list[ProjectHit]
    searched: list[str]
    missing: Mapping[str, str]
    doubtful: bool = False


@dataclass
class _Found:
    """What one project says: hits, and which words of the question its best passages hold."""

    name: str
    root: Path
    hits: list[Hit]
    doubtful: bool
    passages: int = 0
    frequencies: dict[str, int] = field(default_factory=dict)
    held: list[frozenset[str]] = field(default_factory=list)


def answer_of_projects(roots: Sequence[Path], query: str, k: int, filters: Filters) -> ProjectsAnswer:
    """Return the best k results of several projects, best first. One after the other is opened and closed.

    Args:
        roots: Their folders.
        query: The question.
        k: Number of results.
        filters: What results are limited to.

    Raises:
        PatinaError: The question is empty, or none of the projects can be searched.
    """
    refuse_empty(query)
    found: list[_Found] = []
    missing: dict[str, str] = {}
    for name, root in zip(short_names(roots), roots, strict=True):
        try:
            found.append(_ask(name, root, query, k, filters))
        except PatinaError as error:
            missing[name] = str(error)
    if not found:
        raise PatinaError(f"none of {len(roots)} projects can be searched: {next(iter(missing.values()))}")
    rarity = _rarity(found, telling_terms(query))
    scored = [
        ProjectHit(entry.name, entry.root, replace(hit, score=hit.score * weight))
        for entry in found
        for weight in [_weight(entry, rarity)]
        for hit in entry.hits
    ]
    hits = sorted(scored, key=lambda one: (-one.hit.score, one.project))[:k]
    doubtful = all(entry.doubtful or not entry.hits for entry in found)
    return ProjectsAnswer(hits, [entry.name for entry in found], missing, doubtful)


def _ask(name: str, root: Path, query: str, k: int, filters: Filters) -> _Found:
    if not (root / ".patina").is_dir():  # else the project above would be meant
        raise PatinaError("there is no project")
    searcher = Searcher(find_project(root))
    try:
        answer = searcher.answer(query, None, k, filters)
    except PatinaError:
        searcher.indexes.passages()  # damaged: that is what is to be said
        return _Found(name, root, [], doubtful=True)  # no word of the question is known here
    found = _Found(name, root, answer.hits, answer.doubtful)
    file = searcher.indexes.passages()
    terms = telling_terms(query)
    found.passages, found.frequencies = file.count, {term: file.frequency(term) for term in terms}
    found.held = _held(file, query, terms, filters)
    return found


def _held(file: PassageFile, query: str, terms: Iterable[str], filters: Filters) -> list[frozenset[str]]:
    """Return, of the best passages by words, which words of the question each holds."""
    lists = word_lists(file, query, EVIDENCE_PASSAGES, filters) or {}
    by_group = {group: [entry.key for entry in entries] for group, entries in lists.items()}
    keys = [key for found in by_group.values() for key in found]
    holders = {term: file.holding(term, by_group) for term in terms} if keys else {}
    return [frozenset(term for term, holding in holders.items() if key in holding) for key in keys]


def _rarity(found: Sequence[_Found], terms: Iterable[str]) -> dict[str, float]:
    """Return what each word of the question weighs: by how many passages of all projects hold it."""
    passages = sum(entry.passages for entry in found)
    return {
        term: math.log(1 + passages / (1 + sum(entry.frequencies.get(term, 0) for entry in found))) for term in terms
    }


def _weight(found: _Found, rarity: Mapping[str, float]) -> float:
    """Return how well a project fits the question, 0 to 1."""
    if any(SHOWN_AS[NAMES] in hit.places for hit in found.hits):
        return 1.0  # the question spells out a name of it
    total = sum(rarity.values()) or 1.0
    covered = max((sum(rarity[term] for term in held) for held in found.held), default=0.0)
    return float((covered / total) ** COVERAGE_POWER)
