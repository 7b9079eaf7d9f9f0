"""Continued weights: they begin where the others ended, prefer what is new, and are measured on it before."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.learning.continuing import (
    TIMES_AS_FAR,
    TIMES_AS_OFTEN,
    Continuation,
    continue_projection,
    favouring_new,
    of_continuation,
)
from patina_assets.learning.evaluate import mean_reciprocal_rank, new_relations_task
from patina_assets.learning.projection import Projection, pca_identity
from patina_assets.learning.train import TrainingOptions, train
from patina_assets.pairs.relations import Relations, related_texts
from patina_assets.pairs.triplet import sample_triplets
from patina_resources.arrays import Int32, Mask

GROUPS, MEMBERS = 60, 4
TEXTS = GROUPS * MEMBERS
# What is new: all relations of the last groups.
FIRST_NEW = 50 * MEMBERS
OPTIONS = TrainingOptions(hidden=32, output=12, epochs=6, batch_size=64, learning_rate=3e-3)


def relations(groups: int = GROUPS) -> Relations:
    members = np.arange(groups * MEMBERS, dtype=np.int32)
    offsets = np.arange(0, members.size + 1, MEMBERS, dtype=np.int64)
    return Relations(TEXTS, offsets, members, np.zeros(groups, np.int8), np.zeros((TEXTS, 0), np.uint64))


def is_new(first: Int32, second: Int32) -> Mask:
    return np.asarray((first >= FIRST_NEW) & (second >= FIRST_NEW))


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    told = np.repeat(random.standard_normal((GROUPS, 8)), MEMBERS, axis=0)
    found = np.concatenate([told, 2 * random.standard_normal((TEXTS, 16))], axis=1).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def yesterday(vectors: NDArray[np.float32]) -> Projection:
    """Return weights that have seen all but what is new."""
    seen = relations(FIRST_NEW // MEMBERS)
    triplets = sample_triplets(seen, related_texts(seen), 600, seed=0)
    return train(vectors, triplets, OPTIONS, related=related_texts(seen).never_negative_mask).projection


def continued(start: Projection, vectors: NDArray[np.float32], epochs: int, number: int = 0) -> Continuation:
    options = of_continuation(OPTIONS, epochs, number)
    return continue_projection(start, vectors, relations(), is_new, 600, options)


def distance(first: Projection, second: Projection) -> float:
    return float(np.abs(first.w1 - second.w1).mean())


def test_it_begins_at_the_old_weights(yesterday: Projection, vectors: NDArray[np.float32]) -> None:
    assert np.array_equal(continued(yesterday, vectors, 0).projection.w1, yesterday.w1)
    after = continued(yesterday, vectors, 1).projection
    start = pca_identity(vectors, OPTIONS.hidden, OPTIONS.output, OPTIONS.seed)
    assert 0 < distance(after, yesterday) < distance(after, start)


def test_it_is_another_than_one_that_began_anew_and_the_same_each_time(
    yesterday: Projection, vectors: NDArray[np.float32]
) -> None:
    everything = relations()
    related = related_texts(everything)
    anew = train(
        vectors, sample_triplets(everything, related, 600, seed=0), OPTIONS, related=related.never_negative_mask
    ).projection
    first, second = (continued(yesterday, vectors, 2).projection for _ in range(2))
    assert np.array_equal(first.w2, second.w2)
    assert not np.array_equal(first.w2, anew.w2)
    assert not np.array_equal(first.w2, continued(yesterday, vectors, 2, number=1).projection.w2)


def test_it_learns_what_is_new_and_keeps_what_is_old(yesterday: Projection, vectors: NDArray[np.float32]) -> None:
    made = continued(yesterday, vectors, 4)
    new = new_relations_task(relations(), is_new)
    old = new_relations_task(relations(), lambda first, second: ~is_new(first, second))

    def mrr(projection: Projection, task: object) -> float:
        return mean_reciprocal_rank(projection.apply(vectors), task) or 0.0  # type: ignore[arg-type]

    assert made.next_mrr == mrr(yesterday, new)
    assert made.next_base_mrr == mean_reciprocal_rank(vectors, new)
    assert made.next_queries == TEXTS - FIRST_NEW
    assert mrr(made.projection, new) > mrr(yesterday, new) + 0.1
    assert mrr(made.projection, old) > mrr(yesterday, old) - 0.1


def test_new_relations_are_drawn_so_many_times_as_often() -> None:
    everything = relations()
    related = related_texts(everything)
    drawn = favouring_new(everything, related, is_new, 30_000, seed=3)
    assert len(drawn) == 30_000
    share = is_new(drawn[:, 0], drawn[:, 1]).mean()
    new, old = GROUPS - FIRST_NEW // MEMBERS, FIRST_NEW // MEMBERS
    assert share == pytest.approx(TIMES_AS_OFTEN * new / (TIMES_AS_OFTEN * new + old), abs=0.02)
    # Where nothing is new, it is what a training from the start draws.
    plain = favouring_new(everything, related, lambda first, _: np.zeros(first.shape, bool), 600, seed=3)
    assert len(plain) == 600
    assert not favouring_new(relations(0), related, is_new, 600, seed=3).size


def test_only_new_relations_are_asked_for_and_all_texts_are_candidates() -> None:
    task = new_relations_task(relations(), is_new)
    assert task.candidates.size == TEXTS
    assert set(task.queries.tolist()) == set(range(FIRST_NEW, TEXTS))
    assert task.relevant.keys.size + task.known.keys.size == related_texts(relations()).keys.size
    nothing = new_relations_task(relations(), lambda first, _: np.zeros(first.shape, bool))
    assert mean_reciprocal_rank(np.eye(TEXTS, dtype=np.float32), nothing) is None


def test_a_continuation_has_draws_of_its_own() -> None:
    seeds = {of_continuation(OPTIONS, 2, number).seed for number in range(5)} | {OPTIONS.seed}
    assert len(seeds) == 6
    assert of_continuation(OPTIONS, 2, 0) == replace(
        OPTIONS, epochs=2, learning_rate=OPTIONS.learning_rate * TIMES_AS_FAR, seed=OPTIONS.seed + 1
    )
