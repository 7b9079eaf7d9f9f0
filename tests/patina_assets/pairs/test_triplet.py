"""Triplets: positives share a context, negatives never do, and who is drawn how often."""

import hashlib

import numpy as np
import pytest

from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.relations import Relations, relate, related_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.triplet import sample_triplets
from patina_resources.arrays import Int32


def relations(*contexts: str) -> Relations:
    """Return training contexts over the letters that occur: each word is a context."""
    texts = sorted(set("".join(contexts)))
    return relate(texts, [Context(tuple(Item("note", letter) for letter in word), Split.TRAIN) for word in contexts])


def sample(contexts: Relations, count: int = 1000, seed: int = 0) -> Int32:
    return sample_triplets(contexts, related_texts(contexts), count, seed)


def test_positives_are_related_and_negatives_are_not() -> None:
    contexts = relations("abcd", "de", "fgh", "ij", "aj")
    related = related_texts(contexts)
    anchors, positives, negatives = sample(contexts).T
    assert len(anchors) == 1000
    assert related.contains(anchors, positives).all()
    assert not related.contains(anchors, negatives).any()
    assert not (anchors == negatives).any()
    assert not (anchors == positives).any()


def test_every_related_pair_can_be_drawn() -> None:
    contexts = relations("abc", "cd", "ef", "gh")
    keys = related_texts(contexts).keys
    anchors, positives, _ = sample(contexts, 2000).T
    assert set((anchors.astype(np.int64) * contexts.texts + positives).tolist()) == set(keys.tolist())


def test_the_seed_decides() -> None:
    contexts = relations("abcd", "ef", "gh")
    assert np.array_equal(sample(contexts, seed=1), sample(contexts, seed=1))
    assert not np.array_equal(sample(contexts, seed=1), sample(contexts, seed=2))
    assert sample(contexts).dtype == np.int32


def test_a_seed_gives_the_same_triplets_for_all_time() -> None:
    """They decide the weights of projects that are built."""
    contexts = relations(*("abcdefgh"[number % 5 :][: 2 + number % 4] for number in range(40)), "uvw", "xyz")
    triplets = sample(contexts, 200, seed=5)
    assert hashlib.sha256(triplets.astype("<i4").tobytes()).hexdigest()[:12] == "ff90167f0046"


def test_a_huge_context_does_not_drown_the_small_ones() -> None:
    """Anchors are drawn evenly over texts: the pair `xy` is 2 of 28 texts, though only 1 of 326 pairs."""
    contexts = relations("abcdefghijklmnopqrstuvwABC", "xy")
    anchors = sample(contexts, 28_000)[:, 0]
    counts = np.bincount(anchors, minlength=28)
    assert counts.min() > 700
    assert counts.max() < 1150


def test_a_text_of_many_contexts_is_not_drawn_more_often() -> None:
    contexts = relations("ab", "ac", "ad", "ae", "af", "gh")
    anchors, positives, _ = sample(contexts, 8000).T
    counts = np.bincount(anchors, minlength=8)
    assert counts[0] < 1.2 * counts[1:].mean()
    from_first = np.bincount(positives[anchors == 0], minlength=8)
    assert (from_first[1:6] > 100).all()


def test_texts_without_a_context_are_not_drawn() -> None:
    contexts = relate(
        ["a", "b", "c", "d", "e", "lonely"],
        [
            Context((Item("note", "a"), Item("note", "b")), Split.TRAIN),
            Context((Item("note", "c"), Item("note", "e")), Split.TRAIN),
        ],
    )
    assert set(sample(contexts).ravel().tolist()) == {0, 1, 2, 4}


def test_every_text_is_drawn_as_a_negative_as_often() -> None:
    negatives = sample(relations(*(f"{letter}{letter.upper()}" for letter in "abcdefghij")), 20_000)[:, 2]
    counts = np.bincount(negatives, minlength=20)
    assert counts.min() > 850
    assert counts.max() < 1150


def test_negatives_avoid_what_is_related_elsewhere() -> None:
    """More may be known to be related than the contexts say that anchors and positives are drawn from."""
    contexts = relate(
        list("abcdef"),
        [
            Context((Item("note", "a"), Item("note", "b")), Split.TRAIN),
            Context((Item("note", "c"), Item("note", "d")), Split.TRAIN),
            Context((Item("note", "a"), Item("note", "c")), Split.TEST),
        ],
    )
    triplets = sample_triplets(contexts.only(Split.TRAIN), related_texts(contexts), 500, 0)
    assert {(anchor, negative) for anchor, _, negative in triplets.tolist()}.isdisjoint({(0, 2), (2, 0)})
    assert len(triplets) == 500


@pytest.mark.parametrize(("contexts", "count"), [((), 100), (("ab", "cd"), 0), (("abcdefgh",), 100), (("ab",), 100)])
def test_there_are_no_triplets_without_contexts_or_without_negatives(contexts: tuple[str, ...], count: int) -> None:
    assert sample(relations(*contexts), count).shape == (0, 3)


def test_an_anchor_that_is_related_to_all_others_is_given_up() -> None:
    triplets = sample(relations("ab", "ac", "ad", "bc"))
    assert 0 not in triplets[:, 0]
    assert set(triplets[:, 0].tolist()) == {1, 2, 3}
