"""The contents of artifact files: values to bytes and back. No paths."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from patina_assets.pairs.relations import Int32, Item, Relations

# A safetensors file begins with its header's length; the only tensor's values follow the header.
HEADER_LENGTH_BYTES = 8


@dataclass(frozen=True)
class RelationsFile:
    """What the weights stage needs of the pairs.

    Attributes:
        relations: Contexts over rows of the unique texts.
        triplets: int32 [m, 3] from all contexts.
        training_triplets: int32 [k, 3] from the training contexts only.
    """

    relations: Relations
    triplets: Int32
    training_triplets: Int32


def encode_items(items: Iterable[Item]) -> bytes:
    """Return items as JSON lines."""
    return "".join(json.dumps(asdict(item)) + "\n" for item in items).encode()


def decode_items(data: bytes) -> list[Item]:
    """Return the items of `encode_items`; their order is their row."""
    return [Item(**json.loads(line)) for line in data.splitlines()]


def encode_pairs(texts: Sequence[str], triplets: Int32) -> bytes:
    """Return triplets as JSON lines of texts: the layout that sentence-transformers' trainer reads."""
    lines = (
        json.dumps({"anchor": texts[anchor], "positive": texts[positive], "negative": texts[negative]})
        for anchor, positive, negative in triplets.tolist()
    )
    return "".join(line + "\n" for line in lines).encode()


def encode_relations(file: RelationsFile) -> bytes:
    """Return contexts and triplets as safetensors."""
    return save(
        {
            "context.offsets": file.relations.offsets,
            "context.members": file.relations.members,
            "context.split": file.relations.split,
            "apart": file.relations.apart,
            "texts": np.array([file.relations.texts], np.int64),
            "triplets": file.triplets,
            "training_triplets": file.training_triplets,
        }
    )


def decode_relations(data: bytes) -> RelationsFile:
    """Return what `encode_relations` was given."""
    tensors = load(data)
    relations = Relations(
        texts=int(tensors["texts"][0]),
        offsets=tensors["context.offsets"],
        members=tensors["context.members"],
        split=tensors["context.split"],
        apart=tensors["apart"],
    )
    return RelationsFile(relations, tensors["triplets"], tensors["training_triplets"])


def encode_embeddings(vectors: NDArray[np.float32]) -> bytes:
    """Return float32 [texts, dim] as safetensors; row r is the vector of the r-th of the sorted unique texts."""
    return save({"vectors": np.ascontiguousarray(vectors, np.float32)})


def decode_embeddings(data: bytes) -> NDArray[np.float32]:
    """Return float32 [texts, dim], a read-only view of `data`: a large project's vectors fill much of a memory."""
    length = int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
    start = HEADER_LENGTH_BYTES + length
    shape = json.loads(data[HEADER_LENGTH_BYTES:start])["vectors"]["shape"]
    return np.frombuffer(data, "<f4", offset=start).reshape(shape)
