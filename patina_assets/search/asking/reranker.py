"""`[embeddings] reranker` of config.toml: a cross-encoder puts the first results into another order."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from patina_assets.search.fusion import Hit, Place
from patina_resources.errors import PatinaError
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import ModelFiles, ModelSpec
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import Project
from patina_resources.store.mothership import mothership

if TYPE_CHECKING:  # search starts without loading what runs models
    from patina_resources.embedding.cross_encoder import CrossEncoder

# What one reranker reads for a question; the results that follow keep their places.
RERANKED = 50
RERANKER = "reranker"


@dataclass(frozen=True)
class Reordered:
    """Results in the order of a reranker.

    Attributes:
        hits: Best first.
        said: Which model read how many results, and how long that took.
    """

    hits: list[Hit]
    said: str


def reordered(project: Project, name: str, query: str, hits: Sequence[Hit]) -> Reordered:
    """Return results with the first ones in the order of a cross-encoder's scores.

    Args:
        project: The project.
        name: Of a model that has been added.
        query: The question.
        hits: Best first.

    Raises:
        PatinaError: The model is unknown, missing, damaged, or no cross-encoder.
    """
    started = time.perf_counter()
    home = mothership()
    try:
        spec = load_registry(home, project).resolve(name)
    except PatinaError as error:
        raise PatinaError(f"{project.config_file}: [embeddings] reranker: {error}") from error
    encoder = _loaded(spec, cached_model(home, spec))
    read = hits[:RERANKED]
    texts = [hit.passage.text if hit.passage is not None else hit.item.text for hit in read]
    scores = encoder.scores(query, texts).tolist()
    order = sorted(range(len(read)), key=lambda row: (-scores[row], row))
    best = [
        replace(read[row], places={**read[row].places, RERANKER: Place(rank, scores[row])})
        for rank, row in enumerate(order, 1)
    ]
    took = 1000 * (time.perf_counter() - started)
    return Reordered([*best, *hits[RERANKED:]], f"{spec.reference} read {len(read)} results in {took:.0f} ms")


@lru_cache(maxsize=1)
def _loaded(spec: ModelSpec, files: ModelFiles) -> "CrossEncoder":
    from patina_resources.embedding.cross_encoder import CrossEncoder

    return CrossEncoder(spec, files)
