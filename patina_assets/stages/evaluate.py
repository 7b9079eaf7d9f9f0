"""How well vectors rank related texts first: mean reciprocal rank on held-out contexts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.relations import Int32, RelatedTexts, Relations, related_texts

MAX_QUERIES = 2000
MAX_CANDIDATES = 20000
QUERY_BLOCK = 256


@dataclass(frozen=True)
class RankingTask:
    """Queries, the candidates to rank for each, and which of them are relevant.

    Attributes:
        queries: int32 [q]; rows of texts, each with at least one relevant candidate.
        candidates: int32 [c]; rows of texts.
        relevant: Pairs of texts that the held-out contexts relate and training does not know.
        known: Pairs that training knows, or that share an `apart` key: neither right nor wrong, so left out of the
            ranking.
    """

    queries: Int32
    candidates: Int32
    relevant: RelatedTexts
    known: RelatedTexts


def ranking_task(held_out: Relations, known: RelatedTexts) -> RankingTask:
    """Return the task of ranking, for each text of the held-out contexts, all texts of those contexts.

    A pair that training knows, in either order or by equal text, is left out, for queries and for candidates
    (the "filtered" setting of Bordes et al. 2013, Translating Embeddings for Modeling Multi-relational Data).

    Args:
        held_out: Contexts of the validation or test part.
        known: Pairs related by the parts that were trained on.
    """
    related = related_texts(held_out)
    texts = max(held_out.texts, 1)
    new_keys = related.keys[~known.contains(related.keys // texts, related.keys % texts)]
    queries = np.unique(new_keys // texts).astype(np.int32)
    return RankingTask(
        queries=_evenly(queries, MAX_QUERIES),
        candidates=_evenly(held_out.member_rows(), MAX_CANDIDATES),
        relevant=RelatedTexts(new_keys, held_out.texts, held_out.apart),
        known=known,
    )


def reciprocal_ranks(vectors: NDArray[np.float32], task: RankingTask) -> NDArray[np.float64]:
    """Return float64 [q]: 1 / rank of the first relevant candidate by cosine; equal scores share their mean rank.

    Args:
        vectors: float32 [texts, dim], unit rows.
        task: What to rank.
    """
    ranks = np.ones(task.queries.size)
    candidates = vectors[task.candidates]
    for start in range(0, task.queries.size, QUERY_BLOCK):
        queries = task.queries[start : start + QUERY_BLOCK]
        scores = vectors[queries] @ candidates.T
        relevant = task.relevant.mask(queries, task.candidates)
        scores[task.known.never_negative_mask(queries, task.candidates) & ~relevant] = -np.inf
        scores[queries[:, None] == task.candidates[None, :]] = -np.inf
        best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
        above = (scores > best).sum(axis=1)
        level = ((scores == best) & ~relevant).sum(axis=1)
        ranks[start : start + QUERY_BLOCK] = 1 + above + level / 2
    return 1.0 / ranks


def mean_reciprocal_rank(vectors: NDArray[np.float32], task: RankingTask) -> float | None:
    """Return the MRR of `reciprocal_ranks`, or None for a task without queries."""
    return float(reciprocal_ranks(vectors, task).mean()) if task.queries.size else None


def _evenly(rows: Int32, most: int) -> Int32:
    """Return at most `most` rows, spread evenly over all."""
    if rows.size <= most:
        return rows
    return rows[np.linspace(0, rows.size - 1, most).astype(np.int64)]
