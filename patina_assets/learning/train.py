"""Training of a projection in numpy: contrastive loss, backpropagation, Adam, and the choice of the epoch."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.adam import Adam
from patina_assets.learning.losses import hinge, infonce
from patina_assets.learning.network import Activations, Buffers, Parameters, backward, forward
from patina_assets.learning.parts import Each, at_once, one_by_one
from patina_assets.learning.projection import Projection, pca_identity
from patina_resources.arrays import Floats, Integers, Mask, sorted_unique
from patina_resources.errors import PatinaError

RelatedMask = Callable[[Integers, Integers], Mask]
"""`related(rows, columns)`: bool [rows, columns], True where two rows of `vectors` are known to belong together."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Attributes:
        hidden: Number of hidden units.
        output: Length of a projected vector.
        epochs: Passes over all triplets; 0 gives the PCA-identity start.
        batch_size: Most triplets in a batch; batches of an epoch are equally large, give or take one.
        learning_rate: Adam's step size.
        loss: `infonce` (in-batch softmax) or `triplet` (hinge).
        margin: Of the triplet loss: by how much a positive should be closer than a negative, in cosine.
        temperature: Of InfoNCE: cosines are divided by it before the softmax.
        seed: Seed of the random part of the start and of the shuffling.
    """

    hidden: int
    output: int
    epochs: int
    batch_size: int = 256
    learning_rate: float = 1e-4
    loss: Literal["infonce", "triplet"] = "infonce"
    margin: float = 0.2
    temperature: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class EpochRecord:
    """One line of the training history.

    Attributes:
        epoch: 0 is the start, before any training.
        loss: Mean loss of the epoch's triplets, measured while they were trained on; None for epoch 0.
        mrr: What `validate` said after the epoch; None without `validate`.
        seconds: Wall-clock time of the epoch with its validation.
    """

    epoch: int
    loss: float | None
    mrr: float | None
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """The projection of the best epoch, and how it got there (`history` begins with epoch 0)."""

    projection: Projection
    best_epoch: int
    history: tuple[EpochRecord, ...]


def train(
    vectors: NDArray[np.float32],
    triplets: NDArray[np.int32],
    options: TrainingOptions,
    *,
    start: Projection | None = None,
    related: RelatedMask | None = None,
    validate: Callable[[Projection], float] | None = None,
    progress: Callable[[EpochRecord], None] | None = None,
) -> TrainingResult:
    """Return the trained projection; byte-identical from run to run on one machine.

    Starts at `start`, or at `pca_identity`. With `validate` the projection of the epoch that it values most is returned
    (epoch 0 included, the earliest of equals), without it that of the last epoch.

    Args:
        vectors: float32 [n, input], rows of unit length; triplets with an all-zero row are left out.
        triplets: int32 [m, 3], rows of `vectors` as (anchor, positive, negative).
        options: How to train.
        start: Epoch 0; None for the PCA of `vectors`.
        related: Which rows belong together, so that they do not count as negatives of each other.
        validate: Returns the held-out MRR of a projection.
        progress: Called after each epoch, 0 included.

    Raises:
        PatinaError: No usable triplets, rows out of range, vectors that are not finite, or divergence.
    """
    triplets = _usable(triplets, vectors)
    if options.epochs > 0 and not len(triplets):
        raise PatinaError("training: there are no triplets to learn from: expected at least one")
    start = start or pca_identity(vectors, options.hidden, options.output, options.seed)
    history: list[EpochRecord] = []
    best_epoch, best_score = 0, -np.inf
    started = time.perf_counter()
    for epoch, (loss, projection) in enumerate(train_epochs(start, vectors, triplets, options, related)):
        mrr = validate(projection) if validate else None
        score = float(epoch) if mrr is None else mrr
        if epoch == 0 or score > best_score:
            best, best_epoch, best_score = projection, epoch, score
        now = time.perf_counter()
        history.append(EpochRecord(epoch, loss, mrr, now - started))
        started = now
        if progress:
            progress(history[-1])
    return TrainingResult(best, best_epoch, tuple(history))


def _usable(triplets: NDArray[np.int32], vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the triplets whose three vectors have a direction."""
    if len(triplets) and (triplets.min() < 0 or triplets.max() >= len(vectors)):
        raise PatinaError(
            f"training: triplets name rows {triplets.min()} to {triplets.max()}, but there are {len(vectors)} "
            f"vectors: pairs and embeddings come from different builds, run `patina oxidize --full`"
        )
    # A row's sum is finite if its values are, and needs no copy of them.
    if not np.isfinite(vectors.sum(axis=1)).all():
        raise PatinaError("training: vectors hold values that are not finite: run `patina oxidize --full`")
    has_direction = np.asarray(vectors.any(axis=1))
    return triplets[has_direction[triplets].all(axis=1)]


