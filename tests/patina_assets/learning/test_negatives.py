"""Negatives from the anchor's nearest texts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.learning import negatives
from patina_assets.learning.negatives import near_negatives
from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.relations import RelatedTexts, relate, related_texts
from patina_assets.pairs.splits import Split

# Texts on a quarter circle: the nearer two numbers, the nearer their vectors. Neighbours belong together in pairs.
TEXTS = 60


def vectors() -> NDArray[np.float32]:
    angles = np.linspace(0, np.pi / 2, TEXTS)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def related(apart: dict[str, list[str]] | None = None) -> RelatedTexts:
    names = [f"text {place:02}" for place in range(TEXTS)]
    items = [Item("file", name) for name in names]
    pairs = [Context((items[place], items[place + 1]), Split.TRAIN) for place in range(0, TEXTS, 2)]
    return related_texts(relate(names, pairs, apart))


def triplets(count: int = 600) -> NDArray[np.int32]:
    """Return triplets of each anchor with its partner and the text furthest away."""
    anchors = np.arange(count) % TEXTS
    return np.column_stack([anchors, anchors ^ 1, np.where(anchors < TEXTS // 2, TEXTS - 1, 0)]).astype(np.int32)


def test_negatives_are_near_and_unrelated() -> None:
    given = triplets()
    found = near_negatives(vectors(), given, related(), seed=0)
    assert found.dtype == np.int32
    assert found.shape == given.shape
    np.testing.assert_array_equal(found[:, :2], given[:, :2])
    anchors, positives, drawn = found.T
    assert not (drawn == anchors).any()
    assert not (drawn == positives).any()
    # With both neighbours counted, the 20 nearest of a text at the end of the arc are within 21 places.
    assert np.abs(drawn - anchors).max() <= negatives.NEAREST + 1
    # All of them are drawn, not the nearest alone.
    assert len(set(drawn[anchors == 30].tolist())) > 5


def test_the_same_seed_gives_the_same_and_another_others() -> None:
    first, again, other = (near_negatives(vectors(), triplets(), related(), seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_texts_that_share_a_key_are_passed_over() -> None:
    # All texts but the last ten are of one module: only those ten may be anybody's negative.
    module = {f"text {place:02}": ["module"] for place in range(TEXTS - 10)}
    found = near_negatives(vectors(), triplets(), related(module), seed=0)
    first = found[found[:, 0] < TEXTS - 10]
    assert first[:, 2].min() == TEXTS - 10


def test_an_anchor_that_is_related_to_all_keeps_its_negative() -> None:
    everything = {f"text {place:02}": ["module"] for place in range(TEXTS)}
    given = triplets()
    np.testing.assert_array_equal(near_negatives(vectors(), given, related(everything), seed=0), given)


def test_a_text_without_a_direction_is_no_negative() -> None:
    found = vectors()
    found[31] = 0
    assert not (near_negatives(found, triplets(), related(), seed=0)[:, 2] == 31).any()


def test_without_triplets_or_directions_nothing_changes() -> None:
    assert near_negatives(vectors(), triplets(0), related(), seed=0).shape == (0, 3)
    nowhere = np.zeros((TEXTS, 2), np.float32)
    np.testing.assert_array_equal(near_negatives(nowhere, triplets(), related(), seed=0), triplets())


def test_of_many_texts_some_are_looked_at_and_anchors_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = near_negatives(vectors(), triplets(), related(), seed=0)
    monkeypatch.setattr(negatives, "ANCHORS_AT_ONCE", 7)
    np.testing.assert_array_equal(near_negatives(vectors(), triplets(), related(), seed=0), whole)
    monkeypatch.setattr(negatives, "MOST_CANDIDATES", 12)
    assert set(near_negatives(vectors(), triplets(), related(), seed=0)[:, 2].tolist()) <= set(
        np.linspace(0, TEXTS - 1, 12).astype(int).tolist()
    )
