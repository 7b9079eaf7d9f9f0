"""What validation decides: whether principal directions are evened out, for how long to train, and whether at all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.learning.evaluate import query_scores, ranking_task
from patina_assets.learning.fit import LEAST_GAIN, Fit, fit_projection, is_clear_gain
from patina_assets.learning.negatives import near_negatives
from patina_assets.learning.projection import pca_identity, whitened_pca
from patina_assets.learning.train import TrainingOptions, train
from patina_assets.pairs.relations import Relations, related_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.triplet import sample_triplets

CONTEXTS, MEMBERS = 60, 3


def relations() -> Relations:
    """Return contexts of three texts each: two thirds to train on, a sixth each to validate and to test."""
    texts = CONTEXTS * MEMBERS
    parts = (Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.TEST)
    return Relations(
        texts=texts,
        offsets=np.arange(0, texts + 1, MEMBERS, dtype=np.int64),
        members=np.arange(texts, dtype=np.int32),
        split=np.resize(np.array(parts, np.int8), CONTEXTS),
        apart=np.zeros((texts, 0), np.uint64),
    )


def embeddings(signal: float, noise: float) -> NDArray[np.float32]:
    """Return unit vectors: eight directions tell a text's context, eight others are the text's own."""
    random = np.random.default_rng(0)
    told = np.repeat(random.standard_normal((CONTEXTS, 8)), MEMBERS, axis=0) * signal
    own = random.standard_normal((CONTEXTS * MEMBERS, 8)) * noise
    vectors = np.concatenate([told, own], axis=1)
    units: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def fit(
    vectors: NDArray[np.float32],
    *,
    epochs: int = 0,
    output: int = 16,
    without: Split | None = None,
    hard_negatives: bool = False,
) -> Fit:
    contexts = relations().only(*(split for split in Split if split is not without))
    training = contexts.only(Split.TRAIN)
    return fit_projection(
        vectors,
        contexts,
        sample_triplets(contexts, related_texts(contexts), 200, seed=0),
        sample_triplets(training, related_texts(training), 200, seed=0),
        TrainingOptions(hidden=48, output=output, epochs=epochs),
        hard_negatives=hard_negatives,
    )


def test_the_last_fit_has_near_negatives_where_the_first_had_them() -> None:
    vectors = embeddings(signal=0.3, noise=1.0)
    found = fit(vectors, epochs=3, hard_negatives=True)
    assert found.best_epoch
    contexts = relations()
    known = related_texts(contexts)
    triplets = near_negatives(vectors, sample_triplets(contexts, known, 200, seed=0), known, 0)
    options = TrainingOptions(hidden=48, output=16, epochs=found.best_epoch)
    start = {"pca": pca_identity, "whitened pca": whitened_pca}[found.start](vectors, 48, 16, 0)
    expected = train(vectors, triplets, options, start=start, related=known.never_negative_mask).projection
    np.testing.assert_array_equal(found.projection.w1, expected.w1)
    np.testing.assert_array_equal(found.projection.w2, expected.w2)


def test_without_validation_queries_nothing_is_trained_and_nothing_is_said_of_validation() -> None:
    found = fit(embeddings(signal=0.3, noise=1.0), epochs=3, without=Split.VALIDATION)
    assert (found.best_epoch, len(found.history)) == (0, 1)
    assert found.metrics["validation_queries"] == 0
    assert found.metrics["validation_mrr"] is found.metrics["validation_base_mrr"] is None
    assert found.metrics["test_queries"] == len([split for split in relations().split if split == Split.TEST]) * MEMBERS
    assert found.metrics["mrr"] is not None


def test_without_test_queries_nothing_is_said_of_the_test() -> None:
    found = fit(embeddings(signal=0.3, noise=1.0), epochs=2, without=Split.TEST)
    assert found.evaluation == []
    assert found.metrics["test_queries"] == 0
    told = {name: value for name, value in found.metrics.items() if "validation" not in name and name != "test_queries"}
    assert len(told) == 9
    assert set(told.values()) == {None}
    assert found.metrics["validation_mrr"] == max(record.mrr or 0.0 for record in found.history)


def test_weak_directions_that_tell_contexts_are_enlarged() -> None:
    assert fit(embeddings(signal=0.2, noise=1.0)).start == "whitened pca"


def test_vectors_that_rank_without_a_mistake_are_left_as_they_are() -> None:
    found = fit(embeddings(signal=1.0, noise=0.01))
    assert (found.start, found.metrics["validation_mrr"]) == ("pca", 1.0)


@pytest.mark.parametrize("epochs", [0, 2])
def test_what_is_measured_is_no_worse_on_validation_than_any_epoch(epochs: int) -> None:
    found = fit(embeddings(signal=0.3, noise=1.0), epochs=epochs)
    mrrs = [record.mrr or 0.0 for record in found.history]
    assert len(mrrs) == epochs + 1
    assert found.metrics["validation_mrr"] == pytest.approx(max(mrrs))
    assert found.best_epoch == mrrs.index(max(mrrs))


# Signal, noise, outputs; with eight outputs the start leaves half of the embeddings' directions out. The gain is clear
# over both, over none, over epoch 0 alone, and over the embeddings alone.
SHAPES = [(0.3, 0.1, 16), (0.3, 1.0, 16), (1.0, 1.5, 16), (0.3, 2.0, 8), (0.7, 1.0, 8), (0.5, 2.0, 16)]


@pytest.mark.parametrize("shape", SHAPES)
def test_training_is_kept_where_its_gain_is_clear_and_only_there(shape: tuple[float, float, int]) -> None:
    signal, noise, output = shape
    vectors = embeddings(signal, noise)
    found = fit(vectors, epochs=6, output=output)
    contexts = relations()
    fitting = contexts.only(Split.TRAIN)
    trained_on = related_texts(fitting)
    validation = ranking_task(contexts.only(Split.VALIDATION), trained_on)
    mrrs = [record.mrr or 0.0 for record in found.history]
    best = mrrs.index(max(mrrs))
    options = TrainingOptions(hidden=48, output=output, epochs=best)
    start = {"pca": pca_identity, "whitened pca": whitened_pca}[found.start](vectors, 48, output, 0)
    triplets = sample_triplets(fitting, trained_on, 200, seed=0)
    trained = train(vectors, triplets, options, start=start, related=trained_on.never_negative_mask).projection
    ranks, start_ranks, base_ranks = (
        query_scores(entry, validation)[:, 0] for entry in (trained.apply(vectors), start.apply(vectors), vectors)
    )
    kept = best > 0 and (is_clear_gain(ranks - base_ranks) or is_clear_gain(ranks - start_ranks))
    assert found.best_epoch == (best if kept else 0)
    np.testing.assert_array_equal(found.measured.w1, trained.w1 if kept else start.w1)
    assert np.array_equal(found.projection.w1, start.w1) == (not kept)


def test_vectors_that_rank_without_a_mistake_are_not_trained() -> None:
    found = fit(embeddings(signal=1.0, noise=0.01), epochs=3)
    assert (found.start, found.best_epoch, len(found.history)) == ("pca", 0, 4)


def test_a_gain_is_clear_above_a_standard_error() -> None:
    spread = np.tile([1.0, -1.0], 50)
    error = spread.std(ddof=1) / 10
    assert is_clear_gain(spread + (LEAST_GAIN + 0.01) * error)
    assert not is_clear_gain(spread + (LEAST_GAIN - 0.01) * error)
    assert is_clear_gain(np.full(9, 0.01))
    assert not is_clear_gain(np.zeros(9))
    assert not is_clear_gain(np.full(9, -0.1))
    # Of few queries the standard error counts one degree of freedom less.
    assert not is_clear_gain(np.array([-0.1, 2.0]))
    assert is_clear_gain(np.array([0.1, 2.0]))
    assert is_clear_gain(np.array([0.5]))
    assert not is_clear_gain(np.array([0.0]))


def test_the_same_input_gives_the_same_weights() -> None:
    first, second = (fit(embeddings(signal=0.3, noise=1.0), epochs=2).projection for _ in range(2))
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, vars(second)[name])
