"""Train a projection, choose its epoch on the validation part, measure it on the test part, refit it on everything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.relations import Int32, Relations, Split, related_texts
from patina_assets.stages.evaluate import RankingTask, mean_reciprocal_rank, ranking_task
from patina_assets.stages.projection import Projection, pca_identity, whitened_pca
from patina_assets.stages.train import EpochRecord, TrainingOptions, train


@dataclass(frozen=True)
class Fit:
    """A trained projection and what is known of it.

    Attributes:
        projection: Trained on all pairs for `best_epoch` epochs.
        start: What epoch 0 is: the `pca` of the embeddings or the `whitened pca`, whichever validates better.
        best_epoch: The epoch with the highest validation MRR, 0 included.
        history: Loss and validation MRR of each epoch of the first fit.
        metrics: `base_mrr` and `mrr` on the test part (None without queries), `validation_mrr`, `test_queries`.
    """

    projection: Projection
    start: str
    best_epoch: int
    history: tuple[EpochRecord, ...]
    metrics: Mapping[str, float | int | None]


def fit_projection(
    vectors: NDArray[np.float32],
    relations: Relations,
    triplets: Int32,
    training_triplets: Int32,
    options: TrainingOptions,
    progress: Callable[[EpochRecord], None] | None = None,
) -> Fit:
    """Return a projection fitted on all triplets, with the number of epochs that held-out contexts ask for.

    Without validation queries there is no evidence that training helps, and epoch 0 is kept.

    Args:
        vectors: float32 [texts, dim], unit rows: the embeddings.
        relations: All contexts with their splits.
        triplets: int32 [m, 3] from all contexts, for the final fit.
        training_triplets: int32 [k, 3] from the training contexts only.
        options: The recipe's values.
        progress: Called after each epoch.
    """

    def mrr(task: RankingTask, projection: Projection) -> float:
        return _projected_mrr(vectors, task, projection) or 0.0

    trained_on = related_texts(relations.only(Split.TRAIN))
    validation = ranking_task(relations.only(Split.VALIDATION), trained_on)
    if not validation.queries.size:
        options = replace(options, epochs=0)
    starts = {
        name: make(vectors, options.hidden, options.output, options.seed)
        for name, make in (("pca", pca_identity), ("whitened pca", whitened_pca))
    }
    chosen = max(starts, key=lambda name: mrr(validation, starts[name]))
    first = train(
        vectors,
        training_triplets,
        options,
        start=starts[chosen],
        related=trained_on.never_negative_mask,
        validate=lambda projection: mrr(validation, projection),
        progress=progress,
    )
    test = ranking_task(relations.only(Split.TEST), related_texts(relations.only(Split.TRAIN, Split.VALIDATION)))
    final = train(
        vectors,
        triplets,
        replace(options, epochs=first.best_epoch),
        start=starts[chosen],
        related=related_texts(relations).never_negative_mask,
        progress=progress,
    )
    metrics = {
        "base_mrr": mean_reciprocal_rank(vectors, test),
        "mrr": _projected_mrr(vectors, test, first.projection),
        "validation_base_mrr": mean_reciprocal_rank(vectors, validation),
        "validation_mrr": _projected_mrr(vectors, validation, first.projection),
        "validation_queries": int(validation.queries.size),
        "test_queries": int(test.queries.size),
    }
    return Fit(final.projection, chosen, first.best_epoch, first.history, metrics)


def _projected_mrr(vectors: NDArray[np.float32], task: RankingTask, projection: Projection) -> float | None:
    """Return the MRR after projection; only the texts of the task are projected."""
    rows = np.union1d(task.queries, task.candidates)
    projected = np.zeros((len(vectors), projection.output_dims), np.float32)
    projected[rows] = projection.apply(vectors[rows])
    return mean_reciprocal_rank(projected, task)
