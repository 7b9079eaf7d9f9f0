"""An ONNX graph over token ids, and the tokenizer that belongs to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patina_resources.arrays import Vectors
from patina_resources.errors import PatinaError
from patina_resources.models.registry import ModelFiles, ModelSpec
from patina_resources.onnx.session import SCALED_BY_ROW, first_line, load_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

# 8 rows of 64 tokens keep a small encoder's activations in cache.
BATCH_TOKENS = 512
# What tokenizers raises where its code panics: no `Exception`.
PANIC = "PanicException"
_PAD_TOKENS = ("[PAD]", "<pad>")
_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class TokenGraph:
    """A loaded graph with its tokenizer.

    Attributes:
        path: The ONNX file, for errors.
        batch_tokens: How many tokens of one length a batch may have; 0 where each text has to run alone.
        pad_id: The token that stands for nothing.
    """

    def __init__(self, spec: ModelSpec, files: ModelFiles) -> None:
        """Load tokenizer and graph.

        Args:
            spec: What the model is said to be.
            files: Its files. The caller has compared them with their digests: native code reads them.

        Raises:
            PatinaError: One of them cannot be loaded, or is of no use for token ids.
        """
        self.path = files.onnx
        self._tokenizer_path = files.tokenizer
        self._tokenizer = self._load_tokenizer(spec.max_tokens)
        self._session = load_session(files.onnx, int8=files.precision != "fp32", device=spec.device)
        # The same text must have the same vector whatever stands beside it. Batches of one length see to that, but
        # the usual int8 graph scales activations over the whole batch: such a graph runs each text alone.
        batches = files.precision != "int8" or SCALED_BY_ROW in self._session.get_modelmeta().custom_metadata_map
        self.batch_tokens = BATCH_TOKENS if batches else 0
        self._inputs = _graph_inputs(self._session, files.onnx)
        self.pad_id = _pad_id(self._tokenizer)

    def encode(self, texts: "list[str] | list[tuple[str, str]]") -> "list[Encoding]":
        """Return the tokens of texts, or of pairs of texts, without padding, cut to the model's limit.

        Raises:
            PatinaError: The tokenizer fails.
        """
        with _explained(self._tokenizer_path):
            return self._tokenizer.encode_batch_fast(texts)

    def output(self, ids: NDArray[np.int64], types: NDArray[np.int64] | None = None) -> Vectors:
        """Return the graph's first output, float32.

        Args:
            ids: Token ids, int64 [b, s], without padding.
            types: The type of each token, int64 [b, s]; None for zeros.

        Raises:
            PatinaError: The graph fails.
        """
        values = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids) if types is None else types,
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        feed = {name: np.ascontiguousarray(values[name], dtype) for name, dtype in self._inputs.items()}
        try:
            output = self._session.run(None, feed)[0]
        except Exception as error:  # onnxruntime has no narrower base class
            raise PatinaError(f"{self.path}: the graph fails on a batch: {first_line(error)}") from error
        return np.asarray(output, np.float32)

    def _load_tokenizer(self, max_tokens: int) -> "Tokenizer":
        from tokenizers import Tokenizer  # here, so that importing this module costs nothing

        with _explained(self._tokenizer_path):
            tokenizer = Tokenizer.from_str(self._tokenizer_path.read_text("utf-8"))
            tokenizer.no_padding()
            tokenizer.enable_truncation(max_tokens)
        return tokenizer


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what tokenizers raises into one sentence."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise  # Ctrl-C, under whatever name
        raise PatinaError(f"{path}: not a usable tokenizer.json: {first_line(error)}") from error


def _graph_inputs(session: "InferenceSession", path: Path) -> dict[str, Any]:
    """Return the graph's inputs by name, with the integer type that each one takes."""
    inputs = {}
    for node in session.get_inputs():
        if node.name not in _INPUTS or node.type not in _INTEGERS:
            raise PatinaError(
                f"{path}: graph input {node.name} ({node.type}) is not one of {', '.join(_INPUTS)} "
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
