"""The contents of artifact files: values to bytes and back. No paths."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from json.encoder import encode_basestring_ascii
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from patina_assets.pairs.entities import EntityRelations
from patina_assets.pairs.hash_sample import HashSample
from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import Relations
from patina_resources.arrays import Int32
from patina_resources.store.known_files import KnownFiles

WRITTEN_ITEM_FIELDS = tuple(field.name for field in fields(Item) if field.name != "identity")
# A safetensors file begins with its header's length; the only tensor's values follow the header.
HEADER_LENGTH_BYTES = 8
MOST_PAIRS_BYTES = 64 << 20
PAIR_LINE = b'{"anchor": %b, "positive": %b, "negative": %b}\n'
# By content: a stage, its checks and the next stages ask for the same items one after the other.
_ITEMS: KnownFiles[tuple[Item, ...]] = KnownFiles(most=1)


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


# A stage's checks, its page and the next stages ask for the same relations one after the other.
_RELATIONS: KnownFiles[RelationsFile] = KnownFiles(most=1)


def encode_items(items: Iterable[Item]) -> bytes:
    """Return items as JSON lines; `line` and `state` stand only where an item has them."""
    return "".join(map(_item_line, items)).encode()


def _item_line(item: Item) -> str:
    """Return what `json.dumps` gives for an item's fields, which takes it several times as long."""
    line = "" if item.line is None else f', "line": {_json(item.line)}'
    state = "" if item.state is None else f', "state": {_json(item.state)}'
    return (
        f'{{"kind": {_json(item.kind)}, "text": {_json(item.text)}, "file": {_json(item.file)}, '
        f'"session": {_json(item.session)}, "commit": {_json(item.commit)}{line}{state}}}\n'
    )


def _json(value: str | int | None) -> str:
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    return "null" if value is None else json.dumps(value)


def keep_items(data: bytes, items: Iterable[Item]) -> None:
    """Keep the items that were encoded to `data` for who decodes it next in this process."""
    _ITEMS.put(data, tuple(items))


def decode_items(data: bytes) -> list[Item]:
    """Return the items of `encode_items`; their order is their row."""
    found = _ITEMS.get(data)
    if found is None:
        lines = (json.loads(line) for line in data.splitlines())
        found = tuple(Item(**{name: line[name] for name in WRITTEN_ITEM_FIELDS if name in line}) for line in lines)
        keep_items(data, found)
    return list(found)


def encode_pairs(texts: Sequence[str], triplets: Int32) -> bytes:
    """Return triplets as JSON lines of texts: the layout that sentence-transformers' trainer reads.

    It has no more than MOST_PAIRS_BYTES: a text may be long, and stands in many triplets.
    """
    # A text stands in many triplets. All of it is ASCII.
    quoted = {row: encode_basestring_ascii(texts[row]).encode() for row in set(triplets.ravel().tolist())}
    lengths = np.zeros(len(texts), np.int64)
    lengths[list(quoted)] = list(map(len, quoted.values()))
    ends = np.cumsum(lengths[triplets].sum(axis=1) + len(PAIR_LINE % (b"", b"", b"")))
    kept = triplets[: int(np.searchsorted(ends, MOST_PAIRS_BYTES, "right"))]
    rows = (map(quoted.__getitem__, column) for column in kept.T.tolist())
    return b"".join(map(PAIR_LINE.__mod__, zip(*rows, strict=True)))


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


def keep_relations(data: bytes, file: RelationsFile) -> None:
    """Keep what was encoded to `data`, with what follows from it, for who decodes it next in this process."""
    _RELATIONS.put(data, file)


def decode_relations(data: bytes) -> RelationsFile:
    """Return what `encode_relations` was given."""
    found = _RELATIONS.get(data)
    if found is None:
        found = _decoded_relations(data)
        keep_relations(data, found)
    return found


def _decoded_relations(data: bytes) -> RelationsFile:
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
    """Return float32 [texts, dim] as safetensors; row r is the vector of the r-th of the sorted unique texts.

    The bytes are those of safetensors' `save`, which copies what it is given twice more.
    """
    values = np.ascontiguousarray(vectors, "<f4")
    about = {"vectors": {"dtype": "F32", "shape": list(values.shape), "data_offsets": [0, values.nbytes]}}
    header = json.dumps(about, separators=(",", ":")).encode()
    header += b" " * (-len(header) % HEADER_LENGTH_BYTES)
    return b"".join((len(header).to_bytes(HEADER_LENGTH_BYTES, "little"), header, values.data))


def decode_embeddings(data: bytes) -> NDArray[np.float32]:
    """Return float32 [texts, dim], a read-only view of `data`: a large project's vectors fill much of a memory."""
    length = int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
    start = HEADER_LENGTH_BYTES + length
    shape = json.loads(data[HEADER_LENGTH_BYTES:start])["vectors"]["shape"]
    return np.frombuffer(data, "<f4", offset=start).reshape(shape)
