"""Texts to unit vectors: tokenize, run ONNX, pool, normalize."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from patina_resources.arrays import Vectors
from patina_resources.embedding.processors import processor_count
from patina_resources.embedding.token_graph import BATCH_TOKENS, TokenGraph
from patina_resources.errors import PatinaError
from patina_resources.models.registry import ModelFiles, ModelSpec, Pooling

# Called with (texts done, texts in all).
OnProgress = Callable[[int, int], None]

# As many texts are tokenized at once: bounds memory, and is enough to find some of each length.
CHUNK_TEXTS = 4096
# A text is cut to this many characters per token of the model's limit before it is tokenized, so that a
# text of megabytes costs no more than a long one.
CHARACTERS_PER_TOKEN = 64
_UNENCODABLE = re.compile("[\x00\ud800-\udfff]")


class OnnxEmbedder:
    """A sentence encoder: any ONNX graph over token ids, with the tokenizer and the spec that belong to it.

    Attributes:
        spec: What the model is: dims, length limit, pooling, prefixes.
    """

    def __init__(self, spec: ModelSpec, files: ModelFiles, *, threads: int | None = None) -> None:
        """Load tokenizer and graph, and run one short text through them.

        Args:
            spec: What the model is said to be.
            files: Its files. The caller has compared them with their digests: native code reads them.
            threads: Batches that run at once, each on one thread; None is one per available processor.

        Raises:
            PatinaError: The tokenizer or the graph cannot be loaded or used, or does not fit the spec.
        """
        self.spec = spec
        self._graph = TokenGraph(spec, files)
        self._threads = threads or processor_count()
        self._check_output()

    def embed_passages(self, texts: Sequence[str], progress: OnProgress | None = None) -> Vectors:
        """Return one vector for each text, in order: float32 [n, dims], rows of unit length.

        A text without any token (an empty one, for a tokenizer without special tokens) is a row of zeros.

        Args:
            texts: The texts, without the passage prefix.
            progress: Called after each batch with how many texts are done, and how many there are.

        Raises:
            PatinaError: The graph fails, or gives numbers that are not finite.
        """
        return self._embed([self.spec.passage_prefix + text for text in texts], progress)

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32 [dims], of unit length (zeros if it has no token).

        Raises:
            PatinaError: The graph fails, or gives numbers that are not finite.
        """
        vector: Vectors = self._embed([self.spec.query_prefix + text], None)[0]
        return vector

    def _embed(self, prefixed: Sequence[str], progress: OnProgress | None) -> Vectors:
        vectors = np.zeros((len(prefixed), self.spec.dims), np.float32)
        by_length = sorted(range(len(prefixed)), key=lambda row: len(prefixed[row]))
        done = 0
        for start in range(0, len(by_length), CHUNK_TEXTS):
            chunk = by_length[start : start + CHUNK_TEXTS]
            token_ids = self._tokenize([prefixed[row] for row in chunk])
            batches = list(length_batches([len(ids) for ids in token_ids], self._graph.batch_tokens))
            runs = ([token_ids[position] for position in batch] for batch in batches)
            for batch, found in zip(batches, self._run_all(runs, len(batches)), strict=True):
                vectors[[chunk[position] for position in batch]] = found
                done += len(batch)
                if progress is not None:
                    progress(done, len(prefixed))
        return vectors

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        limit = self.spec.max_tokens * CHARACTERS_PER_TOKEN
        cleaned = [clean_text(text[:limit]) for text in texts]
        return [encoding.ids for encoding in self._graph.encode(cleaned)]

    def _run_all(self, batches: Iterable[Sequence[Sequence[int]]], count: int) -> Iterator[Vectors]:
        """Yield the vectors of each batch, in order.

        Several batches at once, each on a thread of its own, share the work better than the threads of one run, which
        wait for each other after every operator.
        """
        if self._threads == 1 or count < 2:
            yield from map(self._run, batches)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            yield from pool.map(self._run, batches)

    def _run(self, token_ids: Sequence[Sequence[int]]) -> Vectors:
        """Return unit vectors of one batch, float32 [b, dims]."""
        if not token_ids[0]:
            return np.zeros((len(token_ids), self.spec.dims), np.float32)
        ids = np.array(token_ids, np.int64)
        pooled = pool(self._graph.output(ids), np.ones_like(ids), self.spec.pooling)
        if not np.isfinite(pooled).all():
            raise PatinaError(
                f"{self._graph.path}: model {self.spec.name} gave numbers that are not finite: "
                "its weights are not usable, add the model again"
            )
        return unit_rows(pooled)

    def _check_output(self) -> None:
        """Run one token through the graph and compare the shape of what it gives with the spec.

        Raises:
            PatinaError: Rank or dimension is not what the spec says.
        """
        shape = self._graph.output(np.full((1, 1), self._graph.pad_id, np.int64)).shape
        rank = 2 if self.spec.pooling == "model" else 3
        if len(shape) != rank:
            expected = "[texts, dims]" if rank == 2 else "[texts, tokens, dims]"
            raise PatinaError(
                f"{self._graph.path}: first output has shape {list(shape)}, but pooling {self.spec.pooling!r} "
                f"of model {self.spec.name} expects {expected}: correct the model's pooling"
            )
        if shape[-1] != self.spec.dims:
            raise PatinaError(
                f"{self._graph.path}: the graph gives {shape[-1]} dims, but model {self.spec.name} is registered "
                f"with {self.spec.dims}: correct dims, or use the files that belong to the model"
            )


def clean_text(text: str) -> str:
    """Return the text with what UTF-8 or a C string cannot hold (lone surrogates, NUL) replaced by U+FFFD."""
    return _UNENCODABLE.sub("\ufffd", text)


def length_batches(lengths: Sequence[int], budget: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Yield positions in batches of one length, shortest first: rows x length <= budget, or a single row.

    Without padding a text's vector is the same to the last bit in any batch, and nothing is computed for nothing.
    """
    by_length = sorted(range(len(lengths)), key=lambda at: lengths[at])
    for length, group in itertools.groupby(by_length, key=lambda at: lengths[at]):
        # A row costs at least one token, so that empty texts cannot make an endless batch.
        rows = list(group)
        size = max(1, budget // max(1, length))
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def pool(output: Vectors, mask: NDArray[np.int64], pooling: Pooling) -> Vectors:
    """Return one vector per text, float32 [b, dims], not normalized.

    Args:
        output: float32 [b, s, dims] token vectors, or [b, dims] where the graph has pooled (`model`).
        mask: int64 [b, s], 1 for tokens and 0 for padding.
        pooling: `mean` of the tokens that the mask keeps (Reimers and Gurevych 2019), `cls`: the first
            token, or `model`.
    """
    if pooling == "model":
        return output
    if pooling == "cls":
        return output[:, 0]
    weights = mask.astype(np.float32)
    summed: Vectors = np.matmul(weights[:, None, :], output)[:, 0]
    pooled: Vectors = summed / np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    return pooled


def unit_rows(vectors: Vectors) -> Vectors:
    """Return rows of unit length, float32 [n, dims]; a row of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    norms[norms == 0] = 1
    scaled: Vectors = vectors / norms
    return scaled
