"""Train a projection, choose its epoch on the validation part, measure it on the test part, refit it on everything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.evaluate import (
    METRICS,
    RankingTask,
    Scores,
    evaluation_rows,
    held_out_task,
    mean_reciprocal_rank,
    query_scores,
    ranking_task,
    reciprocal_ranks,
)
from patina_assets.learning.negatives import near_negatives
from patina_assets.learning.projection import Projection, pca_identity, random_network, whitened_pca
from patina_assets.learning.train import EpochRecord, TrainingOptions, TrainingResult, train
from patina_assets.learning.verdict import measured_gain
from patina_assets.pairs.relations import Relations, related_texts
from patina_assets.pairs.splits import Split
from patina_resources.arrays import Int32

# What was trained is kept where its mean gain on validation queries is above so many standard errors.
LEAST_GAIN = 1.0


@dataclass(frozen=True)
class Fit:
    """A trained projection and what is known of it.

    Attributes:
        projection: Trained on all pairs for `best_epoch` epochs.
        measured: Trained on the training part alone: what the metrics are of.
        start: What epoch 0 is: the `pca` of the embeddings or the `whitened pca`, whichever validates better.
        best_epoch: The epoch with the highest validation MRR, 0 included; 0 unless that is a clear gain over the
            embeddings or over epoch 0.
        history: Loss and validation MRR of each epoch of the first fit.
        metrics: On the test part `mrr`, `recall_at_10` and `triplet_accuracy`, and the same of `base_` and `random_`
            vectors; of the validation part the MRRs, the gain and its interval; None without queries.
        evaluation: The test part's table with intervals (`evaluation_rows`); empty without queries.
    """

    projection: Projection
    measured: Projection
    start: str
    best_epoch: int
    history: tuple[EpochRecord, ...]
    metrics: Mapping[str, float | int | None]
    evaluation: Sequence[Mapping[str, str | float]]


def fit_projection(
    vectors: NDArray[np.float32],
    relations: Relations,
    triplets: Int32,
    training_triplets: Int32,
    options: TrainingOptions,
    progress: Callable[[EpochRecord], None] | None = None,
    *,
    hard_negatives: bool = False,
) -> Fit:
    """Return a projection fitted on all triplets, with the number of epochs that held-out contexts ask for.

    Args:
        vectors: float32 [texts, dim], unit rows: the embeddings.
        relations: All contexts with their splits.
        triplets: int32 [m, 3] from all contexts, for the final fit.
        training_triplets: int32 [k, 3] from the training contexts only.
        options: The recipe's values.
        progress: Called after each epoch.
        hard_negatives: Take negatives from the anchor's nearest texts (`near_negatives`), not those of the triplets.
    """
    first = measured_fit(vectors, relations, training_triplets, options, progress, hard_negatives=hard_negatives)
    known = related_texts(relations)
    if hard_negatives and first.result.best_epoch:
        triplets = near_negatives(vectors, triplets, known, options.seed)
    final = train(
        vectors,
        triplets,
        replace(options, epochs=first.result.best_epoch),
        start=first.start,
        related=known.never_negative_mask,
        progress=progress,
    )
    measured, validation, test = first.result.projection, first.validation, held_out_task(relations)
    scores = _test_scores(vectors, test, measured, options)
    evaluation = evaluation_rows(scores, options.seed) if test.queries.size else []
    metrics = {
        **_test_metrics(evaluation),
        **_validation_metrics(vectors, validation, measured, options.seed),
        "test_queries": int(test.queries.size),
    }
    result = first.result
    return Fit(final.projection, measured, first.name, result.best_epoch, result.history, metrics, evaluation)


@dataclass(frozen=True)
class MeasuredFit:
    """A projection of the training part alone.

    Attributes:
        name: What epoch 0 is, as in `Fit.start`.
        start: Epoch 0.
        result: The chosen epoch's projection, and how it got there.
        validation: What the choices were made on.
    """

    name: str
    start: Projection
    result: TrainingResult
    validation: RankingTask


def measured_fit(
    vectors: NDArray[np.float32],
    relations: Relations,
    training_triplets: Int32,
    options: TrainingOptions,
    progress: Callable[[EpochRecord], None] | None = None,
    *,
    hard_negatives: bool = False,
) -> MeasuredFit:
    """Return the fit on the training part, its start and its epoch chosen on the validation part.

    What was trained is taken if it is clearly better (`is_clear_gain`) than the embeddings or than epoch 0, which has
    fewer dimensions than they. Otherwise, and without validation queries, epoch 0 is taken. The arguments are those of
    `fit_projection`.
    """
    trained_on = related_texts(relations.only(Split.TRAIN))
    if hard_negatives:
        training_triplets = near_negatives(vectors, training_triplets, trained_on, options.seed)
    validation = ranking_task(relations.only(Split.VALIDATION), trained_on)
    if not validation.queries.size:
        options = replace(options, epochs=0)
    starts = {
        name: make(vectors, options.hidden, options.output, options.seed)
        for name, make in (("pca", pca_identity), ("whitened pca", whitened_pca))
    }
    chosen = max(starts, key=lambda name: _mrr(vectors, validation, starts[name]))
    start = starts[chosen]
    result = train(
        vectors,
        training_triplets,
        options,
        start=start,
        related=trained_on.never_negative_mask,
        validate=lambda projection: _mrr(vectors, validation, projection),
        progress=progress,
    )
    if result.best_epoch:
        ranks = [_reciprocal_ranks(vectors, validation, entry) for entry in (result.projection, start)]
        base = reciprocal_ranks(vectors, validation)
        if not (is_clear_gain(ranks[0] - base) or is_clear_gain(ranks[0] - ranks[1])):
            result = replace(result, projection=start, best_epoch=0)
    return MeasuredFit(chosen, start, result, validation)


def is_clear_gain(gains: Scores) -> bool:
    """Return whether the mean gain of validation queries, float64 [q], is above LEAST_GAIN of its standard errors.

    The one-standard-error rule (Breiman et al. 1984, Classification and Regression Trees, 3.4.3): of what cannot be
    told apart, the simplest.
    """
    error = float(gains.std(ddof=1)) / np.sqrt(gains.size) if gains.size > 1 else 0.0
    return bool(gains.mean() > LEAST_GAIN * error)


def _test_scores(
    vectors: NDArray[np.float32], test: RankingTask, trained: Projection, options: TrainingOptions
) -> dict[str, Scores]:
    """Return each query's scores with base vectors, with those of an untrained network, and with trained ones."""
    random = random_network(vectors.shape[1], options.hidden, options.output, options.seed)
    return {
        "base": query_scores(vectors, test),
        "random": query_scores(_projected(vectors, test, random), test),
        "trained": query_scores(_projected(vectors, test, trained), test),
    }


