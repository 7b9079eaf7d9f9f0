"""A passage as rows of the store, and by which digests a publisher knows that it has changed. Pure."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from patina_assets.passages.passage import Passage
from patina_assets.search.lexical import index_text

# Postgres ends a text of words at a megabyte; a commit may have touched 50,000 files.
MOST_WORDS_CHARACTERS = 200_000
MOST_TEXT_CHARACTERS = 20_000


@dataclass(frozen=True)
class PublishedRow:
    """What the store holds of a passage, beside its vector.

    Attributes:
        digest: SHA-256 of what is embedded, searched and shown as its text.
        place: SHA-256 of what may change without a new vector: lines, state, author, ...
        searched: kind, thing, role, symbol_key, state, path, author, time: columns of `passage`.
        words: Words of name, doc, body and place.
        shown: item, symbol, doc, body, line, end_line, session, commit, url, status: columns of `content`.
    """

    digest: bytes
    place: bytes
    searched: tuple[str | None, ...]
    words: tuple[str, str, str, str]
    shown: tuple[str | int | None, ...]


def row_of(passage: Passage) -> PublishedRow:
    """Return the row of a passage. Events have other numbers on other machines, so that number is left out."""
    body = passage.body or passage.text
    own = (passage.kind, passage.text, passage.symbol, passage.doc, body, passage.path, passage.session, passage.commit)
    placed = (passage.line, passage.end_line, passage.role, passage.state, passage.time, passage.author, passage.url,
              passage.status)  # fmt: skip
    where = index_text((passage.path, passage.session, passage.commit, *passage.paths))
    texts = (index_text((passage.name,)), index_text((passage.doc,)), index_text((body,)), where)
    name, doc, words_of_body, place = (text[:MOST_WORDS_CHARACTERS] for text in texts)
    return PublishedRow(
        _digest([*own, *passage.paths]),
        _digest(placed),
        tuple(map(clean, (passage.group, _thing(passage), passage.role, passage.symbol.lower()[:MOST_TEXT_CHARACTERS],
                          passage.state, passage.path, passage.author, passage.time))),
        (clean(name) or "", clean(doc) or "", clean(words_of_body) or "", clean(place) or ""),
        (*map(clean, (passage.kind, passage.symbol, passage.doc, body)), passage.line, passage.end_line,
         *map(clean, (passage.session, passage.commit, passage.url, passage.status))),
    )  # fmt: skip


def clean(text: str | None) -> str | None:
    """Return a text that Postgres takes: without the character 0, and without halves of characters."""
    if text is None:
        return None
    return str(text)[: MOST_TEXT_CHARACTERS * 10].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def vector_text(vector: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> str:
    """Return a vector, float32 [dims], as pgvector reads it."""
    return json.dumps(vector.tolist(), separators=(",", ":"))


def _thing(passage: Passage) -> str:
    """Return what the passage is of; a passage of nothing that has a name is one by itself."""
    return f"text {_digest([passage.text]).hex()}" if passage.thing.startswith("seq ") else passage.thing


def _digest(values: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps(list(values)).encode("utf-8", "replace")).digest()
