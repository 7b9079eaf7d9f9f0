"""The index: recall against exact search, equal bytes for equal vectors, and bytes that are no index."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from refusals import refusal

from patina_assets.search.index import IndexOptions, build_index, load_index, recall_at_10


def unit_rows(rows: int, dimensions: int = 16, seed: int = 0) -> NDArray[np.float32]:
    table = np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float32)
    units: NDArray[np.float32] = table / np.linalg.norm(table, axis=1, keepdims=True)
    return units


@pytest.fixture(scope="module")
def built() -> bytes:
    return build_index(unit_rows(500), IndexOptions())


def test_an_index_finds_the_exact_neighbours(built: bytes) -> None:
    vectors = unit_rows(500)
    index = load_index(built, "x.usearch")
    assert len(index) == 500
    assert recall_at_10(index, vectors) > 0.99
    matches = index.search(vectors[7], 3)
    assert matches.keys[0] == 7
    assert np.argsort(-(vectors @ vectors[7]))[:3].tolist() == matches.keys.tolist()
    assert 1 - matches.distances == pytest.approx((vectors @ vectors[7])[matches.keys], abs=2e-3)


def test_recall_is_that_of_the_index_and_not_of_the_vectors(built: bytes) -> None:
    """Measured against other vectors than it holds, an index finds no more than chance does."""
    assert recall_at_10(load_index(built, "x.usearch"), unit_rows(500, seed=1)) < 0.2


def test_equal_texts_are_interchangeable_in_recall() -> None:
    vectors = np.repeat(unit_rows(10), 30, axis=0)
    assert recall_at_10(load_index(build_index(vectors, IndexOptions()), "x.usearch"), vectors) > 0.99


@pytest.mark.parametrize("rows", [1, 2, 9, 11])
def test_a_small_index_finds_all_there_is(rows: int) -> None:
    vectors = unit_rows(rows)
    index = load_index(build_index(vectors, IndexOptions()), "x.usearch")
    assert recall_at_10(index, vectors) == 1.0
    assert index.search(vectors[0], 5).keys[0] == 0


def test_an_index_of_nothing_is_an_index() -> None:
    nothing = np.zeros((0, 16), np.float32)
    index = load_index(build_index(nothing, IndexOptions()), "x.usearch")
    assert len(index) == 0
    assert recall_at_10(index, nothing) == 1.0


def test_equal_vectors_give_equal_bytes(built: bytes) -> None:
    vectors = unit_rows(500)
    assert build_index(vectors.copy(), IndexOptions()) == built
    assert build_index(unit_rows(500, seed=1), IndexOptions()) != built


def test_options_are_told_apart() -> None:
    options = IndexOptions(connectivity=16, expansion_add=128, expansion_search=64)
    assert options.text() == "ip f16 M=16 ef=128/64"
    others = [replace(options, connectivity=8), replace(options, expansion_add=64), replace(options, dtype="f32")]
    assert len({options.text(), *(other.text() for other in others)}) == 4
    vectors = unit_rows(100)
    sizes = len(build_index(vectors, options)), len(build_index(vectors, replace(options, dtype="f32")))
    assert sizes[1] - sizes[0] == 100 * 16 * 2


@pytest.mark.parametrize("content", [b"", b"x", b"not an index" * 500, None, 10], ids=lambda value: repr(value)[:16])
def test_bytes_that_are_no_index_are_refused(built: bytes, content: bytes | int | None) -> None:
    damaged = content if isinstance(content, bytes) else built[: content or len(built) // 2]
    sentence = refusal(lambda: load_index(damaged, "temporal.usearch"))
    assert sentence.startswith("temporal.usearch: USearch cannot read it")
    assert sentence.endswith("run `patina oxidize --full`")
