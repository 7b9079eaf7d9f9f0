"""The public Python API: what a project's search finds, what is like a thing, what happened, and how well it ranks.

`patina_assets` gives all of it out; its names stay as they are from one minor version to the next.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from patina_assets.results import ResultRow, Results
from patina_resources.errors import PatinaError, check_known, shown
from patina_resources.project.project import Project, find_project

if TYPE_CHECKING:  # what answers, and what measures, is loaded when it is first asked
    import numpy as np
    from numpy.typing import NDArray

    from patina_assets.facts.like import Like
    from patina_assets.facts.why import Entry, Why
    from patina_assets.pairs.items import Item
    from patina_assets.search.asking.current import CurrentSearcher
    from patina_assets.search.fusion import Hit
    from patina_assets.search.indexes import OpenIndex
    from patina_assets.search.searcher import Searcher


@dataclass(frozen=True)
class Interval:
    """A mean over queries, and its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measure:
    """How well vectors rank what belongs together, over relations that training has not seen.

    Attributes:
        projection: Name of the projection; `first + second` for the two of a world model together.
        vectors: Which vectors: `base` (raw embeddings), `trained`, and `gain` (trained - base), among others.
        queries: Number of held-out queries.
        mrr: Mean reciprocal rank.
        recall_at_10: Share of the related texts among the first ten.
        triplet_accuracy: Share of triplets whose positive ranks before the negative.
    """

    projection: str
    vectors: str
    queries: int
    mrr: Interval
    recall_at_10: Interval
    triplet_accuracy: Interval


