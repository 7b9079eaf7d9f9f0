"""Training: gradients against finite differences, losses against plain loops, Adam, and the choice of the epoch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.learning.losses import hinge, infonce
from patina_assets.learning.network import Parameters
from patina_assets.learning.projection import Projection, pca_identity, to_safetensors
from patina_assets.learning.train import (
    EpochRecord,
    RelatedMask,
    TrainingOptions,
    loss_and_gradients,
    train,
)
from patina_resources.arrays import Float32, Floats
from patina_resources.errors import PatinaError

SMALL = TrainingOptions(hidden=12, output=4, epochs=3, batch_size=8, learning_rate=0.01, temperature=0.2)
LOSSES = ["infonce", "triplet"]


def unit_rows(values: Floats) -> Float32:
    units: Floats = values / np.linalg.norm(values, axis=1, keepdims=True)
    return units.astype(np.float32)


def small_problem(seed: int = 0) -> tuple[Parameters, Floats, NDArray[np.int32]]:
    """Random float64 network and vectors, and triplets in which texts and anchors repeat in all roles."""
    rng = np.random.default_rng(seed)
    parameters = Parameters(*(rng.standard_normal(shape) for shape in [(7, 5), (7,), (4, 7), (4,)]))
    vectors = rng.standard_normal((9, 5))
    triplets = np.array([[0, 1, 2], [0, 3, 4], [1, 0, 5], [6, 7, 0], [8, 2, 6], [8, 2, 7], [3, 5, 5]], dtype=np.int32)
    return parameters, vectors, triplets


def same_third(rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows 0-2, 3-5, ... belong together."""
    same: NDArray[np.bool_] = rows[:, None] // 3 == columns // 3
    return same


def plain_loss(
    parameters: Parameters,
    vectors: Floats,
    triplets: NDArray[np.int32],
    options: TrainingOptions,
    related: RelatedMask | None,
) -> float:
    """The loss as its definition says it, one triplet and one candidate at a time."""
    units = np.maximum(vectors @ parameters.w1.T + parameters.b1, 0) @ parameters.w2.T + parameters.b2
    units = units / np.linalg.norm(units, axis=1, keepdims=True)

    def excluded(anchor: int, positive: int, candidate: int) -> bool:
        known = related is not None and related(np.array([anchor]), np.array([candidate]))[0, 0]
        return candidate != positive and (candidate == anchor or bool(known))

    losses = []
    for anchor, positive, negative in triplets.tolist():
        gain = units[anchor] @ units[positive]
        if options.loss == "triplet":
            loss = max(0.0, options.margin - gain + units[anchor] @ units[negative])
            losses.append(0.0 if excluded(anchor, positive, negative) else loss)
            continue
        candidates = {c for c in triplets[:, 1:].ravel().tolist() if not excluded(anchor, positive, c)}
        exponentials = [np.exp(units[anchor] @ units[c] / options.temperature) for c in candidates]
        losses.append(-np.log(np.exp(gain / options.temperature) / sum(exponentials)))
    return float(np.mean(losses))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("related", [None, same_third], ids=["no-mask", "mask"])
