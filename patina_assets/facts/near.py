"""The nearest things to a thing in each index that holds it, by the vectors that are there: no model is loaded."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patina_assets.facts.known_things import KnownThings
from patina_assets.facts.things import Thing
from patina_assets.pairs.code_text import file_text
from patina_assets.pairs.files import REMOVED
from patina_assets.pairs.items import Item
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.passages.passage import Passage, thing_of
from patina_assets.search.built import BASE
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.fusion import Hit, Place
from patina_assets.search.indexes import MOST_NEIGHBOURS, Indexes, OpenIndex

# Of the index of all passages, so many are looked at for each result: most are of another group, or the thing itself.
READ_OF_BASE = 20
LEAST_READ = 200
# A thing of an index may stand several times among its items.
READ_PER_RESULT = 3


@dataclass(frozen=True)
class NearList:
    """The things of one index that are nearest.

    Attributes:
        name: The projection, or `base`.
        meaning: What is near in it.
        hits: Nearest first; the score is a cosine.
    """

    name: str
    meaning: str
    hits: tuple[Hit, ...]


def near_lists(indexes: Indexes, thing: Thing, names: Iterable[str], k: int, missing: dict[str, str]) -> list[NearList]:
    """Return the nearest things in each index that holds a thing, in the order of the names.

    Args:
        indexes: What is built.
        thing: The thing.
        names: Projections, and `base`.
        k: Number of results of each list.
        missing: Is told of what cannot be opened, and why.
    """
    found = []
    for index in indexes.whole(names, missing):
        is_base = index.name == BASE
        own = thing.keys if is_base else _held(index, indexes.passages(), thing)
        vector = _mean(index, own)
        if vector is not None:
            hits = _of_base(index, indexes.passages(), thing, vector, k) if is_base else (
                _of_projection(index, indexes.passages(), own, vector, k)
            )  # fmt: skip
            found.append(NearList(index.name, meaning_of(indexes, index.name), tuple(hits)))
    return found


def meaning_of(indexes: Indexes, name: str) -> str:
    """Return what is near in an index: what its pair type was chosen for; of `base`, what reads alike."""
    if name == BASE:
        return f"text that reads alike ({indexes.spec.name})"
    pair_type = PAIR_TYPES.get(indexes.pair_type(name))
    return pair_type.purpose if pair_type is not None else ""


def _held(index: OpenIndex, passages: PassageFile, thing: Thing) -> list[int]:
    """Return the keys of the items of a projection that are a thing."""
    about = Item("", "", file=thing.path) if thing.path is not None else (
        Item("", "", commit=thing.name) if thing.kind == "commit" else Item("", "", session=thing.name)
    )  # fmt: skip
    items = index.file.about(about)
    if thing.kind in {"commit", "session"}:
        return [key for key, _ in items]
    if thing.kind == "file":
        return [key for key, item in items if item.kind == "file"]
    return [key for key, item in items if item.kind == thing.kind and _passage(passages, item) in thing.keys]


def _passage(passages: PassageFile, item: Item) -> int | None:
    like = passages.like(item, 0.0)
    return like[1].key if like is not None else None


def _mean(index: OpenIndex, keys: Sequence[int]) -> NDArray[np.float32] | None:
    """Return the mean of some vectors of an index, float32 [dim], of unit length; None where they say nothing."""
    if not keys:
        return None
    total = index.vectors(keys).sum(axis=0)
    length = float(np.linalg.norm(total))
    return (total / length).astype(np.float32) if length > 0 else None


def _of_projection(
    index: OpenIndex, passages: PassageFile, own: Collection[int], vector: NDArray[np.float32], k: int
) -> Iterable[Hit]:
    seen = {_counted_once(index, key) for key in own}
    rank = 0
    for key, score in index.around(vector, READ_PER_RESULT * k + len(own)):
        if rank == k:
            return
        once, item = _counted_once(index, key), index.file.item(key)
        if once not in seen and item.state != REMOVED:
            seen.add(once)
            rank += 1
            yield _hit(item, passages, index.name, rank, score)


def _counted_once(index: OpenIndex, key: int) -> tuple[str, ...]:
    """Return what makes two items the same result: the notes of a session are one."""
    item = index.file.item(key)
    return (thing_of(item),) if item.session is not None else index.file.identity(key)


def _hit(item: Item, passages: PassageFile, name: str, rank: int, score: float) -> Hit:
    """Return an item of a projection as a result, with its passage: a file is more than any one passage of it."""
    key = _passage(passages, item) if item.kind != "file" else None
    passage = passages.passage(key) if key is not None else None
    is_same = passage is not None and passage.kind == item.kind
    return Hit(passage.item if passage is not None and is_same else item, score, {name: Place(rank, score)}, passage)


def _of_base(
    index: OpenIndex, passages: PassageFile, thing: Thing, vector: NDArray[np.float32], k: int
) -> Iterable[Hit]:
    """Yield the nearest passages of the same group, each definition, commit and session once; of a file, files."""
    group = passages.passage(thing.keys[0]).group
    count = min(max(READ_OF_BASE * k, LEAST_READ), MOST_NEIGHBOURS) + len(thing.keys)
    found = passages.found(dict(index.around(vector, count))).get(group, [])
    near = [(passages.passage(entry.key), entry.score) for entry in found if entry.state != REMOVED]
    if thing.kind == "file":
        yield from _files(index, passages, thing, vector, (passage.path for passage, _ in near))[:k]
        return
    seen = {_shown_once(passages.passage(key)) for key in thing.keys}
    rank = 0
    for passage, score in near:
        if rank == k:
            return
        once = _shown_once(passage)
        if once not in seen:
            seen.add(once)
            rank += 1
            yield Hit(passage.item, score, {BASE: Place(rank, score)}, passage)


def _files(
    index: OpenIndex, passages: PassageFile, thing: Thing, vector: NDArray[np.float32], paths: Iterable[str | None]
) -> list[Hit]:
    """Return files by the cosines of the means of their passages' vectors, nearest first."""
    found = []
    for path in sorted({path for path in paths if path is not None and path != thing.path}):
        mean = _mean(index, [row[0] for row in KnownThings(passages).of_path(path)])
        if mean is not None:
            found.append((float(mean @ vector), path))
    return [
        Hit(Item("file", file_text(path), file=path), score, {BASE: Place(rank, score)})
        for rank, (score, path) in enumerate(sorted(found, key=lambda entry: (-entry[0], entry[1])), 1)
    ]


def _shown_once(passage: Passage) -> tuple[object, ...]:
    if passage.commit is not None or passage.session is not None:
        return (thing_of(passage.item),)
    return (passage.path, passage.kind, passage.symbol, None if passage.symbol else passage.line)
