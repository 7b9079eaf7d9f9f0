"""What a build says of its index beside the one before: items that came, went and moved, and other neighbours."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.pipeline.stages.churn import (
    CAME,
    MOST_BUILDS,
    MOVED,
    NEIGHBOURS_CHANGED,
    WENT,
    churn_after,
    churn_rows,
    index_before,
    matched,
)
from patina_assets.search.index import IndexOptions, build_index, load_index

Vectors = NDArray[np.float32]
DIMENSIONS = 16
TEXTS = [f"text {number}" for number in range(200)]


def unit_vectors(count: int, seed: int, dimensions: int = DIMENSIONS) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


VECTORS = unit_vectors(len(TEXTS), 0)


def churn_between(texts_before: Sequence[str], before: Vectors, texts: Sequence[str], now: Vectors) -> dict[str, float]:
    former, latter = (load_index(build_index(rows, IndexOptions()), "index") for rows in (before, now))
    kept, added = matched(texts_before, texts)
    return index_before(former, texts_before, kept, len(added)).churn(latter, texts)


def test_an_equal_index_did_not_change() -> None:
    found = churn_between(TEXTS, VECTORS, TEXTS, VECTORS)
    assert found == {CAME: 0, WENT: 0, MOVED: 0.0, NEIGHBOURS_CHANGED: 0.0}


def test_what_only_changed_its_place_in_the_list_stays() -> None:
    found = churn_between(TEXTS, VECTORS, TEXTS[::-1], VECTORS[::-1].copy())
    assert found == {CAME: 0, WENT: 0, MOVED: 0.0, NEIGHBOURS_CHANGED: 0.0}


def test_items_that_come_and_go_are_counted_and_take_neighbours_with_them() -> None:
    new = [f"new {number}" for number in range(30)]
    texts, vectors = [*TEXTS[50:], *new], np.vstack([VECTORS[50:], unit_vectors(len(new), 1)])
    found = churn_between(TEXTS, VECTORS, texts, vectors)
    assert (found[CAME], found[WENT], found[MOVED]) == (30, 50, 0.0)
    # A quarter of the former neighbours went.
    assert 0.15 < found[NEIGHBOURS_CHANGED] < 0.45


def test_vectors_that_turned_have_moved_and_lie_beside_others() -> None:
    turned = VECTORS.copy()
    turned[:100] = unit_vectors(100, 2)
    found = churn_between(TEXTS, VECTORS, TEXTS, turned)
    assert found[MOVED] == pytest.approx(0.5, abs=0.01)
    assert found[NEIGHBOURS_CHANGED] > 0.4
    # As far as all together turn, each keeps its neighbours.
    rotation, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((DIMENSIONS, DIMENSIONS)))
    found = churn_between(TEXTS, VECTORS, TEXTS, (VECTORS @ rotation).astype(np.float32))
    assert found[MOVED] == 1.0
    assert found[NEIGHBOURS_CHANGED] < 0.05


def test_vectors_of_another_size_have_all_moved() -> None:
    found = churn_between(TEXTS, VECTORS, TEXTS, unit_vectors(len(TEXTS), 4, 8))
    assert found[MOVED] == 1.0


@pytest.mark.parametrize(("before", "now"), [(0, 5), (5, 0), (1, 1), (0, 0)])
def test_small_indexes_are_compared_too(before: int, now: int) -> None:
    found = churn_between(TEXTS[:before], VECTORS[:before], TEXTS[:now], VECTORS[:now])
    assert (found[CAME], found[WENT]) == (max(now - before, 0), max(before - now, 0))
    assert NEIGHBOURS_CHANGED not in found


def test_the_last_builds_are_told_the_newest_first() -> None:
    builds: list[Mapping[str, float]] = []
    assert churn_after(builds, {"items": 9}) == []  # the first build is compared with nothing
    for number in range(MOST_BUILDS + 5):
        builds = churn_after(builds, {"items": 9, CAME: number, WENT: 0, MOVED: 0.25, NEIGHBOURS_CHANGED: 0.1234})
    assert len(builds) == MOST_BUILDS
    rows = churn_rows(builds)
    assert rows[0] == {"items": 9, "new": MOST_BUILDS + 4, "gone": 0, "moved": "25.0%", "others": "12.3%"}
    assert churn_rows([{"items": 1, CAME: 1, WENT: 0}])[0]["moved"] is None
