"""Training, ours against torch on the CPU: the same network, loss, batches, optimizer and number of epochs."""

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
from eventlogs import original
from measure import Section, Setting, number, progress, take_turns, thread_count, turns_table
from numpy.typing import NDArray

from patina_assets.learning.projection import pca_identity
from patina_assets.learning.train import TrainingOptions, train_epochs
from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import relate, related_texts, unique_texts
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pairs.types import PAIR_TYPES
from patina_resources.arrays import Vectors
from patina_resources.eventlog.reader import Eventlog

INPUT, HIDDEN, OUTPUT = 768, 1024, 256
EPOCHS, MOST_EPOCHS = 10, 1_000
BATCH, LEARNING_RATE, TEMPERATURE = 256, 1e-4, 0.05
PAIR_TYPE = "same_session"
OURS, TORCH, TORCH_UNIQUE, SGEMM = "patina", "torch", "torch, unique rows", "sgemm"
WANTED_RATIO, WANTED_SHARE = 1.3, 0.75

Triplets = NDArray[np.int32]


def measure(setting: Setting) -> Section:
    """Return the figures of 10k and 50k triplets."""
    section = Section(f"Train {INPUT}-{HIDDEN}-{OUTPUT}, {EPOCHS} epochs, InfoNCE, batch {BATCH}")
    for count in (setting.pick(10_000, 1_000), setting.pick(50_000, 2_000)):
        progress(f"{count} triplets")
        vectors, triplets = training_set(setting, count)
        _measure(section, vectors, triplets, 2 if setting.quick else EPOCHS)
    section.notes.append(
        f"Triplets are those of `{PAIR_TYPE}` on the eventlog. Vectors are random unit vectors: their values do not "
        f"change the work. Each round is one epoch. {thread_count()} threads. *torch* puts the three texts of each "
        "triplet through the network, as the losses of sentence-transformers do. *torch, unique rows* puts each "
        "different text of a batch through the network once, as Patina does. Adam is torch's fused one. "
        "*sgemm* is the larger of two rates of numpy's float32 product: of the first layer's shape and of 2048 x 2048."
    )
    return section


def training_set(setting: Setting, count: int) -> tuple[Vectors, Triplets]:
    """Return float32 [texts, INPUT] unit vectors and int32 [count, 3] triplets of a real pair type."""
    path, _ = original(setting.scratch, setting.eventlogs)
    pair_type = PAIR_TYPES[PAIR_TYPE]
    read = Eventlog(path).read(pair_type.sources)
    data = pair_type.derive({name: source.rows for name, source in read.items()})
    texts, _ = unique_texts(sorted(data.items, key=Item.order))
    relations = relate(texts, data.contexts, data.apart)
    triplets = sample_triplets(relations, related_texts(relations), count, seed=0)
    vectors = np.random.default_rng(0).standard_normal((len(texts), INPUT), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), triplets


def _measure(section: Section, vectors: Vectors, triplets: Triplets, epochs: int) -> None:
    contenders = {OURS: _ours(vectors, triplets), **_torch(section, vectors, triplets)}
    rate = _SgemmRate()
    spent = take_turns({**contenders, SGEMM: rate.measure}, epochs)
    spent.pop(SGEMM)
    flops = _products_per_epoch(triplets)
    rates = [flops / entry.seconds for entry in spent[OURS]]
    shares = [mine / most for mine, most in zip(rates, rate.rates[1:], strict=True)]
    share = median(shares)
    table = turns_table(spent, OURS, "triplets", len(triplets))
    if section.table:
        table = table[1:]
    label = f"{len(triplets):,} triplets, {len(vectors):,} texts: "
    section.table += [[(label + row[0]) if row[0] else "", *row[1:]] for row in table]
    section.verdicts.append(
        (
            f">= {WANTED_SHARE:.0%} of sgemm's rate",
            f"{len(triplets):,}: {share:.0%} of {number(median(rate.rates) / 1e9)} GFLOP/s (best {max(shares):.0%})",
            share >= WANTED_SHARE,
        )
    )
    for name in (TORCH, TORCH_UNIQUE):
        if name in spent:
            found = median(theirs.seconds / mine.seconds for theirs, mine in zip(spent[name], spent[OURS], strict=True))
            section.verdicts.append(
                (f">= {WANTED_RATIO}x {name}", f"{len(triplets):,}: {found:.2f}x", found >= WANTED_RATIO)
            )