def train_epochs(
    start: Projection,
    vectors: NDArray[np.float32],
    triplets: NDArray[np.int32],
    options: TrainingOptions,
    related: RelatedMask | None = None,
) -> Iterator[tuple[float | None, Projection]]:
    """Yield mean loss and projection of each epoch, beginning with the start; the arguments are those of `train`.

    Raises:
        PatinaError: Divergence.
    """
    yield None, start
    shaped = Parameters(start.w1, start.b1, start.w2, start.b2)
    flat = shaped.flat()
    parameters = shaped.views_of(flat)
    adam = Adam(flat, options.learning_rate)
    buffers = Buffers(parameters, min(3 * options.batch_size, len(vectors)))
    rng = np.random.default_rng(options.seed)
    batch_count = -(-len(triplets) // options.batch_size)
    for epoch in range(1, options.epochs + 1):
        total = 0.0
        # Overflow shows as a loss or a weight that is not finite, which is reported below.
        with np.errstate(over="ignore", invalid="ignore"), at_once() as each:
            for batch in np.array_split(triplets[rng.permutation(len(triplets))], batch_count):
                loss, _ = loss_and_gradients(parameters, vectors, batch, options, related, buffers, each)
                adam.step(flat, buffers.flat_gradients, each)
                total += loss * len(batch)
        if not (np.isfinite(total) and np.isfinite(flat).all()):
            raise PatinaError(
                f"training diverged in epoch {epoch}: lower learning_rate (now {options.learning_rate:g})"
            )
        yield total / len(triplets), Projection(*shaped.views_of(flat.copy()))


def loss_and_gradients(
    parameters: Parameters,
    vectors: Floats,
    triplets: Integers,
    options: TrainingOptions,
    related: RelatedMask | None = None,
    buffers: Buffers | None = None,
    each: Each = one_by_one,
) -> tuple[float, Parameters]:
    """Return the mean loss of one batch and its gradient in each parameter, by backpropagation.

    Each different row goes through the network once, however many triplets name it. Works in the dtype of
    `parameters`; with `buffers` the gradients are views of `buffers.gradients`, else new arrays.

    Args:
        parameters: The network.
        vectors: [n, input], not all zero in the rows that are used.
        triplets: int [batch, 3], rows of `vectors` as (anchor, positive, negative).
        options: Which loss, and its margin or temperature.
        related: Which rows belong together.
        buffers: Room for at least as many different rows as `triplets` has.
        each: Does the parts of the work.
    """
    rows, positions = np.unique(triplets, return_inverse=True)
    buffers = buffers or Buffers(parameters, len(rows))
    activations = buffers.activations(len(rows))
    # mode="clip" because "raise" goes through a second copy; the rows were checked.
    np.take(vectors, rows, axis=0, out=activations.inputs, mode="clip")
    forward(parameters, activations, each)
    loss = _contrast(activations, rows, positions, options, related, each)
    backward(parameters, activations, buffers.gradients, each)
    return loss, buffers.gradients


def _contrast(
    activations: Activations,
    rows: Integers,
    positions: Integers,
    options: TrainingOptions,
    related: RelatedMask | None,
    each: Each,
) -> float:
    """Return the mean loss, and fill `activations.slopes` with its gradient in the outputs.

    Each anchor is compared with the batch's different positives and negatives, the *candidates*. Candidates
    that belong to the anchor are no evidence against it, nor is its own text: they are excluded.
    """
    anchors, positives, negatives = positions.T
    candidates = sorted_unique(positions[:, 1:])
    positive_columns, negative_columns = np.searchsorted(candidates, [positives, negatives])
    anchor_units, candidate_units = activations.outputs[anchors], activations.outputs[candidates]
    dtype = activations.outputs.dtype
    losses, slopes = np.empty(len(anchors), dtype), np.empty((len(anchors), len(candidates)), dtype)
    anchor_slopes, candidate_slopes = np.empty_like(anchor_units), np.empty_like(candidate_units)

    def compare(part: slice) -> None:
        excluded = anchors[part, None] == candidates
        if related is not None:
            excluded |= related(rows[anchors[part]], rows[candidates])
        columns = positive_columns[part]
        excluded[np.arange(len(columns)), columns] = False
        cosines = anchor_units[part] @ candidate_units.T
        if options.loss == "infonce":
            losses[part], found = infonce(cosines, columns, excluded, options.temperature)
        else:
            losses[part], found = hinge(cosines, columns, negative_columns[part], excluded, options.margin)
        np.divide(found, len(anchors), out=slopes[part])
        np.matmul(slopes[part], candidate_units, out=anchor_slopes[part])

    each(len(anchors), compare)
    each(len(candidates), lambda part: np.matmul(slopes[:, part].T, anchor_units, out=candidate_slopes[part]))
    activations.slopes[:] = 0
    activations.slopes[candidates] = candidate_slopes
    _add_rows(activations.slopes, anchors, anchor_slopes)
    return float(losses.mean())


def _add_rows(total: Floats, rows: Integers, addends: Floats) -> None:
    """Add each of `addends` to its row of `total`; rows may repeat."""
    # The first of each row are added at once, the few others one by one.
    different, first = np.unique(rows, return_index=True)
    total[different] += addends[first]
    for place in np.setdiff1d(np.arange(len(rows)), first, assume_unique=True).tolist():
        total[rows[place]] += addends[place]
