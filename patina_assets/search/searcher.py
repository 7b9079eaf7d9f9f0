"""The query side: text -> words and vector -> passages -> one list. Starts quickly: no Dagster, no training code."""

from collections.abc import Iterable, Iterator, Mapping
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
from patina_assets.search.freshness import AgeNote, age_notes
from patina_assets.search.fusion import Hit, Place, distinct
from patina_assets.search.indexes import MOST_NEIGHBOURS, Indexes
from patina_assets.search.passage_file import Found
from patina_assets.search.question_lists import GroupLists, hit, merged, named, near_lists, ranked_answer, word_lists
from patina_assets.search.ranking import (
    NAMES,
    OWN_WORDS_SHARE,
    TOUCHED,
    TOUCHED_COMMITS,
    VECTORS,
    WORDS,
    RankedThing,
    lacking,
    nearest_definitions,
    rank_group,
    touched_files,
)
from patina_resources.errors import PatinaError, shown
from patina_resources.project.project import Project

# How many passages each list gives to a group; more find nothing better, and take longer (docs/search.md).
DEPTH = 100
# A thing of an index may stand several times among its items.
READ_PER_RESULT = 3
PROJECTION_DEPTH = 10
# Of passages that are near a group's own vector, so many times the depth are looked at: most are of that group.
OWN_VECTOR_DEPTHS = 2
# Of so many first results, all definitions are compared: of a file, as many passages of them. Each takes a millisecond.
LOOKED_INTO, MOST_DEFINITIONS = 3, 500
NO_LEXICAL = (
    "words cannot be searched: this Python's SQLite has no FTS5, or the index was built without it: "
    "run `patina oxidize --full` with a Python whose SQLite has it"
)


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