def _ours(vectors: Vectors, triplets: Triplets) -> Callable[[], object]:
    return epochs_of(
        vectors, triplets, TrainingOptions(HIDDEN, OUTPUT, 0, BATCH, LEARNING_RATE, temperature=TEMPERATURE)
    )


def epochs_of(vectors: Vectors, triplets: Triplets, options: TrainingOptions) -> Callable[[], object]:
    """Return what trains for one more epoch each time it is called."""
    start = pca_identity(vectors, HIDDEN, OUTPUT, 0)
    epochs = train_epochs(start, vectors, triplets, replace(options, epochs=MOST_EPOCHS))
    next(epochs)  # the start
    return lambda: next(epochs)


def _torch(section: Section, vectors: Vectors, triplets: Triplets) -> dict[str, Callable[[], object]]:
    try:
        import torch
    except ImportError as error:
        section.skipped.append(f"torch: {error}")
        return {}
    torch.set_num_threads(thread_count())
    data = torch.from_numpy(vectors)
    start = pca_identity(vectors, HIDDEN, OUTPUT, 0)

    def contender(*, unique: bool) -> Callable[[], None]:
        first, second = torch.nn.Linear(INPUT, HIDDEN), torch.nn.Linear(HIDDEN, OUTPUT)
        values = (start.w1, start.b1, start.w2, start.b2)
        for parameter, value in zip((*first.parameters(), *second.parameters()), values, strict=True):
            parameter.data = torch.tensor(value)
        network = torch.nn.Sequential(first, torch.nn.ReLU(), second)
        adam = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
        random = np.random.default_rng(0)

        def epoch() -> None:
            shuffled = triplets[random.permutation(len(triplets))]
            for batch in np.array_split(shuffled, -(-len(shuffled) // BATCH)):
                rows = torch.from_numpy(batch.T.astype(np.int64).ravel())
                if unique:
                    rows, places = torch.unique(rows, return_inverse=True)
                    units = torch.nn.functional.normalize(network(data[rows]), dim=1)[places]
                else:
                    units = torch.nn.functional.normalize(network(data[rows]), dim=1)
                logits = units[: len(batch)] @ units[len(batch) :].T / TEMPERATURE
                loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(batch)))
                adam.zero_grad(set_to_none=True)
                loss.backward()
                adam.step()

        return epoch

    return {TORCH: contender(unique=False), TORCH_UNIQUE: contender(unique=True)}


def _products_per_epoch(triplets: Triplets) -> float:
    """Return the floating point operations of the matrix products of an epoch."""
    shuffled = triplets[np.random.default_rng(0).permutation(len(triplets))]
    total = 0
    for batch in np.array_split(shuffled, -(-len(shuffled) // BATCH)):
        # Two products forward and three backward: the first layer's input needs no gradient.
        total += len(np.unique(batch)) * (2 * INPUT * HIDDEN + 3 * HIDDEN * OUTPUT)
        # The cosines of anchors and candidates, and the gradients in both.
        total += 3 * len(batch) * len(np.unique(batch[:, 1:])) * OUTPUT
    return 2.0 * total


class _SgemmRate:
    """Rates of numpy's float32 matrix product in FLOP/s, one for each round."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        shapes = ((3 * BATCH, INPUT, HIDDEN), (2048, 2048, 2048))
        self._products = [
            (random.standard_normal((rows, inner), np.float32), random.standard_normal((inner, columns), np.float32))
            for rows, inner, columns in shapes
        ]
        self.rates: list[float] = []

    def measure(self) -> None:
        """Take the rate of about half a second."""
        best = 0.0
        for left, right in self._products:
            out = np.empty((len(left), right.shape[1]), np.float32)
            flops = 2.0 * len(left) * left.shape[1] * right.shape[1]
            repeats = max(1, round(2e10 / flops))
            started = time.perf_counter()
            for _ in range(repeats):
                np.matmul(left, right, out=out)
            best = max(best, repeats * flops / (time.perf_counter() - started))
        self.rates.append(best)
