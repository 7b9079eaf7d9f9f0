"""A cache of vectors, empty and filled."""

from pathlib import Path

import pytest
from counting_embedder import KEYS, VECTORS

from patina_resources.embedding.cache import EmbeddingCache


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embeddings" / "cache.db"


@pytest.fixture
def filled(path: Path) -> Path:
    with EmbeddingCache(path) as cache:
        cache.put_many("model", KEYS, VECTORS)
    return path
