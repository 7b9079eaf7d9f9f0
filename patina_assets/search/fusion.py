"""Several ranked lists to one: reciprocal rank fusion. Pure."""

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping
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


Identity = tuple[str, ...]


@dataclass(frozen=True)
class Ranked:
    """The things that one list found, each at its best rank.

    Attributes:
        ranks: The rank of each thing, from 1; best first.
        keys: By rank, the key of the item that the list has for the thing.
        scores: By rank, as in `Place`.
    """

    ranks: Mapping[Identity, int]
    keys: list[int]
    scores: list[float]

    def __len__(self) -> int:
        """Return the number of things."""
        return len(self.keys)

    def key(self, thing: Identity) -> int:
        """Return the key of the item that the list has for a thing that it found."""
        return self.keys[self.ranks[thing] - 1]

    def place(self, thing: Identity) -> Place:
        """Return where the list has a thing that it found."""
        rank = self.ranks[thing]
        return Place(rank, self.scores[rank - 1])


def identity(item: Item) -> Identity:
    """Return what makes two items the same thing, though one list may word it differently; the kind comes first."""
    if item.kind == "file":
        return (item.kind, item.file or "")
    if item.kind == "commit":
        return (item.kind, item.commit or "")
    if item.seq:
        # One event tells of one note or function.
        return (item.kind, item.file or "", item.session or "", item.commit or "", str(item.seq))
    return item.order()


def distinct(
    found: Iterable[tuple[int, float]],
    identity_of: Callable[[int], Identity],
    k: int,
    without: Collection[str] = (),
) -> Ranked:
    """Return the first k things of a list.

    Args:
        found: Keys of items and their scores, best first.
        identity_of: Returns the identity of a key's item; asked only until there are k things.
        k: Number of results.
        without: Kinds of items to leave out.
    """
    # Nothing is made for each item that the garbage collector would follow: it would come by in every query.
    ranks: dict[Identity, int] = {}
    keys: list[int] = []
    scores: list[float] = []
    for key, score in found:
        if len(keys) >= k:
            break
        thing = identity_of(key)
        if thing not in ranks and thing[0] not in without:
            keys.append(key)
            scores.append(score)
            ranks[thing] = len(keys)
    return Ranked(ranks, keys, scores)


def fuse(
    lists: Mapping[str, Ranked],
    item_of: Callable[[str, int], Item],
    k: int,
    weights: Mapping[str, float] | None = None,
) -> list[Hit]:
    """Return the k items with the highest weighted reciprocal-rank sum over several lists, best first.

    Args:
        lists: By name. An item is shown as the first list words it.
        item_of: Returns the item that a list has under a key; asked only for those that may be returned.
        k: Number of results.
        weights: By name of a list; 1 where none is given.
    """
    scores: dict[Identity, float] = {}
    for name, ranked in lists.items():
        weight = (weights or {}).get(name, 1.0)
        for thing, rank in ranked.ranks.items():
            scores[thing] = scores.get(thing, 0.0) + weight / (FUSION_CONSTANT + rank)
    # Those that tie with the last: their order is that of their content.
    least = min(heapq.nlargest(k, scores.values()), default=0.0)
    hits = []
    for thing in (thing for thing, score in scores.items() if score >= least):
        having = {name: ranked for name, ranked in lists.items() if thing in ranked.ranks}
        first = next(iter(having))
        item = item_of(first, having[first].key(thing))
        hits.append(Hit(item, scores[thing], {name: ranked.place(thing) for name, ranked in having.items()}))
    return sorted(hits, key=lambda hit: (-hit.score, hit.item.order()))[:k]