@pytest.mark.parametrize("seed", [0, 1, 2])
class TestLossAndGradients:
    def test_loss_is_its_definition(self, loss: Any, related: RelatedMask | None, seed: int) -> None:
        parameters, vectors, triplets = small_problem(seed)
        options = replace(SMALL, loss=loss)
        found, _ = loss_and_gradients(parameters, vectors, triplets, options, related)
        assert found > 0
        assert found == pytest.approx(plain_loss(parameters, vectors, triplets, options, related), rel=1e-12)

    def test_every_gradient_is_the_central_difference(self, loss: Any, related: RelatedMask | None, seed: int) -> None:
        parameters, vectors, triplets = small_problem(seed)
        options = replace(SMALL, loss=loss, margin=0.7)
        _, gradients = loss_and_gradients(parameters, vectors, triplets, options, related)
        flat, step = parameters.flat(), 1e-6
        differences = np.empty_like(flat)
        for i in range(len(flat)):
            sides = []
            for sign in (1, -1):
                moved = flat.copy()
                moved[i] += sign * step
                moved_parameters = parameters.views_of(moved)
                sides.append(loss_and_gradients(moved_parameters, vectors, triplets, options, related)[0])
            differences[i] = (sides[0] - sides[1]) / (2 * step)
        assert (differences != 0).mean() > 0.7
        np.testing.assert_allclose(gradients.flat(), differences, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_that_comes_out_as_rounding_error_does_not_steer(loss: Any) -> None:
    parameters, vectors, triplets = small_problem()
    parameters.b1[:], parameters.b2[:] = 0, 0
    vectors[0] *= 1e-9
    _, gradients = loss_and_gradients(parameters, vectors, triplets, replace(SMALL, loss=loss))
    assert np.abs(gradients.flat()).max() < 1e3


def test_related_gets_the_rows_of_the_vectors() -> None:
    parameters, vectors, triplets = small_problem()
    seen: list[tuple[list[int], list[int]]] = []

    def remember(rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.bool_]:
        seen.append((rows.tolist(), columns.tolist()))
        return np.zeros((len(rows), len(columns)), dtype=bool)

    loss_and_gradients(parameters, vectors, triplets[:4], SMALL, remember)
    assert [row for rows, _ in seen for row in rows] == [0, 0, 1, 6]
    assert all(columns == [0, 1, 2, 3, 4, 5, 7] for _, columns in seen)


@pytest.mark.parametrize("loss", LOSSES)
def test_training_is_adam_on_these_gradients(loss: Any) -> None:
    """Adam as algorithm 1 of Kingma & Ba 2015 states it, in float64, one batch an epoch."""
    vectors = unit_rows(np.random.default_rng(0).standard_normal((9, 5)))
    triplets = small_problem()[2]
    options = replace(SMALL, loss=loss, epochs=5)
    start = pca_identity(vectors, options.hidden, options.output, options.seed)
    shaped = Parameters(*vars(start).values())
    flat = shaped.flat().astype(np.float64)
    mean, square, losses = np.zeros_like(flat), np.zeros_like(flat), []
    for step in range(1, options.epochs + 1):
        loss_value, gradients = loss_and_gradients(shaped.views_of(flat), vectors.astype(np.float64), triplets, options)
        losses.append(loss_value)
        gradient = gradients.flat()
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected = mean / (1 - 0.9**step), square / (1 - 0.999**step)
        flat -= options.learning_rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
    result = train(vectors, triplets, options)
    assert [record.loss for record in result.history[1:]] == pytest.approx(losses, rel=1e-4)
    np.testing.assert_allclose(Parameters(*vars(result.projection).values()).flat(), flat, atol=2e-4)


class Clusters:
    """Texts of 40 topics, 8 each, in a rotated space where most of a vector's length is not about its topic."""

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        topics = np.repeat(np.arange(40), 8)
        about, noise = rng.standard_normal((40, 6))[topics], 2.0 * rng.standard_normal((len(topics), 10))
        rotation = np.linalg.qr(rng.standard_normal((16, 16))).Q
        self.topics = topics
        self.vectors = unit_rows(np.concatenate([about, noise], axis=1) @ rotation)
        anchors = rng.integers(0, 30 * 8, 1500)
        positives = anchors // 8 * 8 + rng.integers(0, 8, len(anchors))
        negatives = rng.integers(0, 30 * 8, len(anchors))
        useful = (positives != anchors) & (negatives // 8 != anchors // 8)
        self.triplets = np.stack([anchors, positives, negatives], axis=1)[useful].astype(np.int32)

    def related(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = self.topics[rows][:, None] == self.topics[columns]
        return same

    def held_out_mrr(self, projection: Projection) -> float:
        """MRR over the 10 topics that no triplet names: where the nearest text of the same topic ranks."""
        units, topics = projection.apply(self.vectors[30 * 8 :]), self.topics[30 * 8 :]
        cosines = units @ units.T
        np.fill_diagonal(cosines, -2)
        hits = topics[np.argsort(-cosines, axis=1)] == topics[:, None]
        return float((1 / (1 + hits.argmax(axis=1))).mean())


@pytest.fixture(scope="module")
def clusters() -> Clusters:
    return Clusters()


@pytest.mark.parametrize(("positive", "loss"), [(0, 0.0), (1, 100.0)])
def test_a_small_temperature_does_not_overflow(positive: int, loss: float) -> None:
    cosines, columns = np.array([[1.0, 0.5]], np.float32), np.array([positive])
    losses, slopes = infonce(cosines, columns, np.zeros((1, 2), np.bool_), 0.005)
    assert losses.dtype == slopes.dtype == np.float32
    np.testing.assert_allclose(losses, [loss], atol=1e-4)
    np.testing.assert_allclose(slopes, [[200.0, -200.0]] if positive else [[0.0, 0.0]], atol=1e-3)


def test_a_triplet_just_far_enough_apart_is_left_alone() -> None:
    cosines = np.array([[0.5, 0.25], [0.5, 0.375]], np.float32)
    losses, slopes = hinge(cosines, np.zeros(2, int), np.ones(2, int), np.zeros((2, 2), np.bool_), 0.25)
    assert losses.tolist() == [0.0, 0.125]
    assert slopes.tolist() == [[0.0, 0.0], [-1.0, 1.0]]


LEARNING = TrainingOptions(hidden=64, output=16, epochs=12, batch_size=128, learning_rate=2e-3, temperature=0.1)


@pytest.mark.parametrize("loss", LOSSES)
def test_training_raises_held_out_mrr(clusters: Clusters, loss: Any) -> None:
    options = replace(LEARNING, loss=loss)
    seen: list[EpochRecord] = []
    result = train(
        clusters.vectors,
        clusters.triplets,
        options,
        related=clusters.related,
        validate=clusters.held_out_mrr,
        progress=seen.append,
    )
    base = result.history[0].mrr
    best = max(record.mrr or 0 for record in result.history)
    assert base is not None
    assert best > base + 0.05
    assert clusters.held_out_mrr(result.projection) == best == result.history[result.best_epoch].mrr
    losses = [record.loss for record in result.history]
    assert losses[0] is None
    assert losses[-1] < losses[1]  # type: ignore[operator]
    assert tuple(seen) == result.history
    assert [record.epoch for record in seen] == list(range(13))


def test_epoch_0_ranks_as_the_base_vectors_do(clusters: Clusters) -> None:
    start = train(clusters.vectors, clusters.triplets, replace(LEARNING, epochs=0)).projection
    units = start.apply(clusters.vectors)
    np.testing.assert_allclose(units @ units.T, clusters.vectors @ clusters.vectors.T, atol=2e-6)


@pytest.mark.parametrize(
    ("scores", "best"), [([0.5, 0.6, 0.7, 0.4], 2), ([0.5, 0.4, 0.3, 0.2], 0), ([0.5, 0.6, 0.6, 0.6], 1)]
)
def test_best_epoch_is_returned(clusters: Clusters, scores: list[float], best: int) -> None:
    remaining, candidates = iter(scores), []

    def validate(projection: Projection) -> float:
        candidates.append(to_safetensors(projection, {}))
        return next(remaining)

    result = train(clusters.vectors, clusters.triplets, replace(LEARNING, epochs=3), validate=validate)
    assert result.best_epoch == best
    assert to_safetensors(result.projection, {}) == candidates[best]
    assert len(set(candidates)) == 4
    assert [record.mrr for record in result.history] == scores


def test_without_validation_the_last_epoch_is_returned(clusters: Clusters) -> None:
    options = replace(LEARNING, epochs=2)
    chosen = train(clusters.vectors, clusters.triplets, replace(LEARNING, epochs=4), validate=ChooseEpoch(2))
    refit = train(clusters.vectors, clusters.triplets, options)
    assert (chosen.best_epoch, refit.best_epoch, len(refit.history)) == (2, 2, 3)
    assert {record.mrr for record in refit.history} == {None}
    assert to_safetensors(refit.projection, {}) == to_safetensors(chosen.projection, {})


class ChooseEpoch:
    """A `validate` that values one epoch only."""

    def __init__(self, epoch: int) -> None:
        self.remaining = epoch

    def __call__(self, _: Projection) -> float:
        self.remaining -= 1
        return float(self.remaining == -1)


def test_two_trainings_give_equal_bytes(clusters: Clusters) -> None:
    options = replace(LEARNING, epochs=2)
    first, second, other = (
        to_safetensors(train(clusters.vectors, clusters.triplets, each, related=clusters.related).projection, {})
        for each in (options, options, replace(options, seed=1))
    )
    assert first == second
    assert first != other


def test_no_epochs_need_no_triplets(clusters: Clusters) -> None:
    result = train(clusters.vectors, np.empty((0, 3), np.int32), replace(LEARNING, epochs=0))
    start = pca_identity(clusters.vectors, 64, 16, seed=0)
    assert to_safetensors(result.projection, {}) == to_safetensors(start, {})
    assert (result.best_epoch, len(result.history)) == (0, 1)


def test_triplets_with_a_zero_vector_are_left_out(clusters: Clusters) -> None:
    options = replace(LEARNING, epochs=1)
    vectors = np.concatenate([clusters.vectors, np.zeros((1, 16), np.float32)])
    more = np.concatenate([clusters.triplets, [[0, 1, len(clusters.vectors)]]]).astype(np.int32)
    with_zero = train(vectors, more, options).projection
    without = train(vectors, clusters.triplets, options).projection
    assert to_safetensors(with_zero, {}) == to_safetensors(without, {})


class TestWrongInput:
    def test_no_triplets(self, clusters: Clusters) -> None:
        with pytest.raises(PatinaError, match="no triplets to learn from"):
            train(clusters.vectors, np.empty((0, 3), np.int32), LEARNING)

    @pytest.mark.parametrize("row", [-1, 320])
    def test_rows_out_of_range(self, clusters: Clusters, row: int) -> None:
        with pytest.raises(PatinaError, match="but there are 320 vectors"):
            train(clusters.vectors, np.array([[0, 1, row]], np.int32), LEARNING)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_vectors_that_are_not_finite(self, clusters: Clusters, value: float) -> None:
        vectors = clusters.vectors.copy()
        vectors[3, 4] = value
        with pytest.raises(PatinaError, match="not finite"):
            train(vectors, clusters.triplets, LEARNING)

    @pytest.mark.filterwarnings("error")
    def test_divergence_names_the_learning_rate(self, clusters: Clusters) -> None:
        with pytest.raises(PatinaError, match=r"diverged in epoch \d.*now 1e\+30"):
            train(clusters.vectors, clusters.triplets, replace(LEARNING, learning_rate=1e30))
