"""Several ranked lists to one: reciprocal rank fusion. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from patina_assets.pairs.relations import Item

# Cormack, Clarke and Büttcher 2009: score = sum over lists of weight / (constant + rank). Their constant of 60 is for
# lists of thousands; what is measured here is in docs/search.md.
FUSION_CONSTANT = 10
# Items that no question is worded like: a set of files that were worked on at one time.
KINDS_NOT_ASKED_FOR = frozenset({"state"})


@dataclass(frozen=True)
class Place:
    """Where one list has an item.

    Attributes:
        rank: From 1, the best.
        score: Cosine in a vector list, BM25 in the lexical one: more is better in both.
    """

    rank: int
    score: float


@dataclass(frozen=True)
class Hit:
    """One search result.

    Attributes:
        item: What was found.
        score: Cosine or BM25 in one list; the fused score where several were merged.
        places: Its place in each list that found it.
    """

    item: Item
    score: float
    places: Mapping[str, Place] = field(default_factory=dict)


Ranked = Sequence[tuple[Item, float]]


def identity(item: Item) -> tuple[str, ...]:
    """Return what makes two items the same thing, though one list may word it differently than another."""
    if item.kind == "file":
        return (item.kind, item.file or "")
    if item.kind == "commit":
        return (item.kind, item.commit or "")
    if item.seq:
        # One event tells of one note or function.
        return (item.kind, item.file or "", item.session or "", item.commit or "", str(item.seq))
    return item.order()


def distinct(ranked: Ranked, k: int, without: Collection[str] = ()) -> Ranked:
    """Return the first k things of a list, each at its best rank.

    Args:
        ranked: Items and scores, best first.
        k: Number of results.
        without: Kinds of items to leave out.
    """
    first: dict[tuple[str, ...], tuple[Item, float]] = {}
    for item, score in ranked:
        if item.kind not in without:
            first.setdefault(identity(item), (item, score))
    return list(first.values())[:k]


def fuse(lists: Mapping[str, Ranked], k: int, weights: Mapping[str, float] | None = None) -> list[Hit]:
    """Return the k items with the highest weighted reciprocal-rank sum over several lists, best first.

    Args:
        lists: Items and scores, best first, by the name of their list. An item is shown as the first list words it.
        k: Number of results.
        weights: By name of a list; 1 where none is given.
    """
    items: dict[tuple[str, ...], Item] = {}
    places: dict[tuple[str, ...], dict[str, Place]] = {}
    for name, ranked in lists.items():
        for rank, (item, score) in enumerate(ranked, 1):
            key = identity(item)
            items.setdefault(key, item)
            places.setdefault(key, {}).setdefault(name, Place(rank, score))
    hits = [
        Hit(items[key], sum(share(name, place, weights or {}) for name, place in found.items()), found)
        for key, found in places.items()
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.item.order()))[:k]


def share(name: str, place: Place, weights: Mapping[str, float]) -> float:
    """Return what one list adds to an item's fused score."""
    return weights.get(name, 1.0) / (FUSION_CONSTANT + place.rank)
