"""An embedder that counts, and what it makes of some texts."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from patina_resources.embedding.cache import (
    EmbeddingCache,
    EmbeddingResult,
    embed_with_cache,
    text_digest,
)
from patina_resources.models.registry import ModelSpec

DIMS = 16


SPEC = ModelSpec("counting", DIMS, 64, "mean", passage_prefix="passage: ")


TEXTS = [f"text {number}" for number in range(40)]


KEYS = [text_digest(text) for text in TEXTS]


class CountingEmbedder:
    """Gives seeded vectors, and remembers what it was asked for."""

    def __init__(self, spec: ModelSpec = SPEC, fail_after: int | None = None) -> None:
        self.spec = spec
        self.asked: list[list[str]] = []
        self._fail_after = fail_after

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(self.asked) == self._fail_after:
            raise KeyboardInterrupt
        self.asked.append(list(texts))
        return np.stack([seeded(text) for text in texts])


def seeded(text: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4])
    return np.random.default_rng(seed).standard_normal(DIMS).astype(np.float32)


VECTORS = np.stack([seeded(text) for text in TEXTS])


def embed(path: Path, embedder: CountingEmbedder, texts: Sequence[str], model: str = "model") -> EmbeddingResult:
    with EmbeddingCache(path) as cache:
        return embed_with_cache(cache, embedder, model, texts)
