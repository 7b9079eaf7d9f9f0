"""Passages as JSON lines."""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import lru_cache

from patina_assets.passages.passage import Passage

# More would fill memory: they are decoded each time.
MOST_KEPT_BYTES = 16 << 20
_DEFAULTS = {field.name: field.default for field in fields(Passage)}


def encode_passages_lines(passages: Iterable[Passage]) -> bytes:
    """Return passages as JSON lines; what has its default is left out."""
    file = io.BytesIO()  # many passages: `join` would hold all lines, and then the whole twice
    for passage in passages:
        file.write(f"{json.dumps(_fields(passage))}\n".encode())
    return file.getvalue()


def decode_passages(data: bytes) -> Iterable[Passage]:
    """Return the passages of `encode_passages_lines`; their order is their row."""
    return _kept(data) if len(data) <= MOST_KEPT_BYTES else _decoded(data)


# A stage, its checks and the next stages ask for the same passages one after the other.
@lru_cache(maxsize=1)
def _kept(data: bytes) -> tuple[Passage, ...]:
    return tuple(_decoded(data))


def _decoded(data: bytes) -> Iterator[Passage]:
    for line in io.BytesIO(data):
        # Those of older builds have more.
        values = {name: value for name, value in json.loads(line).items() if name in _DEFAULTS}
        yield Passage(**{**values, "paths": tuple(values.get("paths", ()))})


def _fields(passage: Passage) -> dict[str, object]:
    values = {name: getattr(passage, name) for name in _DEFAULTS}
    return {name: value for name, value in values.items() if value != _DEFAULTS[name]}
