"""The contents of artifact files: values to bytes and back. No paths."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from patina_assets.pairs.entities import EntityRelations
from patina_assets.pairs.hash_sample import HashSample
from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import Relations
from patina_resources.arrays import Int32

# Keys that an item of an older build does not have either: left out where there is no value.
OPTIONAL_ITEM_FIELDS = ("line", "state")
WRITTEN_ITEM_FIELDS = tuple(field.name for field in fields(Item) if field.name != "identity")
# A safetensors file begins with its header's length; the only tensor's values follow the header.
HEADER_LENGTH_BYTES = 8
MOST_PAIRS_BYTES = 64 << 20


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
    """Return items as JSON lines; `line` and `state` stand only where an item has them."""
    return "".join(json.dumps(_item_fields(item)) + "\n" for item in items).encode()


def _item_fields(item: Item) -> dict[str, Any]:
    values = {name: getattr(item, name) for name in WRITTEN_ITEM_FIELDS}
    return {name: value for name, value in values.items() if name not in OPTIONAL_ITEM_FIELDS or value is not None}


def decode_items(data: bytes) -> list[Item]:
    """Return the items of `encode_items`; their order is their row."""
    return list(_decoded_items(data))


# A stage, its checks and the next stages ask for the same items one after the other.
@lru_cache(maxsize=1)
def _decoded_items(data: bytes) -> tuple[Item, ...]:
    lines = (json.loads(line) for line in data.splitlines())
    return tuple(Item(**{name: value for name, value in line.items() if name in WRITTEN_ITEM_FIELDS}) for line in lines)


def encode_pairs(texts: Sequence[str], triplets: Int32) -> bytes:
    """Return triplets as JSON lines of texts: the layout that sentence-transformers' trainer reads.

    It has no more than MOST_PAIRS_BYTES: a text may be long, and stands in many triplets.
    """
    lines, length = list[str](), 0
    quoted = cache(lambda row: json.dumps(texts[row]))  # a text stands in many triplets
    for anchor, positive, negative in triplets.tolist():
        told = f'"anchor": {quoted(anchor)}, "positive": {quoted(positive)}, "negative": {quoted(negative)}'
        length += len(told) + len("{}\n")  # all of it is ASCII
        if length > MOST_PAIRS_BYTES:
            break
        lines.append(f"{{{told}}}\n")
    return "".join(lines).encode()


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


# A stage's checks, its page and the next stages ask for the same relations one after the other.
@lru_cache(maxsize=1)
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


def encode_entity_relations(known: EntityRelations) -> bytes:
    """Return relations by entity as safetensors."""
    return save({"entities": known.entities, **_sample_tensors(known.relations)})


def decode_entity_relations(data: bytes) -> EntityRelations:
    """Return what `encode_entity_relations` was given."""
    return EntityRelations(load(data)["entities"], decode_sample(data))


def encode_sample(sample: HashSample) -> bytes:
    """Return a set's hashes as safetensors."""
    return save(_sample_tensors(sample))


def decode_sample(data: bytes) -> HashSample:
    """Return the hashes in what `encode_sample` or `encode_entity_relations` wrote."""
    tensors = load(data)
    return HashSample(tensors["hashes"], int(tensors["count"][0]))


def _sample_tensors(sample: HashSample) -> dict[str, NDArray[Any]]:
    return {"hashes": sample.hashes, "count": np.array([sample.count], np.int64)}


def encode_embeddings(vectors: NDArray[np.float32]) -> bytes:
    """Return float32 [texts, dim] as safetensors; row r is the vector of the r-th of the sorted unique texts."""
    return save({"vectors": np.ascontiguousarray(vectors, np.float32)})


def decode_embeddings(data: bytes) -> NDArray[np.float32]:
    """Return float32 [texts, dim], a read-only view of `data`: a large project's vectors fill much of a memory."""
    length = int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
    start = HEADER_LENGTH_BYTES + length
    shape = json.loads(data[HEADER_LENGTH_BYTES:start])["vectors"]["shape"]
    return np.frombuffer(data, "<f4", offset=start).reshape(shape)
