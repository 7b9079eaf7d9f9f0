"""The query side: text -> words and vector -> passages -> one list. Starts quickly: no Dagster, no training code."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Group, thing_of
from patina_assets.passages.roles import Role
from patina_assets.search.asking.filters import NO_FILTERS, Filters
from patina_assets.search.asking.question_model import leanings
from patina_assets.search.asking.reranker import RERANKED, RERANKER, reordered
from patina_assets.search.base_model import is_static
from patina_assets.search.built import BASE, LEXICAL, IndexesAhead
from patina_assets.search.files.found import Found
from patina_assets.search.freshness import AgeNote, age_notes
from patina_assets.search.fusion import Hit, Place, distinct
from patina_assets.search.indexes import Indexes
from patina_assets.search.list_reader import Gaps, ListReader
from patina_assets.search.question_lists import GroupLists, hit, ranked_answer
from patina_assets.search.ranking import (
    NAMES,
    OWN_WORDS_SHARE,
    VECTORS,
    WORDS,
    RankedThing,
    lacking,
    nearest_definitions,
    rank_group,
)
from patina_resources.errors import PatinaError, shown
from patina_resources.project.project import Project

# A thing of an index may stand several times among its items.
READ_PER_RESULT = 3
# Of so many first results, all definitions are compared: of a file, as many passages of them. Each takes a millisecond.
LOOKED_INTO, MOST_DEFINITIONS = 3, 500


@dataclass(frozen=True)
class Answer:
    """What a query found, and how.

    Attributes:
        hits: Best first.
        found: By name of a list: how many passages or items it gave.
        left_out: By name of a list: why this query is not one for it.
        missing: By name of a list: why it cannot be searched at all.
        doubtful: Whether nothing that was found seems to answer the query.
        caution: Why the one projection that was asked for takes no part in other searches; empty where it does.
        reranked: What a reranker did and how long that took; empty where none is set.
    """

    hits: list[Hit]
    found: Mapping[str, int]
    left_out: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    doubtful: bool = False
    caution: str = ""
    reranked: str = ""


def refuse_empty(query: str) -> None:
    """Raise a PatinaError where a question has no words."""
    if not query.strip():
        raise PatinaError("the query is empty: expected some words to search for")


class Searcher:
    """Answers queries over what the last build published; indexes are opened when first asked."""

    def __init__(self, project: Project, ahead: IndexesAhead | None = None) -> None:
        """Read what is built.

        Args:
            project: The project.
            ahead: Has begun to read its indexes, for a question that is asked at once.

        Raises:
            PatinaError: Nothing is built, or the lock is damaged.
        """
        self._project = project
        self._indexes = Indexes(project, ahead)
        self.projections = self._indexes.projections
        beside = ThreadPoolExecutor(1)
        self._reader = ListReader(self._indexes, beside)
        if ahead is not None:
            self._indexes.load_model(beside)

    @property
    def indexes(self) -> Indexes:
        """What the last build published."""
        return self._indexes

    def search(self, query: str, projection: str | None = None, k: int = 10) -> list[Hit]:
        """Return the hits of `answer`."""
        return self.answer(query, projection, k).hits

    def items(self, name: str) -> list[Item]:
        """Return all items of a projection's index, or of `base`, by key.

        Raises:
            PatinaError: The projection is unknown or not built, or a file is damaged.
        """
        known = self._indexes.known(name)
        return self._indexes.opened(BASE if known == LEXICAL else known).file.items()

    def answer(self, query: str, projection: str | None = None, k: int = 10, filters: Filters = NO_FILTERS) -> Answer:
        """Return the best k results for a query, best first.

        Args:
            query: Free text; a phrase in double quotes must stand there as it is.
            projection: One projection, `base` or `lexical`; None for words and vectors together, group by group.
            k: Number of results.
            filters: What results are limited to; a projection has none.

        Raises:
            PatinaError: The projection is unknown, not built or damaged, or stands beside filters; nothing is whole;
                the query is empty, or no word of it is known.
        """
        refuse_empty(query)
        if projection is not None and self._indexes.known(projection) != LEXICAL:
            if filters != NO_FILTERS:
                raise PatinaError(
                    f"--projection {projection} cannot be limited by kind, path, language, date or author: "
                    "leave the one or the other out"
                )
            return self._of_projection(query, projection, k)
        return self._grouped(query, k, filters, words_only=projection == LEXICAL)

    def age_notes(self) -> list[AgeNote]:
        """Return what is older than what it is made from."""
        return age_notes(self._project, self._indexes.spec.name)

    def _of_projection(self, query: str, name: str, k: int) -> Answer:
        index = self._indexes.opened(name)
        vector = self._indexes.vector(query)
        reason = self._indexes.other_model(index)
        if reason is not None:
            raise PatinaError(f"{name}: {reason}")
        if not vector.any():
            raise PatinaError(f"no word of {shown(query)} is known to {self._indexes.spec.name}: try other words")
        ranked = distinct(index.nearest(vector, READ_PER_RESULT * k), index.file.identity, k)
        hits = [
            Hit(index.file.item(key), score, {name: Place(rank, score)})
            for rank, (key, score) in enumerate(zip(ranked.keys, ranked.scores, strict=True), 1)
        ]
        caution = (name != BASE and self._indexes.no_part(name)) or ""
        return Answer(hits, {name: len(hits)}, doubtful=self._finds_nothing(query), caution=caution)

    def _finds_nothing(self, query: str) -> bool:
        """Return whether no passage seems to answer a query; False where passages cannot be searched.

        What is nearest in a projection does not tell: its items are seldom worded like a question.
        """
        try:
            file, spec = self._indexes.passages(), self._indexes.spec
            asked = self._reader.lists(query, 1, NO_FILTERS, Gaps(), words_only=False)
        except PatinaError:
            return False
        return (
            not asked.lists
            or ranked_answer(
                file, query, asked.lists, 1, is_static=is_static(spec), leaning={}, cosines=asked.cosines
            ).doubtful
        )

    def _grouped(self, query: str, k: int, filters: Filters, *, words_only: bool) -> Answer:
        gaps = Gaps()
        is_there = bool(self._indexes.whole([BASE], gaps.missing)) or self._indexes.has_passages()
        if not is_there and not words_only and filters == NO_FILTERS:
            return self._without_passages(query, k, gaps)
        asked = self._reader.lists(query, k, filters, gaps, words_only=words_only)
        lists, vector = asked.lists, asked.vector
        if not lists:
            return self._nothing(query, filters, gaps)
        name = None if words_only else self._project.config.reranker
        file, spec = self._indexes.passages(), self._indexes.spec
        share = OWN_WORDS_SHARE if self._indexes.knows_own_words_alone else 1.0
        most = k if name is None else max(k, RERANKED)
        leaning = leanings(query, spec, vector)
        ranked = ranked_answer(
            file, query, lists, most, is_static=is_static(spec), leaning=leaning, share=share, cosines=asked.cosines
        )
        things = ranked.things
        if vector is not None and BASE not in gaps.missing and lacking(ranked.coverage):
            of_code = asked.by_group.get(Group.CODE, vector)
            first = [
                (self._told_by(thing, lists, of_code, ranked.coverage), score) for thing, score in things[:LOOKED_INTO]
            ]
            things = [*first, *things[LOOKED_INTO:]]
        hits = [hit(file, thing, score) for thing, score in things]
        reranked = ""
        if name is not None:
            hits, reranked = self._reranked(name, query, hits, gaps)
        return Answer(hits[:k], self._counts(lists), gaps.left_out, gaps.missing, ranked.doubtful, reranked=reranked)

    def _told_by(
        self, thing: RankedThing, lists: GroupLists, vector: NDArray[np.float32], coverage: float
    ) -> RankedThing:
        """Return a file with the definitions first that are likeliest meant, of all that it has.

        The lists hold the best passages of the whole project. Where words find most of what is meant, they tell enough.
        """
        if thing.group is not Group.CODE or NAMES in thing.ranks:
            return thing
        definitions = self._indexes.passages().definitions(thing.name, MOST_DEFINITIONS)
        base = self._indexes.opened(BASE)
        vectors = base.vectors([entry.key for entry in definitions])
        words = {entry.key: entry.score for entry in lists[Group.CODE].get(WORDS, ())}
        nearest = nearest_definitions(definitions, (vectors @ base.asked_with(vector)).tolist(), words, coverage)
        return replace(thing, keys=tuple(dict.fromkeys((*nearest, *thing.keys))))

    def _reranked(self, name: str, query: str, hits: list[Hit], gaps: Gaps) -> tuple[list[Hit], str]:
        """Return the hits in the order of a reranker and what it did; as they are, and why, where it cannot be used."""
        try:
            result = reordered(self._project, name, query, hits)
        except PatinaError as error:
            gaps.missing[RERANKER] = str(error)
            return hits, ""
        return result.hits, result.said

    def _counts(self, lists: GroupLists) -> dict[str, int]:
        """Return how many passages each list gave."""
        names = ((BASE, VECTORS), *((name, name) for name in self.projections), (LEXICAL, WORDS))
        counts = {name: sum(len(found.get(own, ())) for found in lists.values()) for name, own in names}
        return {name: count for name, count in counts.items() if count}

    def _without_passages(self, query: str, k: int, gaps: Gaps) -> Answer:
        """Answer from the items of projections alone: the passages are not built, or damaged."""
        gaps.missing[LEXICAL] = gaps.missing[BASE]
        # Better or not than `base`: that cannot be searched.
        vector = self._reader.comparable(query, self.projections, gaps)
        items: list[Item] = []
        lists: dict[str, list[Found]] = {}
        for name, item, score in self._reader.neighbours(vector, self.projections, k, gaps):
            lists.setdefault(name, []).append(
                Found(len(items), score, thing_of(item), Role.SOURCE, item.state, has_symbol=True)
            )
            items.append(item)
        if not lists:
            return self._nothing(query, NO_FILTERS, gaps)
        things = rank_group(Group.NOTES, lists, {})[:k]
        hits = [
            Hit(items[thing.keys[0]], thing.score,
                {name: Place(rank, thing.scores[name]) for name, rank in thing.ranks.items()})
            for thing in things
        ]  # fmt: skip
        return Answer(hits, {name: len(found) for name, found in lists.items()}, gaps.left_out, gaps.missing)

    def _nothing(self, query: str, filters: Filters, gaps: Gaps) -> Answer:
        if gaps.missing:
            first, *others = [
                name for name in gaps.missing if name != LEXICAL
            ]  # words stand beside the passages of `base`
            more = f"; not usable either: {', '.join(others)}" if others else ""
            raise PatinaError(f"nothing can be searched: {gaps.missing[first]}{more}")
        if filters != NO_FILTERS:
            return Answer([], {}, gaps.left_out, gaps.missing, doubtful=True)
        raise PatinaError(
            f"no word of {shown(query)} is known to {self._indexes.spec.name} or stands in a passage: try other words"
        )
