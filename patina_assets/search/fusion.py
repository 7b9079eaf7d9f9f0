"""What a search gives back, and the things of one list. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from patina_assets.pairs.code_text import told_name
from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Passage

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
        passage: Its best passage, where passages were searched.
        others: Further passages of the same file that answer, too.
    """

    item: Item
    score: float
    places: Mapping[str, Place] = field(default_factory=dict)
    passage: Passage | None = None
    others: tuple[Passage, ...] = ()


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
    if item.kind in {"function", "type"}:
        return (item.kind, item.file or "", told_name(item.text))
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
