"""A USearch HNSW index over unit vectors, and how much of the exact answer it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from patina_resources.errors import PatinaError

if TYPE_CHECKING:
    from usearch.index import Index

# The inner product: of unit vectors it is the cosine, without their lengths being taken in every comparison.
METRIC = "ip"
DTYPE = "f16"
# The least that finds 0.99 of the exact ten among 100,000, and among 13,794 raw vectors of a real eventlog, which are
# harder, as many are alike (docs/benchmarks.md).
CONNECTIVITY = 16
EXPANSION_ADD = 128
EXPANSION_SEARCH = 192
RECALL_QUERIES = 200
RECALL_AT = 10
BEYOND_ALL_KEYS = np.uint64(2**48)


@dataclass(frozen=True)
class IndexOptions:
    """What shapes an index (Malkov and Yashunin 2018, HNSW): graph degree, effort to build, effort to search."""

    connectivity: int = CONNECTIVITY
    expansion_add: int = EXPANSION_ADD
    expansion_search: int = EXPANSION_SEARCH
    dtype: str = DTYPE

    def text(self) -> str:
        """Return the options as they enter a fingerprint."""
        return f"{METRIC} {self.dtype} M={self.connectivity} ef={self.expansion_add}/{self.expansion_search}"


@cache
def _index_class() -> "type[Index]":
    """Return USearch's class; who only looks at what is stale need not wait for it.

    The two native libraries share symbols: loading onnxruntime after usearch crashes the interpreter (seen with
    onnxruntime 1.31.1 and usearch 2.26.6), so usearch is imported here only, and after it.
    """
    import onnxruntime  # noqa: F401
    from usearch.index import Index

    return Index


def build_index(vectors: NDArray[np.float32], options: IndexOptions) -> bytes:
    """Return a serialised USearch index whose keys are the row numbers of `vectors`.

    One thread adds the rows in order, so that equal vectors give an equal graph.

    Args:
        vectors: float32 [n, dim].
        options: How to build.
    """
    index = _index_class()(
        ndim=vectors.shape[1],
        metric=METRIC,
        dtype=options.dtype,
        connectivity=options.connectivity,
        expansion_add=options.expansion_add,
        expansion_search=options.expansion_search,
    )
    if len(vectors):
        index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1, copy=True)
    return bytes(index.save() or b"")


def extend_index(index: "Index", kept: Mapping[int, int], added: Sequence[int], vectors: NDArray[np.float32]) -> bytes:
    """Return a serialised index with other vectors beside those that stay. Its bytes depend on what was there before.

    Args:
        index: From `load_index`; it is changed.
        kept: The new key of each key that stays; all others go.
        added: Keys of the vectors that come.
        vectors: float32 [added, dim].
    """
    old, new = (np.fromiter(keys, np.uint64, len(kept)) for keys in (kept.keys(), kept.values()))
    gone = np.setdiff1d(np.asarray(index.keys, np.uint64), old)
    if gone.size:
        index.remove(gone, threads=1)
    # In two steps, as the new key of one vector is the old one of another.
    index.rename(old, new + BEYOND_ALL_KEYS)
    index.rename(new + BEYOND_ALL_KEYS, new)
    if len(added):
        index.add(np.asarray(added, np.uint64), vectors, threads=1, copy=True)
    return bytes(index.save() or b"")


def load_index(data: bytes, name: str) -> "Index":
    """Return a searchable index.

    Args:
        data: What `build_index` returned; its digest must have been checked, since the native loader trusts it.
        name: The file, for the error.

    Raises:
        PatinaError: USearch cannot read it.
    """
    try:
        # The file keeps no effort.
        index = _index_class().restore(data, expansion_add=EXPANSION_ADD, expansion_search=EXPANSION_SEARCH)
    except (RuntimeError, ValueError, TypeError) as error:
        raise PatinaError(f"{name}: USearch cannot read it ({error}): run `patina oxidize --full`") from error
    if index is None:
        raise PatinaError(f"{name}: USearch cannot read it: run `patina oxidize --full`")
    return index


def recall_at_10(index: "Index", vectors: NDArray[np.float32]) -> float:
    """Return the share of the exact 10 nearest neighbours that the index finds, over up to 200 of its own vectors.

    A neighbour as near as the tenth (to float16 precision) counts: equal texts are interchangeable.

    Args:
        index: An index over `vectors`.
        vectors: float32 [n, dim], unit rows.
    """
    if not len(vectors):
        return 1.0
    count = min(RECALL_AT, len(vectors))
    sample = np.unique(np.linspace(0, len(vectors) - 1, min(RECALL_QUERIES, len(vectors))).astype(np.int64))
    exact = vectors[sample] @ vectors.T
    threshold = np.partition(exact, -count, axis=1)[:, -count]
    hits = 0
    for row, query in enumerate(sample):
        keys = np.asarray(index.search(vectors[query], count).keys, np.int64)
        hits += int((exact[row, keys] >= threshold[row] - 1e-3).sum())
    return hits / (count * len(sample))


def some_vectors(index: "Index", keys: Sequence[int]) -> NDArray[np.float32]:
    """Return float32 [len(keys), dim]: the vectors of some keys as the index keeps them, in float16."""
    return kept_vectors(index, keys).astype(np.float32)


def kept_vectors(index: "Index", keys: Sequence[int]) -> NDArray[np.float16]:
    """Return float16 [len(keys), dim]: `some_vectors` in half the room."""
    if not len(keys):
        return np.zeros((0, index.ndim), np.float16)
    return np.asarray(index.get(np.asarray(keys, np.uint64)), np.float16).reshape(len(keys), index.ndim)


def index_vectors(index: "Index", count: int) -> NDArray[np.float32]:
    """Return float32 [count, dim]: the vectors of the keys 0 to count - 1 as the index keeps them, in float16.

    Args:
        index: An index from `load_index`.
        count: How many items it was built over.
    """
    return some_vectors(index, range(count))
