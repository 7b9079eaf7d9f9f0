"""Weights that are continued: from where they are, with what is new drawn more often than what they have seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.evaluate import new_relations_task, reciprocal_ranks
from patina_assets.learning.negatives import near_negatives
from patina_assets.learning.projection import Projection
from patina_assets.learning.train import EpochRecord, TrainingOptions, train
from patina_assets.pairs.relations import RelatedTexts, Relations, related_texts
from patina_assets.pairs.triplet import sample_triplets
from patina_resources.arrays import Int32, Mask

# A relation that was not seen yet is drawn so many times as often as one that was.
TIMES_AS_OFTEN = 3
# Few large steps: one in so many of the triplets of a training from the start, at so many times its step size
# (docs/drift-figures.md has what other choices gave).
ONE_IN = 2
TIMES_AS_FAR = 6

IsNew = Callable[[Int32, Int32], Mask]
"""`is_new(first, second)`: bool, True where the relation between two rows of texts has not been seen."""


@dataclass(frozen=True)
class Continuation:
    """Continued weights, and what they were worth before.

    Attributes:
        projection: The continued one.
        next_mrr: MRR of the weights before, on relations that they had not seen; None where there are none.
        next_base_mrr: The same of the base vectors.
        next_error: The standard error of the difference of the two; None for fewer than two queries.
        next_queries: How many queries that was asked of.
        loss: Mean loss of the last epoch.
    """

    projection: Projection
    next_mrr: float | None
    next_base_mrr: float | None
    next_error: float | None
    next_queries: int
    loss: float | None


def continue_projection(
    start: Projection,
    vectors: NDArray[np.float32],
    relations: Relations,
    is_new: IsNew,
    count: int,
    options: TrainingOptions,
    progress: Callable[[EpochRecord], None] | None = None,
    *,
    hard_negatives: bool = False,
) -> Continuation:
    """Return weights trained on from `start`, on all relations, with a fresh optimizer.

    Args:
        start: The weights that are continued.
        vectors: float32 [texts, dim], unit rows: the embeddings.
        relations: All contexts; none is held out.
        is_new: Which relations `start` has not seen.
        count: How many triplets an epoch of a training from the start has at most.
        options: From `of_continuation`.
        progress: Called after each epoch.
        hard_negatives: Take negatives from the anchor's nearest texts (`near_negatives`).

    Raises:
        PatinaError: No usable triplets, or divergence.
    """
    task = new_relations_task(relations, is_new)
    ranks, base = reciprocal_ranks(start.apply(vectors), task), reciprocal_ranks(vectors, task)
    queries = int(task.queries.size)
    related = related_texts(relations)
    triplets = favouring_new(relations, related, is_new, -(-count // ONE_IN), options.seed)
    if hard_negatives:
        triplets = near_negatives(vectors, triplets, related, options.seed)
    result = train(vectors, triplets, options, start=start, related=related.never_negative_mask, progress=progress)
    return Continuation(
        projection=result.projection,
        next_mrr=float(ranks.mean()) if queries else None,
        next_base_mrr=float(base.mean()) if queries else None,
        next_error=float((ranks - base).std(ddof=1)) / math.sqrt(queries) if queries > 1 else None,
        next_queries=queries,
        loss=result.history[-1].loss,
    )


def favouring_new(relations: Relations, related: RelatedTexts, is_new: IsNew, count: int, seed: int) -> Int32:
    """Return int32 [at most count, 3]: triplets as a training from the start draws them, new ones TIMES_AS_OFTEN.

    Args:
        relations: Contexts to draw from.
        related: Pairs that may not become negatives.
        is_new: Which relations are new.
        count: Number of triplets.
        seed: Same seed and contexts, same triplets.
    """
    drawn = sample_triplets(relations, related, TIMES_AS_OFTEN * count, seed)
    new = is_new(drawn[:, 0], drawn[:, 1])
    seen = np.flatnonzero(~new)[::TIMES_AS_OFTEN]
    chosen = np.sort(np.concatenate([np.flatnonzero(new), seen]))
    triplets: Int32 = drawn[chosen[:count]]
    return triplets


def of_continuation(options: TrainingOptions, epochs: int, number: int) -> TrainingOptions:
    """Return the options of a continuation: so many epochs, larger steps, and draws of its own.

    Args:
        options: The recipe's values.
        epochs: How many epochs to go on.
        number: How often the weights were continued before.
    """
    farther = options.learning_rate * TIMES_AS_FAR
    return replace(options, epochs=epochs, learning_rate=farther, seed=options.seed + number + 1)
