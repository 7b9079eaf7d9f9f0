"""Passages as JSON lines."""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields

from patina_assets.passages.passage import Passage
from patina_resources.store.known_files import KnownFiles

# More would fill memory: they are decoded each time.
MOST_KEPT_BYTES = 16 << 20
_DEFAULTS = {field.name: field.default for field in fields(Passage)}
# By content: a stage, its checks and the next stages ask for the same passages one after the other.
_KEPT: KnownFiles[tuple[Passage, ...]] = KnownFiles(most=1)


def encode_passages_lines(passages: Iterable[Passage]) -> bytes:
    """Return passages as JSON lines; what has its default is left out."""
    file = io.BytesIO()  # many passages: `join` would hold all lines, and then the whole twice
    for passage in passages:
        file.write(f"{json.dumps(_fields(passage))}\n".encode())
    return file.getvalue()


def keep_passages(data: bytes, passages: Iterable[Passage]) -> None:
    """Keep the passages that were encoded to `data` for who decodes it next in this process."""
    if len(data) <= MOST_KEPT_BYTES:
        _KEPT.put(data, tuple(passages))


def decode_passages(data: bytes) -> Iterable[Passage]:
    """Return the passages of `encode_passages_lines`; their order is their row."""
    found = _KEPT.get(data)
    if found is None and len(data) <= MOST_KEPT_BYTES:
        keep_passages(data, found := tuple(_decoded(data)))
    return _decoded(data) if found is None else found


def _decoded(data: bytes) -> Iterator[Passage]:
    for line in io.BytesIO(data):
        # Those of older builds have more.
        values = {name: value for name, value in json.loads(line).items() if name in _DEFAULTS}
        yield Passage(**{**values, "paths": tuple(values.get("paths", ()))})


def _fields(passage: Passage) -> dict[str, object]:
    return {name: value for name, value in vars(passage).items() if value != _DEFAULTS[name]}
