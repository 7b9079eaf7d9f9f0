"""What somebody sees who has asked nothing yet: how much of what is searched, and questions to begin with. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping

from patina_assets.passages.passage import Group, Passage
from patina_assets.search.asking.filters import Filters
from patina_assets.serving.answers.bounds import AnswerDocument

LEAST_WORDS, MOST_WORDS, MOST_CHARACTERS = 4, 12, 90
HEADING_WORDS = 2
# Of a passage so many lines are looked at: a signature stands before what is written about it.
MOST_LINES = 12
PLAIN = re.compile(r"[^\W\d_][\w'-]*[.,:;]?")
# The most of its words that are not plain: code and lists of paths are no questions.
MOST_OTHERS = 0.2


def example_questions(passages: Mapping[Group, Iterable[Passage]]) -> list[AnswerDocument]:
    """Return at most one question of each group, in the words of what the project itself says.

    Args:
        passages: Some passages of each group, those to be preferred first.
    """
    found = {group: next(filter(None, map(_question, some)), None) for group, some in passages.items()}
    return [{"group": str(group), "text": text} for group, text in found.items() if text]


def left_out(
    counts: Mapping[Filters, Mapping[Group, int]], all_filters: Filters, single: Mapping[str, Filters]
) -> list[AnswerDocument]:
    """Return the groups of which filters leave nothing, though they were not chosen against, each with which filters.

    Args:
        counts: The number of passages of each group that filters allow; those without filters, too.
        all_filters: What a person has chosen.
        single: Each of those alone, by name.
    """
    there = counts[Filters()]
    gone = [group for group in there if all_filters.allows(group) and not counts[all_filters].get(group)]
    return [
        {
            "group": str(group),
            "by": [name for name, filters in single.items() if not counts[filters].get(group)] or list(single),
        }
        for group in gone
    ]


def single_filters(filters: Filters) -> dict[str, Filters]:
    """Return each filter that is set, alone, by its name in an address. Kinds are none: they say it themselves."""
    found = {
        "path": Filters(path=filters.path),
        "language": Filters(suffixes=filters.suffixes),
        "since": Filters(since=filters.since),
        "author": Filters(author=filters.author),
    }
    return {name: one for name, one in found.items() if one != Filters()}


def _question(passage: Passage) -> str | None:
    return next((line for line in _lines(passage) if _is_plain(line, passage.group)), None)


def _lines(passage: Passage) -> Iterator[str]:
    told = {
        Group.CODE: passage.doc,
        Group.DOCS: passage.symbol.rpartition(" > ")[2],
        Group.COMMITS: passage.symbol,
        Group.NOTES: passage.body or passage.text,
    }[passage.group]
    for line in told.split("\n")[:MOST_LINES]:
        yield line.strip(" \t\"'*#/`.,;:-")


def _is_plain(line: str, group: Group) -> bool:
    words = line.split()
    least = HEADING_WORDS if group is Group.DOCS else LEAST_WORDS
    others = sum(PLAIN.fullmatch(word) is None for word in words)
    return least <= len(words) <= MOST_WORDS and len(line) <= MOST_CHARACTERS and others <= MOST_OTHERS * len(words)
