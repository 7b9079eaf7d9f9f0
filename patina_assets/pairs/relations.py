"""Which texts belong together, as row numbers: the relation that follows from contexts."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.splits import Split
from patina_resources.arrays import Int32, Int64, UInt64, sorted_unique

# One context relates every pair of its members, so a session of a million notes must not ask for 10^12 pairs.
MAX_CONTEXT_MEMBERS = 256
# Keys of `PairData.apart` are bits. Where there are more keys some share a bit, which only costs negatives.
MAX_APART_BITS = 1024
BITS_PER_WORD = 64
# Places that are compared at once: arrays of a few mebibytes.
COMPARED_AT_ONCE = 1 << 16

# float64 [n] for int64 [n] and int64 [n]: how alike each place and its candidate are.
Likeness = Callable[[Int64, Int64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Relations:
    """Contexts as row numbers of unique texts.

    Attributes:
        texts: Number of unique texts.
        offsets: int64 [contexts + 1]; context c has `members[offsets[c] : offsets[c + 1]]`.
        members: int32; rows of texts, ascending in each context, at least two.
        split: int8 [contexts]; a `Split` each.
        apart: uint64 [texts, words]; the bits of each text's keys in `PairData.apart`.
    """

    texts: int
    offsets: Int64
    members: Int32
    split: NDArray[np.int8]
    apart: UInt64

    def only(self, *splits: Split) -> "Relations":
        """Return the relations of some splits."""
        if splits not in self._parts:
            self._parts[splits] = self._only(splits)
        return self._parts[splits]

    @cached_property
    def _parts(self) -> "dict[tuple[Split, ...], Relations]":
        return {}

    @cached_property
    def related(self) -> "RelatedTexts":
        """Which texts share a context."""
        return _related_texts(self)

    def _only(self, splits: Sequence[Split]) -> "Relations":
        keep = np.isin(self.split, [int(split) for split in splits])
        sizes = np.diff(self.offsets)
        members = self.members[np.repeat(keep, sizes)]
        offsets = np.concatenate([[0], np.cumsum(sizes[keep])]).astype(np.int64)
        return Relations(self.texts, offsets, members, self.split[keep], self.apart)

    def member_rows(self) -> Int32:
        """Return the rows of all texts that stand in a context, ascending, each once."""
        return sorted_unique(self.members)


@dataclass(frozen=True)
class RelatedTexts:
    """Which texts share a context: a symmetric relation without (i, i).

    Attributes:
        keys: int64, ascending, each once: `first * texts + second` for every ordered pair.
        texts: Number of unique texts.
        apart: uint64 [texts, words]; texts with a bit in common are no evidence against each other.
    """

    keys: Int64
    texts: int
    apart: UInt64

    def contains(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return bool, broadcast over `first` and `second`: do the two texts share a context?"""
        wanted = np.asarray(first, np.int64) * self.texts + np.asarray(second, np.int64)
        if not self.keys.size:
            return np.zeros(wanted.shape, np.bool_)
        place = np.minimum(np.searchsorted(self.keys, wanted), self.keys.size - 1)
        return np.asarray(self.keys[place] == wanted)

    def neighbours(self, row: int) -> Int32:
        """Return int32, ascending: the texts that share a context with `row`."""
        low, high = np.searchsorted(self.keys, [row * self.texts, (row + 1) * self.texts])
        return (self.keys[low:high] - row * self.texts).astype(np.int32)

    def mask(self, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return bool [len(rows), len(columns)]: does row r's text share a context with column c's?"""
        # A text has few neighbours: to look each of them up among the columns is less work than the reverse.
        distinct, place_of = np.unique(columns, return_inverse=True)
        starts = np.asarray(rows, np.int64) * self.texts
        low, high = np.searchsorted(self.keys, [starts, starts + self.texts])
        counts = high - low
        row = np.repeat(np.arange(len(starts)), counts)
        key = np.arange(counts.sum()) + np.repeat(low - np.cumsum(counts) + counts, counts)
        neighbours = self.keys[key] - starts[row]
        # What is smaller than all columns is compared with the last one, which is larger.
        place = np.searchsorted(distinct, neighbours, "right") - 1
        found = distinct[place] == neighbours
        related = np.zeros((len(starts), distinct.size), np.bool_)
        related[row[found], place[found]] = True
        return related if np.array_equal(distinct, columns) else related[:, place_of]

    def never_negative(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return bool, broadcast over `first` and `second`: do the texts share a context or an `apart` key?"""
        found = self.contains(first, second)
        for word in self.apart.T:
            found |= (word[first] & word[second]) != 0
        return found

    def never_negative_mask(self, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return bool [len(rows), len(columns)]: `never_negative` of row r's text and column c's."""
        found = self.mask(rows, columns)
        for word in self.apart.T:
            # A text has few keys, so most have no bit in a word.
            its_rows, its_columns = np.flatnonzero(word[rows]), np.flatnonzero(word[columns])
            shared = (word[rows[its_rows], None] & word[columns[its_columns]]) != 0
            found[its_rows[:, None], its_columns] |= shared
        return found


def unique_texts(items: Sequence[Item]) -> tuple[list[str], Int32]:
    """Return the unique texts, sorted, and int32 [items]: each item's row among them."""
    texts = sorted({item.text for item in items})
    row_of = {text: row for row, text in enumerate(texts)}
    return texts, np.fromiter((row_of[item.text] for item in items), np.int32, len(items))


def relate(
    texts: Sequence[str], contexts: Sequence[Context], apart: Mapping[str, Collection[str]] | None = None
) -> Relations:
    """Return the contexts over rows of `texts`: thinned, sorted by content, those with one text left out.

    Args:
        texts: Unique texts, sorted.
        contexts: Which items belong together.
        apart: As in `PairData`.
    """
    row_of = {text: row for row, text in enumerate(texts)}
    rows = set()
    for context in contexts:
        members = sorted({row_of[item.text] for item in context.members})
        if len(members) >= 2:
            rows.add((int(context.split), tuple(_thin(members))))
    ordered = sorted(rows)
    sizes = [len(members) for _, members in ordered]
    return Relations(
        texts=len(texts),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        members=np.fromiter((row for _, members in ordered for row in members), np.int32, sum(sizes)),
        split=np.fromiter((split for split, _ in ordered), np.int8, len(ordered)),
        apart=_apart_bits(texts, apart or {}),
    )


def related_texts(relations: Relations) -> RelatedTexts:
    """Return which texts share a context; of one value it is counted once."""
    return relations.related


def _related_texts(relations: Relations) -> RelatedTexts:
    sizes = np.diff(relations.offsets)
    keys = [np.array([], np.int64)]
    for size in sorted_unique(sizes):
        starts = relations.offsets[:-1][sizes == size]
        members = relations.members[starts[:, None] + np.arange(size)].astype(np.int64)
        keys.append((members[:, :, None] * relations.texts + members[:, None, :]).ravel())
    merged = sorted_unique(np.concatenate(keys))
    itself = merged // max(relations.texts, 1) == merged % max(relations.texts, 1)
    return RelatedTexts(merged[~itself], relations.texts, relations.apart)


def nearest_earlier(
    candidates: Iterable[Collection[int]], likeness: Likeness, least: float, most: int
) -> list[tuple[int, int]]:
    """Return (place, candidate) for the candidates that are most alike of each place: the best first, then the latest.

    Args:
        candidates: Of each place in turn, earlier places to compare it with, each once.
        likeness: How alike some places and their candidates are.
        least: Those that are less alike are left out.
        most: Of each place, so many at most.
    """
    found: list[tuple[int, int]] = []
    earlier: list[int] = []
    counts: list[int] = []
    first = 0
    for own in chain(candidates, [None]):
        if own is None or len(earlier) > COMPARED_AT_ONCE:
            found += _nearest(first, counts, np.array(earlier, np.int64), likeness, least, most)
            first, counts, earlier = first + len(counts), [], []
        if own is not None:
            earlier += own
            counts.append(len(own))
    return found


def _nearest(
    first: int, counts: Sequence[int], earlier: Int64, likeness: Likeness, least: float, most: int
) -> list[tuple[int, int]]:
    """Return what `nearest_earlier` does for a few places, the first of which is given, and their candidates."""
    later = np.repeat(np.arange(first, first + len(counts)), np.array(counts, np.int64))
    alike = likeness(later, earlier)
    enough = alike >= least  # the few that are: to sort all takes longer than to compare them
    later, earlier, alike = later[enough], earlier[enough], alike[enough]
    order = np.lexsort((-earlier, -alike, later))
    # Sorted by place: how many come before it of the same place.
    rank = np.arange(len(order)) - np.searchsorted(later, later)
    chosen = order[rank < most]
    return list(zip(later[chosen].tolist(), earlier[chosen].tolist(), strict=True))


def evenly(rows: Int32, most: int) -> Int32:
    """Return at most `most` of the rows, evenly spread over all."""
    if rows.size <= most:
        return rows
    return rows[np.linspace(0, rows.size - 1, most).astype(np.int64)]


def _apart_bits(texts: Sequence[str], apart: Mapping[str, Collection[str]]) -> UInt64:
    """Return uint64 [texts, words]: a bit for each key, in the order of the keys; no words where there are none."""
    keys = sorted({key for text in texts for key in apart.get(text, ())})
    bits = min(len(keys), MAX_APART_BITS)
    place_of = {key: place % MAX_APART_BITS for place, key in enumerate(keys)}
    table = np.zeros((len(texts), -(-bits // BITS_PER_WORD)), np.uint64)
    own = [apart.get(text, ()) for text in texts]
    rows = np.repeat(np.arange(len(texts)), list(map(len, own)))
    words, bit = np.divmod(np.fromiter((place_of[key] for keys in own for key in keys), np.uint64), BITS_PER_WORD)
    np.bitwise_or.at(table, (rows, words.astype(np.int64)), np.uint64(1) << bit)
    return table


def _thin(members: list[int]) -> list[int]:
    """Return at most MAX_CONTEXT_MEMBERS of the rows, evenly spread over the sorted texts."""
    if len(members) <= MAX_CONTEXT_MEMBERS:
        return members
    step = len(members) / MAX_CONTEXT_MEMBERS
    return [members[int(place * step)] for place in range(MAX_CONTEXT_MEMBERS)]
