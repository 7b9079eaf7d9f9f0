"""The choice of the start: validation decides whether principal directions are evened out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.pairs.relations import Relations, Split, related_texts
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.stages.fit import Fit, fit_projection
from patina_assets.stages.train import TrainingOptions

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


def fit(vectors: NDArray[np.float32], *, epochs: int = 0) -> Fit:
    contexts = relations()
    training = contexts.only(Split.TRAIN)
    return fit_projection(
        vectors,
        contexts,
        sample_triplets(contexts, related_texts(contexts), 200, seed=0),
        sample_triplets(training, related_texts(training), 200, seed=0),
        TrainingOptions(hidden=48, output=16, epochs=epochs),
    )


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


def test_the_same_input_gives_the_same_weights() -> None:
    first, second = (fit(embeddings(signal=0.3, noise=1.0), epochs=2).projection for _ in range(2))
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, vars(second)[name])
