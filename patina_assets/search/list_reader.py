"""What the lists of a question hold: words, vectors, names and projections are asked, and what is missing is noted."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Group
from patina_assets.search.asking.filters import NO_FILTERS, Filters
from patina_assets.search.base_model import is_static
from patina_assets.search.built import BASE, LEXICAL
from patina_assets.search.files.found import Found
from patina_assets.search.indexes import MOST_NEIGHBOURS, Indexes
from patina_assets.search.question_lists import GroupLists, merged, named, near_lists, word_lists
from patina_assets.search.ranking import TOUCHED, TOUCHED_COMMITS, touched_files
from patina_resources.errors import PatinaError

# How many passages each list gives to a group; more find nothing better, and take longer (docs/search.md).
DEPTH = 100
PROJECTION_DEPTH = 10
# Of passages that are near a group's own vector, so many times the depth are looked at: most are of that group.
OWN_VECTOR_DEPTHS = 2
NO_LEXICAL = (
    "words cannot be searched: this Python's SQLite has no FTS5, or the index was built without it: "
    "run `patina oxidize --full` with a Python whose SQLite has it"
)


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


@dataclass(frozen=True)
class Gaps:
    """Which lists a question is not answered from.

    Attributes:
        left_out: By name of a list: why this question is not one for it.
        missing: By name of a list: why it cannot be searched at all.
    """

    left_out: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


class ListReader:
    """Asks the indexes of a project for the lists of questions."""

    def __init__(self, indexes: Indexes, beside: Executor) -> None:
        """Take what was built, and a thread that looks for words."""
        self._indexes = indexes
        self._beside = beside

    def lists(self, query: str, k: int, filters: Filters, gaps: Gaps, *, words_only: bool) -> AskedLists:
        """Return the lists of each group, and the vectors that indexes were asked for.

        Args:
            query: The question.
            k: Number of results.
            filters: What they are limited to.
            gaps: Is told of what the question is not answered from.
            words_only: Whether no vectors are asked for.

        Raises:
            PatinaError: The passages are missing or damaged, or words alone are asked for and cannot be searched.
        """
        file = self._indexes.passages()
        depth = min(max(DEPTH, k), MOST_NEIGHBOURS)
        # SQLite lets go of the interpreter while it looks for words, which takes as long as the question's vector does.
        looked_for = self._beside.submit(word_lists, file, query, depth, filters)
        names = [] if words_only else self._taking_part(gaps)
        vector = None if words_only else self.comparable(query, names, gaps)
        vectors = {} if vector is None else self._indexes.vectors_by_group(query, vector)
        near, nearest = self._near(vector, vectors, depth, filters, gaps)
        projected = self._projected(vector, names, gaps) if filters == NO_FILTERS else {}
        words = looked_for.result()
        if words is None and words_only:
            raise PatinaError(NO_LEXICAL)
        if not words:
            gaps.left_out[LEXICAL] = NO_LEXICAL if words is None else "no word of the query stands in a passage"
        lists = merged(words or {}, near, named(file, query, depth), projected, filters)
        # Vectors that know words alone say nothing of commits that the words did not find.
        commits = [] if is_static(self._indexes.spec) else near.get(Group.COMMITS, [])[:TOUCHED_COMMITS]
        if commits and Group.CODE in lists:
            paths = file.touched([commit.key for commit in commits])
            if touched := touched_files(commits, paths, lists[Group.CODE]):
                lists[Group.CODE][TOUCHED] = touched
        return AskedLists(lists, vector, vectors, nearest)

    def _taking_part(self, gaps: Gaps) -> list[str]:
        """Return the projections that validation shows to be better than `base`; note why others are left out."""
        reasons = {name: self._indexes.no_part(name) for name in self._indexes.projections}
        gaps.left_out.update({name: reason for name, reason in reasons.items() if reason is not None})
        return [name for name, reason in reasons.items() if reason is None]

    def comparable(self, query: str, names: Iterable[str], gaps: Gaps) -> NDArray[np.float32] | None:
        """Return the query's vector; None, and why, where there is none that indexes can be asked for."""
        opened = self._indexes.whole((BASE, *names), gaps.missing)
        vector = self._indexes.comparable(query, opened, gaps.missing)
        if vector is None or vector.any():
            return vector
        reason = f"no word of the query is known to {self._indexes.spec.name}"
        gaps.left_out.update({index.name: reason for index in opened})
        return None

    def _near(
        self,
        vector: NDArray[np.float32] | None,
        by_group: Mapping[Group, NDArray[np.float32]],
        depth: int,
        filters: Filters,
        gaps: Gaps,
    ) -> tuple[dict[Group, list[Found]], dict[Group, float]]:
        """Return the nearest passages by group, and how near that of a group of `by_group` is to `vector`."""
        if vector is None or BASE in gaps.missing:
            return {}, {}
        base = self._indexes.opened(BASE)
        own = dict(base.nearest(vector, len(Group) * depth))
        others = {group: dict(base.nearest(other, OWN_VECTOR_DEPTHS * depth)) for group, other in by_group.items()}
        return near_lists(self._indexes.passages(), own, others, filters)

    def _projected(
        self, vector: NDArray[np.float32] | None, names: Iterable[str], gaps: Gaps
    ) -> dict[Group, dict[str, list[Found]]]:
        """Return, by group, the passages that stand for the nearest items of each projection."""
        found: dict[Group, dict[str, list[Found]]] = {}
        for name, item, score in self.neighbours(vector, names, PROJECTION_DEPTH, gaps):
            like = self._indexes.passages().like(item, score)
            if like is not None:
                found.setdefault(like[0], {}).setdefault(name, []).append(like[1])
        return found

    def neighbours(
        self, vector: NDArray[np.float32] | None, names: Iterable[str], k: int, gaps: Gaps
    ) -> Iterator[tuple[str, Item, float]]:
        """Yield the nearest items of each projection with their cosines, best first; note which are not asked for."""
        if vector is None:
            return
        for name in names:
            if name in gaps.missing:
                continue
            index = self._indexes.opened(name)
            if not index.answers_questions():
                gaps.left_out[name] = "its items are not worded like a question"
                continue
            for key, score in index.nearest(vector, k):
                yield name, index.file.item(key), score