def _test_metrics(evaluation: Sequence[Mapping[str, str | float]]) -> dict[str, float | None]:
    """Return each metric's mean by name: `mrr` of trained vectors, `base_mrr`, `random_mrr` and so on."""
    rows = {row["vectors"]: row for row in evaluation}
    means = {}
    for kind in ("base", "random", "trained"):
        for metric in METRICS:
            name = metric if kind == "trained" else f"{kind}_{metric}"
            means[name] = float(rows[kind][metric]) if rows else None
    return means


def _validation_metrics(
    vectors: NDArray[np.float32], task: RankingTask, trained: Projection, seed: int
) -> dict[str, float | int | None]:
    base, ranks = reciprocal_ranks(vectors, task), _reciprocal_ranks(vectors, task, trained)
    gain = measured_gain(base, ranks, seed)
    return {
        "validation_base_mrr": float(base.mean()) if gain else None,
        "validation_mrr": float(ranks.mean()) if gain else None,
        "validation_gain": gain.value if gain else None,
        "validation_gain_low": gain.low if gain else None,
        "validation_gain_high": gain.high if gain else None,
        "validation_queries": int(task.queries.size),
    }


def _mrr(vectors: NDArray[np.float32], task: RankingTask, projection: Projection) -> float:
    return mean_reciprocal_rank(_projected(vectors, task, projection), task) or 0.0


def _reciprocal_ranks(vectors: NDArray[np.float32], task: RankingTask, projection: Projection) -> Scores:
    return reciprocal_ranks(_projected(vectors, task, projection), task)


def _projected(vectors: NDArray[np.float32], task: RankingTask, projection: Projection) -> NDArray[np.float32]:
    """Return projected vectors, float32 [texts, output]; only the texts of the task are projected."""
    rows = np.union1d(task.queries, task.candidates)
    projected = np.zeros((len(vectors), projection.output_dims), np.float32)
    projected[rows] = projection.apply(vectors[rows])
    return projected
