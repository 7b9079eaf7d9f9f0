"""Which base models exist: `ModelSpec` and the registry that names them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Pooling = Literal["mean", "cls", "model"]
CORPUS_STATIC = "corpus-static"


@dataclass(frozen=True)
class ModelSpec:
    """What the embedder has to know of a base model, beside its bytes.

    Attributes:
        name: Registry name, such as `all-minilm-l6-v2`.
        dims: Length of a vector.
        max_tokens: Longer token sequences are cut here, special tokens included.
        pooling: `mean` or `cls` over token vectors; `model` where the graph already gives one vector per text.
        query_prefix: Put in front of a search query.
        passage_prefix: Put in front of everything else.
    """

    name: str
    dims: int
    max_tokens: int
    pooling: Pooling
    query_prefix: str = ""
    passage_prefix: str = ""


@dataclass(frozen=True)
class ModelFiles:
    """Verified files of one model on this machine.

    Attributes:
        onnx: The ONNX graph with its weights.
        tokenizer: The `tokenizer.json` beside it.
        digest: SHA-256 (hex) over the digests of both: the identity of the model in fingerprints and caches.
    """

    onnx: Path
    tokenizer: Path
    digest: str
