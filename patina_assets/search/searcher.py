"""The query side: text -> vector -> neighbours -> items. Starts quickly: no Dagster, no recipe, no training code."""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.projection import Projection, from_safetensors
from patina_assets.pairs.relations import Item
from patina_assets.recipe.yaml_lines import read_yaml
from patina_assets.search.base_model import base_files, base_settings, embed_query
from patina_assets.search.fusion import KINDS_NOT_ASKED_FOR, Hit, Place, Ranked, distinct, fuse
from patina_assets.search.index import load_index
from patina_assets.search.lexical import match_expression
from patina_assets.search.search_file import SearchFile
from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec, resolve_base
from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import Project
from patina_resources.store.artifacts import read_outputs
from patina_resources.store.mothership import mothership

if TYPE_CHECKING:
    from usearch.index import Index

LOCK_REMEDY = "delete it, then `patina oxidize` writes it again"
BASE = "base"
LEXICAL = "lexical"
# How many items of each list are fused.
FUSION_DEPTH = 50
# A thing may stand several times among the items of all projections, worded for each, so more of them is read.
READ_PER_RESULT = 3
NO_LEXICAL = (
    "words cannot be searched: this Python's SQLite has no FTS5, or the index was built without it: "
    "run `patina oxidize --full` with a Python whose SQLite has it"
)
_PROJECTION = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class OpenIndex:
    """An index in memory with what belongs to it."""

    name: str
    index: "Index"
    file: SearchFile
    projection: Projection | None

    def nearest(self, vector: NDArray[np.float32], k: int) -> Iterable[tuple[int, float]]:
        """Return keys of items and their cosines, nearest first: of k items, for `base` of more.

        So that there are k different things among them, or nearly.

        Args:
            vector: A base-model vector, float32 [dim].
            k: Number of things.
        """
        if self.projection is not None:
            vector = self.projection.apply(vector[None, :])[0]
        wanted = READ_PER_RESULT * k if self.name == BASE else k
        matches = self.index.search(vector, min(wanted, max(len(self.index), 1)))
        return zip(matches.keys.tolist(), (1.0 - distance for distance in matches.distances.tolist()), strict=True)

    def answers_questions(self) -> bool:
        """Return whether its items read like something a person would ask for."""
        return len(self.index) > 0 and self.file.identity(0)[0] not in KINDS_NOT_ASKED_FOR


@dataclass(frozen=True)
class Answer:
    """What a query found, and how.

    Attributes:
        hits: Best first.
        found: By name of a list: how many items it gave to the fusion.
        left_out: By name of a list: why it took no part.
    """

    hits: list[Hit]
    found: Mapping[str, int]
    left_out: Mapping[str, str]


