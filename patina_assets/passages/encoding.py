"""Passages as JSON lines."""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields

from patina_assets.passages.passage import Passage

_DEFAULTS = {field.name: field.default for field in fields(Passage)}


def encode_passages_lines(passages: Iterable[Passage]) -> bytes:
    """Return passages as JSON lines; what has its default is left out."""
    file = io.BytesIO()  # many passages: `join` would hold all lines, and then the whole twice
    for passage in passages:
        file.write(f"{json.dumps(_fields(passage))}\n".encode())
    return file.getvalue()


def decode_passages(data: bytes) -> Iterator[Passage]:
    """Yield the passages of `encode_passages_lines`; their order is their row."""
    for line in io.BytesIO(data):
        # Those of older builds have more.
        values = {name: value for name, value in json.loads(line).items() if name in _DEFAULTS}
        yield Passage(**{**values, "paths": tuple(values.get("paths", ()))})


def _fields(passage: Passage) -> dict[str, object]:
    values = {name: getattr(passage, name) for name in _DEFAULTS}
    return {name: value for name, value in values.items() if value != _DEFAULTS[name]}