@dataclass(frozen=True)
class AskedLists:
    """What the lists of a question hold.

    Attributes:
        lists: Passages, best first, by group and by name of a list.
        vector: Of the question, float32 [dim]; None where there is none that indexes can be asked for.
        by_group: The vectors that passages of some groups were asked with instead.
        cosines: By group of `by_group`, how near its nearest passage is to `vector`.
    """

    lists: GroupLists
    vector: NDArray[np.float32] | None
    by_group: Mapping[Group, NDArray[np.float32]]
    cosines: Mapping[Group, float]


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
        self._beside = ThreadPoolExecutor(1)
        if ahead is not None:
            self._indexes.load_model(self._beside)

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
            asked = self._lists(query, 1, NO_FILTERS, {}, {}, words_only=False)
        except PatinaError:
            return False
        return (
            not asked.lists
            or ranked_answer(
                file, query, asked.lists, 1, is_static=is_static(spec), leaning={}, cosines=asked.cosines
            ).doubtful
        )

    def _grouped(self, query: str, k: int, filters: Filters, *, words_only: bool) -> Answer:
        missing: dict[str, str] = {}
        left_out: dict[str, str] = {}
        is_there = bool(self._indexes.whole([BASE], missing)) or self._indexes.has_passages()
        if not is_there and not words_only and filters == NO_FILTERS:
            return self._without_passages(query, k, left_out, missing)
        asked = self._lists(query, k, filters, left_out, missing, words_only=words_only)
        lists, vector = asked.lists, asked.vector
        if not lists:
            return self._nothing(query, filters, left_out, missing)
        name = None if words_only else self._project.config.reranker
        file, spec = self._indexes.passages(), self._indexes.spec
        share = OWN_WORDS_SHARE if self._indexes.knows_own_words_alone else 1.0
        most = k if name is None else max(k, RERANKED)
        leaning = leanings(query, spec, vector)
        ranked = ranked_answer(
            file, query, lists, most, is_static=is_static(spec), leaning=leaning, share=share, cosines=asked.cosines
        )
        things = ranked.things
        if vector is not None and BASE not in missing and lacking(ranked.coverage):
            of_code = asked.by_group.get(Group.CODE, vector)
            first = [
                (self._told_by(thing, lists, of_code, ranked.coverage), score) for thing, score in things[:LOOKED_INTO]
            ]
            things = [*first, *things[LOOKED_INTO:]]
        hits = [hit(file, thing, score) for thing, score in things]
        reranked = ""
        if name is not None:
            hits, reranked = self._reranked(name, query, hits, missing)
        return Answer(hits[:k], self._counts(lists), left_out, missing, ranked.doubtful, reranked=reranked)

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

    def _reranked(self, name: str, query: str, hits: list[Hit], missing: dict[str, str]) -> tuple[list[Hit], str]:
        """Return the hits in the order of a reranker and what it did; as they are, and why, where it cannot be used."""
        try:
            result = reordered(self._project, name, query, hits)
        except PatinaError as error:
            missing[RERANKER] = str(error)
            return hits, ""
        return result.hits, result.said

    def _lists(
        self,
        query: str,
        k: int,
        filters: Filters,
        left_out: dict[str, str],
        missing: dict[str, str],
        *,
        words_only: bool,
    ) -> AskedLists:
        """Return the lists of each group, and the vectors that indexes were asked for."""
        file = self._indexes.passages()
        depth = min(max(DEPTH, k), MOST_NEIGHBOURS)
        # SQLite lets go of the interpreter while it looks for words, which takes as long as the question's vector does.
        looked_for = self._beside.submit(word_lists, file, query, depth, filters)
        names = [] if words_only else self._taking_part(left_out)
        vector = None if words_only else self._comparable(query, names, left_out, missing)
        vectors = {} if vector is None else self._indexes.vectors_by_group(query, vector)
        near, nearest = self._near(vector, vectors, depth, filters, missing)
        projected = self._projected(vector, names, left_out, missing) if filters == NO_FILTERS else {}
        words = looked_for.result()
        if words is None and words_only:
            raise PatinaError(NO_LEXICAL)
        if not words:
            left_out[LEXICAL] = NO_LEXICAL if words is None else "no word of the query stands in a passage"
        lists = merged(words or {}, near, named(file, query, depth), projected, filters)
        # Vectors that know words alone say nothing of commits that the words did not find.
        commits = [] if is_static(self._indexes.spec) else near.get(Group.COMMITS, [])[:TOUCHED_COMMITS]
        if commits and Group.CODE in lists:
            paths = file.touched([commit.key for commit in commits])
            if touched := touched_files(commits, paths, lists[Group.CODE]):
                lists[Group.CODE][TOUCHED] = touched
        return AskedLists(lists, vector, vectors, nearest)

    def _counts(self, lists: GroupLists) -> dict[str, int]:
        """Return how many passages each list gave."""
        names = ((BASE, VECTORS), *((name, name) for name in self.projections), (LEXICAL, WORDS))
        counts = {name: sum(len(found.get(own, ())) for found in lists.values()) for name, own in names}
        return {name: count for name, count in counts.items() if count}

    def _taking_part(self, left_out: dict[str, str]) -> list[str]:
        """Return the projections that validation shows to be better than `base`; note why others are left out."""
        reasons = {name: self._indexes.no_part(name) for name in self.projections}
        left_out |= {name: reason for name, reason in reasons.items() if reason is not None}
        return [name for name, reason in reasons.items() if reason is None]

    def _comparable(
        self, query: str, names: Iterable[str], left_out: dict[str, str], missing: dict[str, str]
    ) -> NDArray[np.float32] | None:
        """Return the query's vector; None, and why, where there is none that indexes can be asked for."""
        opened = self._indexes.whole((BASE, *names), missing)
        vector = self._indexes.comparable(query, opened, missing)
        if vector is None or vector.any():
            return vector
        left_out |= {index.name: f"no word of the query is known to {self._indexes.spec.name}" for index in opened}
        return None

    def _near(
        self,
        vector: NDArray[np.float32] | None,
        by_group: Mapping[Group, NDArray[np.float32]],
        depth: int,
        filters: Filters,
        missing: Mapping[str, str],
    ) -> tuple[dict[Group, list[Found]], dict[Group, float]]:
        """Return the nearest passages by group, and how near that of a group of `by_group` is to `vector`."""
        if vector is None or BASE in missing:
            return {}, {}
        base = self._indexes.opened(BASE)
        own = dict(base.nearest(vector, len(Group) * depth))
        others = {group: dict(base.nearest(other, OWN_VECTOR_DEPTHS * depth)) for group, other in by_group.items()}
        return near_lists(self._indexes.passages(), own, others, filters)

    def _projected(
        self,
        vector: NDArray[np.float32] | None,
        names: Iterable[str],
        left_out: dict[str, str],
        missing: Mapping[str, str],
    ) -> dict[Group, dict[str, list[Found]]]:
        """Return, by group, the passages that stand for the nearest items of each projection."""
        found: dict[Group, dict[str, list[Found]]] = {}
        for name, item, score in self._neighbours(vector, names, PROJECTION_DEPTH, left_out, missing):
            like = self._indexes.passages().like(item, score)
            if like is not None:
                found.setdefault(like[0], {}).setdefault(name, []).append(like[1])
        return found

    def _neighbours(
        self,
        vector: NDArray[np.float32] | None,
        names: Iterable[str],
        k: int,
        left_out: dict[str, str],
        missing: Mapping[str, str],
    ) -> Iterator[tuple[str, Item, float]]:
        """Yield the nearest items of each projection with their cosines, best first; note which are not asked for."""
        if vector is None:
            return
        for name in names:
            if name in missing:
                continue
            index = self._indexes.opened(name)
            if not index.answers_questions():
                left_out[name] = "its items are not worded like a question"
                continue
            for key, score in index.nearest(vector, k):
                yield name, index.file.item(key), score

    def _without_passages(self, query: str, k: int, left_out: dict[str, str], missing: dict[str, str]) -> Answer:
        """Answer from the items of projections alone: the passages are not built, or damaged."""
        missing[LEXICAL] = missing[BASE]
        # Better or not than `base`: that cannot be searched.
        vector = self._comparable(query, self.projections, left_out, missing)
        items: list[Item] = []
        lists: dict[str, list[Found]] = {}
        for name, item, score in self._neighbours(vector, self.projections, k, left_out, missing):
            lists.setdefault(name, []).append(
                Found(len(items), score, thing_of(item), Role.SOURCE, item.state, has_symbol=True)
            )
            items.append(item)
        if not lists:
            return self._nothing(query, NO_FILTERS, left_out, missing)
        things = rank_group(Group.NOTES, lists, {})[:k]
        hits = [
            Hit(items[thing.keys[0]], thing.score,
                {name: Place(rank, thing.scores[name]) for name, rank in thing.ranks.items()})
            for thing in things
        ]  # fmt: skip
        return Answer(hits, {name: len(found) for name, found in lists.items()}, left_out, missing)

    def _nothing(self, query: str, filters: Filters, left_out: Mapping[str, str], missing: Mapping[str, str]) -> Answer:
        if missing:
            first, *others = [name for name in missing if name != LEXICAL]  # words stand beside the passages of `base`
            more = f"; not usable either: {', '.join(others)}" if others else ""
            raise PatinaError(f"nothing can be searched: {missing[first]}{more}")
        if filters != NO_FILTERS:
            return Answer([], {}, left_out, missing, doubtful=True)
        raise PatinaError(
            f"no word of {shown(query)} is known to {self._indexes.spec.name} or stands in a passage: try other words"
        )