class Searcher:
    """Answers queries over what the last build published; indexes are opened when first asked."""

    def __init__(self, project: Project) -> None:
        """Read what is built.

        Raises:
            PatinaError: Nothing is built, or the lock is damaged.
        """
        self._project = project
        model, self.projections = _read_lock(project)
        home = mothership()
        registry = load_registry(home, project)
        try:
            self._spec: BaseSpec = resolve_base(registry, model)
        except PatinaError as error:
            raise PatinaError(
                f"{project.lock}: embedding_model: {error}; if the lock is damaged, {LOCK_REMEDY}"
            ) from error
        self._home = home
        self._open: dict[str, OpenIndex] = {}
        self._beside = ThreadPoolExecutor(1)

    def search(self, query: str, projection: str | None = None, k: int = 10) -> list[Hit]:
        """Return the hits of `answer`."""
        return self.answer(query, projection, k).hits

    def answer(self, query: str, projection: str | None = None, k: int = 10) -> Answer:
        """Return the best k items for a query, best first.

        Args:
            query: Free text.
            projection: One projection, `base` or `lexical`; None merges all of them by reciprocal rank.
            k: Number of results.

        Raises:
            PatinaError: The projection is unknown or not built, a file is damaged, the query is empty, or no word of
                it is known.
        """
        if not query.strip():
            raise PatinaError("the query is empty: expected some words to search for")
        if projection is not None:
            return self._one_list(query, self._known(projection), k)
        lists, left_out = self._lists(query, max(k, FUSION_DEPTH))
        if not lists:
            raise PatinaError(
                f"no word of {shown(query)} is known to {self._spec.name} or stands in an item: try other words"
            )
        hits = fuse(lists, self._item, k, list_weights(lists))
        return Answer(hits, {name: len(ranked) for name, ranked in lists.items()}, left_out)

    def _one_list(self, query: str, name: str, k: int) -> Answer:
        if name == LEXICAL:
            ranked = self._lexical(query, k)
            if ranked is None:
                raise PatinaError(NO_LEXICAL)
        else:
            index = self._opened(name)
            vector = self._vector(query)
            if not vector.any():
                raise PatinaError(f"no word of {shown(query)} is known to {self._spec.name}: try other words")
            ranked = distinct(index.nearest(vector, k), index.file.identity, k)
        hits = [
            Hit(self._item(name, key), score, {name: Place(rank, score)})
            for rank, (key, score) in enumerate(zip(ranked.keys, ranked.scores, strict=True), 1)
        ]
        return Answer(hits, {name: len(hits)}, {})

    def _lists(self, query: str, depth: int) -> tuple[dict[str, Ranked], dict[str, str]]:
        """Return what each list finds, the lists that find nothing left out, and why."""
        left_out: dict[str, str] = {}
        opened = [self._opened(name) for name in (BASE, *self.projections)]
        # SQLite lets go of the interpreter while it looks for words, which takes as long as the vectors do.
        words_looked_for = self._beside.submit(self._lexical, query, depth)
        vector = self._vector(query)
        nearest: dict[str, Iterable[tuple[int, float]]] = {}
        for index in opened:
            if not vector.any():
                left_out[index.name] = f"no word of the query is known to {self._spec.name}"
            elif not index.answers_questions():
                left_out[index.name] = "its items are not worded like a question"
            else:
                nearest[index.name] = index.nearest(vector, depth)
        words = words_looked_for.result()
        lists = {
            name: distinct(found, self._open[name].file.identity, depth, KINDS_NOT_ASKED_FOR)
            for name, found in nearest.items()
        }
        if words:
            lists[LEXICAL] = words
        else:
            left_out[LEXICAL] = NO_LEXICAL if words is None else "no word of the query stands in an item"
        return lists, left_out

    def _lexical(self, query: str, k: int) -> Ranked | None:
        """Return k things that share words with the query; None where the build or this SQLite has no FTS5."""
        base = self._opened(BASE)
        expression = match_expression(query)
        matches = base.file.matches(expression, min(READ_PER_RESULT * k, len(base.index))) if expression else []
        return None if matches is None else distinct(matches, base.file.identity, k)

    def _item(self, name: str, key: int) -> Item:
        return self._opened(BASE if name == LEXICAL else name).file.item(key)

    def _vector(self, query: str) -> NDArray[np.float32]:
        """Return the query's base-model vector, float32 [dim]; zeros where no word is known."""
        files = self._files
        built_with = {"model_digest": files.digest, "model_settings": base_settings(self._spec)}
        for index in self._open.values():
            if not built_with.items() <= index.file.facts.items():
                raise PatinaError(
                    f"{index.name} was built with other bytes or settings of {self._spec.name}: run `patina oxidize`"
                )
        return embed_query(self._spec, files, query)

    @cached_property
    def _files(self) -> BaseFiles:
        return base_files(self._project, self._home, self._spec)

    def _known(self, name: str) -> str:
        known = [*self.projections, BASE, LEXICAL]
        if name not in known:
            hint = did_you_mean(name, known)
            raise PatinaError(f"no projection {shown(name)} is built{hint}: expected one of {', '.join(known)}")
        return name

    def _opened(self, name: str) -> OpenIndex:
        if name not in self._open:
            base = name == BASE
            model = self._spec.name
            paths = self._project.base_paths(model) if base else self._project.projection_paths(model, name)
            _, (index, search) = read_outputs(paths, "index", ("usearch", "search.db"))
            file = SearchFile(search, paths.search.name)
            weights = file.weights
            projection = from_safetensors(weights, paths.search.name) if weights is not None else None
            self._open[name] = OpenIndex(name, load_index(index, str(paths.index)), file, projection)
        return self._open[name]


def list_weights(names: Iterable[str]) -> dict[str, float]:
    """Return the weight of each list in the fusion: raw vectors, words and all projections together count the same.

    So a project of nine projections is not answered by them alone.
    """
    projections = [name for name in names if name not in {BASE, LEXICAL}]
    return {name: 1 / len(projections) for name in projections}


def _read_lock(project: Project) -> tuple[str, list[str]]:
    """Return the model and the projections that the lock names."""
    try:
        document = read_yaml(project.lock).data
    except FileNotFoundError:
        raise PatinaError(f"nothing is built yet in {project.root}: run `patina oxidize`") from None
    except PatinaError as error:
        raise PatinaError(f"{error}: damaged: {LOCK_REMEDY}") from error
    table = document if isinstance(document, dict) else {}
    model, projections = table.get("embedding_model"), table.get("projections")
    if not isinstance(model, str) or not isinstance(projections, dict):
        raise PatinaError(f"{project.lock}: damaged: it lacks embedding_model or projections: {LOCK_REMEDY}")
    for name in projections:
        if not _PROJECTION.fullmatch(name):  # it becomes part of a file name
            raise PatinaError(f"{project.lock}: damaged: {shown(name)} is no projection: {LOCK_REMEDY}")
    return model, list(projections)
