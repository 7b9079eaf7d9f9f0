"""The query side: text -> vector -> neighbours -> items. Starts quickly: no Dagster, no recipe, no training code."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import yaml
from numpy.typing import NDArray

from patina_assets.formats import SearchFile
from patina_assets.models import embedder, model_files, settings_text
from patina_assets.pairs.relations import Item
from patina_assets.stages.index import load_index
from patina_assets.stages.projection import Projection, from_safetensors
from patina_resources.artifacts import read_outputs
from patina_resources.errors import PatinaError, did_you_mean
from patina_resources.project import Project, mothership
from patina_resources.registry import ModelSpec
from patina_resources.registry_files import load_registry

if TYPE_CHECKING:
    from usearch.index import Index

BASE = "base"
# Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): score = sum over lists of 1 / (60 + rank).
FUSION_CONSTANT = 60
FUSION_DEPTH = 50


@dataclass(frozen=True)
class Hit:
    """One search result.

    Attributes:
        item: What was found.
        score: Cosine in one projection; the fused score where several lists were merged.
        ranks: Its rank (from 1) in each list that found it.
    """

    item: Item
    score: float
    ranks: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenIndex:
    """An index in memory with what belongs to it."""

    name: str
    index: "Index"
    file: SearchFile
    projection: Projection | None

    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[Item, float]]:
        """Return the k nearest items to a base-model vector (float32 [dim]) and their cosines, nearest first."""
        if self.projection is not None:
            vector = self.projection.apply(vector[None, :])[0]
        matches = self.index.search(vector, min(k, max(len(self.index), 1)))
        keys, distances = matches.keys.tolist(), matches.distances.tolist()
        return [(self.file.item(key), 1.0 - distance) for key, distance in zip(keys, distances, strict=True)]


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
        self._spec: ModelSpec = load_registry(home, project.config.models, project.config_file).resolve(model)
        self._home = home
        self._open: dict[str, OpenIndex] = {}

    def search(self, query: str, projection: str | None = None, k: int = 10) -> list[Hit]:
        """Return the best k items for a query, best first.

        Args:
            query: Free text.
            projection: One projection, or `base`; None merges all of them by reciprocal rank.
            k: Number of results.

        Raises:
            PatinaError: The projection is unknown or not built, a file is damaged, or the query is empty.
        """
        if not query.strip():
            raise PatinaError("the query is empty: expected some words to search for")
        names = [self._known(projection)] if projection is not None else [*self.projections, BASE]
        opened = [self._opened(name) for name in names]
        files = model_files(self._project, self._home, self._spec)
        for index in opened:
            if index.file.facts["model_digest"] != files.digest or (
                index.file.facts["model_settings"] != settings_text(self._spec)
            ):
                raise PatinaError(
                    f"{index.name} was built with other bytes or settings of {self._spec.name}: run `patina oxidize`"
                )
        vector = embedder(self._spec, files).embed_query(query)
        if not vector.any():
            raise PatinaError(f"no word of {query!r} is known to {self._spec.name}: try other words")
        if projection is not None:
            found = opened[0].search(vector, k)
            return [Hit(item, score, {projection: rank}) for rank, (item, score) in enumerate(found, 1)]
        return fuse({index.name: [item for item, _ in index.search(vector, FUSION_DEPTH)] for index in opened}, k)

    def _known(self, name: str) -> str:
        known = [*self.projections, BASE]
        if name not in known:
            hint = did_you_mean(name, known)
            raise PatinaError(f"no projection {name!r} is built{hint}: expected one of {', '.join(known)}")
        return name

    def _opened(self, name: str) -> OpenIndex:
        if name not in self._open:
            base = name == BASE
            model = self._spec.name
            paths = self._project.base_paths(model) if base else self._project.projection_paths(model, name)
            _, (index, search) = read_outputs(paths, "index", ("usearch", "search.db"))
            file = SearchFile(search, paths.search.name)
            weights = from_safetensors(file.weights, paths.search.name) if file.weights is not None else None
            self._open[name] = OpenIndex(name, load_index(index, str(paths.index)), file, weights)
        return self._open[name]


def fuse(lists: dict[str, Sequence[Item]] | dict[str, list[Item]], k: int) -> list[Hit]:
    """Return the k items with the highest reciprocal-rank sum over several ranked lists, best first.

    Args:
        lists: Ranked items by the name of their list.
        k: Number of results.
    """
    ranks: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    items: dict[tuple[str, ...], Item] = {}
    for name, ranked in lists.items():
        for rank, item in enumerate(ranked, 1):
            items.setdefault(item.order(), item)
            ranks[item.order()].setdefault(name, rank)
    hits = [
        Hit(items[key], sum(1 / (FUSION_CONSTANT + rank) for rank in found.values()), found)
        for key, found in ranks.items()
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.item.order()))[:k]


def _read_lock(project: Project) -> tuple[str, list[str]]:
    """Return the model and the projections that the lock names."""
    try:
        document = yaml.safe_load(project.lock.read_bytes())
        model, projections = document["embedding_model"], list(document["projections"])
        if not isinstance(model, str) or not all(isinstance(name, str) for name in projections):
            raise TypeError("names are not text")
    except FileNotFoundError:
        raise PatinaError(f"nothing is built yet in {project.root}: run `patina oxidize`") from None
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise PatinaError(
            f"{project.lock}: damaged ({type(error).__name__}): delete it, then `patina oxidize` writes it again"
        ) from error
    return model, projections
