"""Training, ours against the loop that one writes first: one triplet at a time, each text through the network anew."""

from collections.abc import Callable
from typing import Any

import numpy as np
from measure import Section, Setting, ratio, take_turns, turns_table
from numpy.typing import NDArray
from row_train import BATCH, HIDDEN, INPUT, LEARNING_RATE, OUTPUT, Triplets, epochs_of, training_set

from patina_assets.learning.train import TrainingOptions
from patina_resources.arrays import Vectors

Array = NDArray[Any]
OURS, NAIVE = "patina", "per-triplet loop"
MARGIN, WANTED = 0.2, 100.0
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def measure(setting: Setting) -> Section:
    """Return the figures: both are timed on the triplets that each can do in some seconds, and compared per triplet."""
    ours, loop = setting.pick(10_000, 2_000), setting.pick(200, 20)
    vectors, triplets = training_set(setting, ours)
    options = TrainingOptions(HIDDEN, OUTPUT, 0, BATCH, LEARNING_RATE, loss="triplet", margin=MARGIN)
    chunk = max(1, ours // loop)
    spent = take_turns(
        {OURS: epochs_of(vectors, triplets, options), NAIVE: _loop(vectors, triplets, loop)},
        2 if setting.quick else 5,
    )
    per_triplet = {
        OURS: spent[OURS],
        NAIVE: [type(entry)(entry.seconds * chunk, entry.cpu_seconds * chunk) for entry in spent[NAIVE]],
    }
    found = ratio(per_triplet[NAIVE], per_triplet[OURS])
    return Section(
        title=f"Train {INPUT}-{HIDDEN}-{OUTPUT} against a per-triplet loop",
        table=turns_table(per_triplet, OURS, "triplets", ours),
        verdicts=[(f">= {WANTED:.0f}x", f"{found:.0f}x", found >= WANTED)],
        notes=[
            "The loop is numpy, too. It takes one triplet after another: three forward passes of one text, triplet "
            f"loss, gradients as outer products, and an Adam step. It is timed on {loop} triplets and scaled to "
            f"{ours:,}. Both contenders run one epoch and use the triplet loss. Memory limits the loop: it reads and "
            "writes the 3 MiB of the first layer's weights, gradients and moments for every triplet."
        ],
    )


def _loop(vectors: Vectors, triplets: Triplets, count: int) -> Callable[[], None]:
    """Return a function that trains on the next `count` triplets: on those it has learned there would be no loss."""
    random = np.random.default_rng(0)
    weights: list[Array] = [
        random.standard_normal((HIDDEN, INPUT), np.float32) * np.float32(np.sqrt(2 / (INPUT + HIDDEN))),
        np.zeros(HIDDEN, np.float32),
        random.standard_normal((OUTPUT, HIDDEN), np.float32) * np.float32(np.sqrt(2 / (HIDDEN + OUTPUT))),
        np.zeros(OUTPUT, np.float32),
    ]
    means, squares = ([np.zeros_like(value) for value in weights] for _ in range(2))
    steps, done = [0], [0]

    def forward(x: Array) -> tuple[Array, Array, float]:
        hidden = np.maximum(weights[0] @ x + weights[1], 0)
        z = weights[2] @ hidden + weights[3]
        length = float(np.linalg.norm(z))
        return hidden, z / length, length

    def backward(x: Array, hidden: Array, y: Array, length: float, slope: Array) -> list[Array]:
        slope = (slope - y * float(slope @ y)) / length
        hidden_slope = (weights[2].T @ slope) * (hidden > 0)
        return [np.outer(hidden_slope, x), hidden_slope, np.outer(slope, hidden), slope]

    def epoch() -> None:
        for triplet in triplets[done[0] : done[0] + count]:
            done[0] += 1
            inputs = [vectors[row] for row in triplet]
            passes = [forward(x) for x in inputs]
            anchor, positive, negative = (y for _, y, _ in passes)
            steps[0] += 1
            if MARGIN - float(anchor @ positive) + float(anchor @ negative) <= 0:
                continue
            slopes = (negative - positive, -anchor, anchor)
            parts = [backward(x, *one, slope) for x, one, slope in zip(inputs, passes, slopes, strict=True)]
            for place, several in enumerate(zip(*parts, strict=True)):
                gradient = several[0] + several[1] + several[2]
                means[place] = BETA1 * means[place] + (1 - BETA1) * gradient
                squares[place] = BETA2 * squares[place] + (1 - BETA2) * gradient**2
                mean = means[place] / (1 - BETA1 ** steps[0])
                square = squares[place] / (1 - BETA2 ** steps[0])
                weights[place] = weights[place] - LEARNING_RATE * mean / (np.sqrt(square) + EPSILON)

    return epoch