class OpenProject:
    """A repository whose index can be asked. `open_project` makes one.

    Several threads may use it. It reads what is there and writes nothing; `patina oxidize` builds. After a build the
    next call reads the new one. Used as a context manager, it lets go of the model and the indexes at the end.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._searchers: CurrentSearcher | None = None

    def __enter__(self) -> "OpenProject":
        """Return the project itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the model and the indexes; a later call opens them again."""
        self._searchers = None

    @property
    def root(self) -> Path:
        """The folder that holds `.patina`."""
        return self._project.root

    def search(
        self,
        query: str,
        *,
        projection: str | None = None,
        limit: int = 10,
        kinds: Sequence[str] = (),
        path: str | None = None,
        language: str | None = None,
        since: str | None = None,
        author: str | None = None,
    ) -> Results["Hit"]:
        """Return what fits a query best, best first.

        The first call loads the model and the index. A later call loads them again where there has been a build since.

        Args:
            query: Words or a question.
            projection: Name of one projection, `base` (raw embeddings) or `lexical` (words); None merges all of them.
            limit: Number of hits, at least 1.
            kinds: Only `code`, `docs`, `commits` or `notes`; empty for all.
            path: A glob: only such files, and commits that touched one.
            language: Only files of a programming language.
            since: A date (ISO 8601): only commits, notes and issues since then.
            author: A part of a name: only commits and issues of such an author.

        Raises:
            PatinaError: Nothing is built, the projection is unknown, the query is empty, a filter is none, or a file
                is damaged.
        """
        from patina_assets.search.asking.chosen import chosen_filters

        filters = chosen_filters(kinds, path, language, since, author, prefix="")
        return Results(self._current().answer(query, projection, _at_least_one(limit), filters).hits, _hit_row)

    def like(self, name: str, *, projection: str | None = None, limit: int = 5) -> "Like":
        """Return what is like a thing: the nearest in each index that holds it, and what is certain beside that.

        Args:
            name: A path from the top of the repository, PATH:LINE, a symbol, a commit or a session.
            projection: Name of one projection, or `base` (raw embeddings); None for all that hold the thing.
            limit: Number of hits of each list, at least 1.

        Raises:
            PatinaError: Nothing is called so, or several things are; nothing is built, the projection is unknown or
                does not hold the thing, or a file is damaged.
        """
        from patina_assets.facts.likeness import like_of

        return like_of(self._project, self._current().indexes, name, projection, _at_least_one(limit))

    def recent(self, *, days: int | None = None, path: str | None = None, limit: int = 20) -> Results["Entry"]:
        """Return the newest commits, notes and issues, newest first.

        Nothing has to be built.

        Args:
            days: Only in so many days before now, at least 1.
            path: A glob such as `src/*.rs`: only commits that touched such a file, and notes that name one.
            limit: Number of entries, at least 1.

        Raises:
            PatinaError: The eventlog is missing or damaged.
        """
        from patina_assets.facts.answers import recent_of

        if days is not None and days < 1:
            raise PatinaError(f"days: expected a whole number >= 1, got {shown(days)}")
        return Results(recent_of(self._project, days, path, _at_least_one(limit)).entries, _entry_row)

    def why(self, place: str, *, limit: int = 20) -> "Why":
        """Return the commits, notes and issues that touched a file, or the definition around a line of it.

        Nothing has to be built. Renames are followed. Lines are asked of git, and are known at HEAD alone.

        Args:
            place: A path from the top of the repository, PATH:LINE, or the name of a function or type.
            limit: Number of entries, at least 1.

        Raises:
            PatinaError: Nothing is called so, or several things are; the file has no such line; the eventlog is missing
                or damaged.
        """
        from patina_assets.facts.answers import why_of

        return why_of(self._project, place, _at_least_one(limit))

    def evaluate(self, projections: Sequence[str] | None = None) -> Results[Measure]:
        """Return the measures of the last build, in the order of the recipe.

        Args:
            projections: Names; None for all that have been measured.

        Raises:
            PatinaError: A name is unknown, one that was asked for has not been measured, or nothing has been.
        """
        from patina_assets.pipeline.measures.evaluation import evaluate
        from patina_assets.pipeline.workspace import open_workspace

        workspace = open_workspace(self._project)
        known = [entry.name for entry in workspace.recipe.projections]
        check_known(projections or (), known, "projection")
        found = evaluate(workspace, projections)
        if projections and found.missing:
            raise PatinaError("; ".join(found.missing.values()))
        measures = (
            Measure(name, row["vectors"], facts["metrics"]["test_queries"], *(_interval(row, key) for key in _KEYS))
            for name, facts in found.measured.items()
            for row in facts["evaluation"]
        )
        return Results(measures, _measure_row)

    def items(self, projection: str = "base") -> Results["Item"]:
        """Return the items of an index: everything that search can return from it.

        Args:
            projection: Name of a projection; `base` has the items of all of them.

        Raises:
            PatinaError: Nothing is built, the projection is unknown, or a file is damaged.
        """
        return Results(self._current().items(projection), _item_row)

    def vectors(self, projection: str = "base") -> "NDArray[np.float32]":
        """Return the vectors of an index: float32 [items, dim], a row for each of `items(projection)`, of unit length.

        They are rounded to 16 bits, as the index holds them.

        Args:
            projection: Name of a projection, or `base` (raw embeddings).

        Raises:
            PatinaError: Nothing is built, the projection is unknown or has no vectors, or a file is damaged.
        """
        index = self._index(projection)
        return index.vectors(range(len(index.index)))

    def embed(self, texts: Sequence[str], projection: str = "base") -> "NDArray[np.float32]":
        """Return the vectors of some texts, as search embeds a question: float32 [texts, dim], of unit length.

        A text of which no word is known has zeros.

        Args:
            texts: The texts.
            projection: Name of a projection that the vectors pass through, or `base` for none.

        Raises:
            PatinaError: Nothing is built, the projection is unknown or has no vectors, or a file is damaged.
        """
        import numpy as np

        index, indexes = self._index(projection), self._current().indexes
        width = index.projection.input_dims if index.projection is not None else index.index.ndim
        found = np.zeros((len(texts), width), np.float32)
        for row, text in enumerate(texts):
            found[row] = indexes.vector(text)
        return found if index.projection is None else index.projection.apply(found)

    def _index(self, projection: str) -> "OpenIndex":
        indexes = self._current().indexes
        if indexes.known(projection) == "lexical":
            raise PatinaError(
                f"lexical finds words, and has no vectors: expected {', '.join(indexes.projections)} or base"
            )
        return indexes.opened(projection)

    def _current(self) -> "Searcher":
        """Return the searcher of the last build."""
        from patina_assets.search.asking.current import CurrentSearcher

        searchers = self._searchers or CurrentSearcher(self._project)
        self._searchers = searchers  # another thread may close meanwhile
        return searchers.get()


_KEYS = ("mrr", "recall_at_10", "triplet_accuracy")


def open_project(path: str | os.PathLike[str] = ".") -> OpenProject:
    """Return the project at or above a folder.

    Args:
        path: A folder or file in the repository.

    Raises:
        PatinaError: There is no `.patina` folder there, or its config.toml is wrong.
    """
    return OpenProject(find_project(Path(path)))


def _at_least_one(limit: int) -> int:
    if limit < 1:
        raise PatinaError(f"limit: expected a whole number >= 1, got {shown(limit)}")
    return limit


def _interval(row: dict[str, float], key: str) -> Interval:
    return Interval(row[key], row[f"{key}_low"], row[f"{key}_high"])


def _item_row(_: int, item: "Item") -> ResultRow:
    keys = ("kind", "text", "file", "line", "session", "commit", "state")
    return {key: getattr(item, key) for key in keys}


def _hit_row(rank: int, hit: "Hit") -> ResultRow:
    passage = hit.passage
    told: dict[str, Any] = {"symbol": None, "end_line": None, "author": None, "time": None}
    if passage is not None:
        told = {**{key: getattr(passage, key) for key in told}, "symbol": passage.symbol or None}
    return {"rank": rank, "score": hit.score, **_item_row(rank, hit.item), **told}


def _entry_row(place: int, entry: "Entry") -> ResultRow:
    named = {"time": entry.time, "author": entry.author, "files": ", ".join(entry.files) or None}
    return {**_item_row(place, entry.item), **named}


def _measure_row(_: int, measure: Measure) -> ResultRow:
    row: ResultRow = {"projection": measure.projection, "vectors": measure.vectors, "queries": measure.queries}
    for key in _KEYS:
        interval = getattr(measure, key)
        row |= {key: interval.value, f"{key}_low": interval.low, f"{key}_high": interval.high}
    return row
