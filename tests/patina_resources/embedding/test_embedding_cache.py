"""The cache of vectors: each text is embedded once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from counting_embedder import DIMS, KEYS, SPEC, TEXTS, VECTORS, CountingEmbedder, embed, seeded

from patina_resources.embedding.cache import (
    CHUNK_TEXTS,
    EmbeddingCache,
    embed_with_cache,
    text_digest,
)
from patina_resources.models.registry import ModelSpec


def test_what_was_put_is_found_by_another_connection(filled: Path) -> None:
    with EmbeddingCache(filled) as cache:
        vectors, found = cache.get_many("model", [KEYS[3], text_digest("never seen"), KEYS[1]], DIMS)
    assert found.tolist() == [True, False, True]
    np.testing.assert_array_equal(vectors, [VECTORS[3], np.zeros(DIMS), VECTORS[1]])
    assert vectors.dtype == np.float32


def test_models_do_not_share_vectors(filled: Path) -> None:
    with EmbeddingCache(filled) as cache:
        cache.put_many("other", KEYS[:1], -VECTORS[:1])
        assert not cache.get_many("third", KEYS, DIMS)[1].any()
        np.testing.assert_array_equal(cache.get_many("model", KEYS[:1], DIMS)[0], VECTORS[:1])
        np.testing.assert_array_equal(cache.get_many("other", KEYS[:1], DIMS)[0], -VECTORS[:1])


def test_a_vector_of_another_length_is_not_there(filled: Path) -> None:
    with EmbeddingCache(filled) as cache:
        assert not cache.get_many("model", KEYS, DIMS // 2)[1].any()


def test_more_keys_than_one_query_takes(path: Path) -> None:
    keys = [text_digest(str(number)) for number in range(2345)]
    vectors = np.arange(2345 * 2, dtype=np.float32).reshape(-1, 2)
    with EmbeddingCache(path) as cache:
        cache.put_many("model", keys, vectors)
        read, found = cache.get_many("model", keys[::-1], 2)
    assert found.all()
    np.testing.assert_array_equal(read, vectors[::-1])


def test_a_text_is_embedded_once(path: Path) -> None:
    first, second, third = CountingEmbedder(), CountingEmbedder(), CountingEmbedder()
    result = embed(path, first, [*TEXTS[:10], TEXTS[0]])
    assert (result.new, result.reused) == (10, 0)
    assert sorted(first.asked[0]) == sorted(TEXTS[:10])
    np.testing.assert_array_equal(result.vectors, [seeded(text) for text in [*TEXTS[:10], TEXTS[0]]])
    result = embed(path, second, TEXTS[5:15])
    assert (result.new, result.reused) == (5, 5)
    assert sorted(second.asked[0]) == sorted(TEXTS[10:15])
    np.testing.assert_array_equal(result.vectors, [seeded(text) for text in TEXTS[5:15]])
    assert embed(path, third, TEXTS[:15]).reused == 15
    assert third.asked == []


def test_no_texts_give_no_vectors(path: Path) -> None:
    result = embed(path, CountingEmbedder(), [])
    assert result.vectors.shape == (0, DIMS)
    assert (result.new, result.reused) == (0, 0)


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec("counting", DIMS, 64, "mean", passage_prefix="other: "),
        ModelSpec("counting", DIMS, 64, "cls", passage_prefix="passage: "),
        ModelSpec("counting", DIMS, 32, "mean", passage_prefix="passage: "),
    ],
    ids=["prefix", "pooling", "length limit"],
)
def test_another_reading_of_the_same_bytes_is_embedded_anew(spec: ModelSpec, path: Path) -> None:
    embed(path, CountingEmbedder(), TEXTS)
    assert embed(path, CountingEmbedder(spec), TEXTS).new == len(TEXTS)
    renamed = ModelSpec("renamed", DIMS, 64, "mean", query_prefix="query: ", passage_prefix="passage: ")
    assert embed(path, CountingEmbedder(renamed), TEXTS).new == 0


def test_an_interrupted_run_keeps_its_chunks(path: Path) -> None:
    texts = [f"text {number}" for number in range(3 * CHUNK_TEXTS)]
    with pytest.raises(KeyboardInterrupt):
        embed(path, CountingEmbedder(fail_after=2), texts)
    result = embed(path, CountingEmbedder(), texts)
    assert (result.new, result.reused) == (CHUNK_TEXTS, 2 * CHUNK_TEXTS)
    np.testing.assert_array_equal(result.vectors, [seeded(text) for text in texts])


def test_progress_counts_new_texts(path: Path) -> None:
    calls: list[tuple[int, int]] = []
    texts = [f"text {number}" for number in range(CHUNK_TEXTS + 5)]
    with EmbeddingCache(path) as cache:
        embed_with_cache(cache, CountingEmbedder(), "model", texts, lambda done, total: calls.append((done, total)))
        embed_with_cache(cache, CountingEmbedder(), "model", texts, lambda done, total: calls.append((done, total)))
    assert calls == [(CHUNK_TEXTS, CHUNK_TEXTS + 5), (CHUNK_TEXTS + 5, CHUNK_TEXTS + 5)]


def test_progress_is_as_much_of_the_work_as_of_the_texts(path: Path) -> None:
    """The longest texts do not come last: the time left would be too small all along."""
    texts = ["x" * number for number in range(1, 12 * CHUNK_TEXTS + 1)]
    embedder, shares = CountingEmbedder(replace(SPEC, passage_prefix="")), list[tuple[float, float]]()
    work = sum(map(len, texts))
    with EmbeddingCache(path) as cache:
        embed_with_cache(
            cache,
            embedder,
            "model",
            texts,
            lambda done, total: shares.append(
                (done / total, sum(len(text) for asked in embedder.asked for text in asked) / work)
            ),
        )
    assert len(shares) == 12
    assert shares[-1] == (1, 1)
    assert all(abs(done - worked) < 0.1 for done, worked in shares)


def test_any_python_string_is_a_key(path: Path) -> None:
    texts = ["\ud800", "\ud801", "a\0b", "", "😀"]
    assert embed(path, CountingEmbedder(), texts).new == len(texts)
    assert embed(path, CountingEmbedder(), texts).reused == len(texts)
