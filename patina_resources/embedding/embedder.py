"""Texts to unit vectors: tokenize, run ONNX, pool, normalize."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patina_resources.arrays import Vectors
from patina_resources.embedding.processors import processor_count
from patina_resources.errors import PatinaError
from patina_resources.models.registry import ModelFiles, ModelSpec, Pooling
from patina_resources.onnx.session import SCALED_BY_ROW, first_line, load_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

# Called with (texts done, texts in all).
OnProgress = Callable[[int, int], None]

# 8 rows of 64 tokens keep a small encoder's activations in cache.
BATCH_TOKENS = 512
# As many texts are tokenized at once: bounds memory, and is enough to find some of each length.
CHUNK_TEXTS = 4096
# A text is cut to this many characters per token of the model's limit before it is tokenized, so that a
# text of megabytes costs no more than a long one.
CHARACTERS_PER_TOKEN = 64
_PAD_TOKENS = ("[PAD]", "<pad>")
_UNENCODABLE = re.compile("[\x00\ud800-\udfff]")
_GRAPH_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


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
        self._onnx, self._tokenizer_path = files.onnx, files.tokenizer
        self._tokenizer = _load_tokenizer(files.tokenizer, spec)
        self._threads = threads or processor_count()
        self._session = load_session(files.onnx, int8=files.precision != "fp32", device=spec.device)
        # The same text must have the same vector whatever stands beside it. Batches of one length see to that, but
        # the usual int8 graph scales activations over the whole batch: such a graph runs each text alone.
        batches = files.precision != "int8" or SCALED_BY_ROW in self._session.get_modelmeta().custom_metadata_map
        self._batch_tokens = BATCH_TOKENS if batches else 0
        self._inputs = _graph_inputs(self._session, files.onnx)
        self._pad_id = _pad_id(self._tokenizer)
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
            batches = list(length_batches([len(ids) for ids in token_ids], self._batch_tokens))
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
        with _explained(self._tokenizer_path):
            return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(cleaned)]

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
        mask = np.ones_like(ids)
        output = self._graph_output(ids, mask)
        pooled = pool(output, mask, self.spec.pooling)
        if not np.isfinite(pooled).all():
            raise PatinaError(
                f"{self._onnx}: model {self.spec.name} gave numbers that are not finite: "
                "its weights are not usable, add the model again"
            )
        return unit_rows(pooled)

    def _graph_output(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Vectors:
        values = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        feed = {name: np.ascontiguousarray(values[name], dtype) for name, dtype in self._inputs.items()}
        try:
            output = self._session.run(None, feed)[0]
        except Exception as error:  # onnxruntime has no narrower base class
            raise PatinaError(f"{self._onnx}: the graph fails on a batch: {first_line(error)}") from error
        return np.asarray(output, np.float32)

    def _check_output(self) -> None:
        """Run one token through the graph and compare the shape of what it gives with the spec.

        Raises:
            PatinaError: Rank or dimension is not what the spec says.
        """
        one_token = np.full((1, 1), self._pad_id, np.int64)
        shape = self._graph_output(one_token, np.ones_like(one_token)).shape
        rank = 2 if self.spec.pooling == "model" else 3
        if len(shape) != rank:
            expected = "[texts, dims]" if rank == 2 else "[texts, tokens, dims]"
            raise PatinaError(
                f"{self._onnx}: first output has shape {list(shape)}, but pooling {self.spec.pooling!r} "
                f"of model {self.spec.name} expects {expected}: correct the model's pooling"
            )
        if shape[-1] != self.spec.dims:
            raise PatinaError(
                f"{self._onnx}: the graph gives {shape[-1]} dims, but model {self.spec.name} is registered "
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


def _load_tokenizer(path: Path, spec: ModelSpec) -> "Tokenizer":
    from tokenizers import Tokenizer  # here, so that importing this module costs nothing

    with _explained(path):
        tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(spec.max_tokens)
    return tokenizer


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what tokenizers raises into one sentence; where its code panics, that is no `Exception`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise PatinaError(f"{path}: not a usable tokenizer.json: {first_line(error)}") from error


def _graph_inputs(session: "InferenceSession", path: Path) -> dict[str, Any]:
    """Return the graph's inputs by name, with the integer type that each one takes."""
    inputs = {}
    for node in session.get_inputs():
        if node.name not in _GRAPH_INPUTS or node.type not in _INTEGERS:
            raise PatinaError(
                f"{path}: graph input {node.name} ({node.type}) is not one of {', '.join(_GRAPH_INPUTS)} "
                "of type int64 or int32: export the model as a text encoder"
            )
        inputs[node.name] = _INTEGERS[node.type]
    if "input_ids" not in inputs:
        found = ", ".join(inputs) or "none"
        raise PatinaError(f"{path}: the graph has no input input_ids (inputs: {found}): not a text encoder")
    return inputs


def _pad_id(tokenizer: "Tokenizer") -> int:
    known = (tokenizer.token_to_id(name) for name in _PAD_TOKENS)
    return next((token for token in known if token is not None), 0)
