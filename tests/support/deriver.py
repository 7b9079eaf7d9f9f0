"""Derives a pair type from events, through a real eventlog file."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from eventlog_builder import Event, build_eventlog

from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData
from patina_assets.pairs.relations import Relations, relate, related_texts, unique_texts
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pairs.types import PAIR_TYPES
from patina_resources.arrays import Int32
from patina_resources.eventlog.reader import Eventlog

TextPairs = set[tuple[str, str]]


def both_ways(groups: Iterable[Iterable[str]]) -> TextPairs:
    """Return each two of a group, in both orders."""
    return {pair for group in groups for pair in permutations(set(group), 2)}


@dataclass(frozen=True)
class Derived:
    """What a pair type makes of an eventlog."""

    data: PairData
    texts: list[str]
    relations: Relations

    def related(self) -> TextPairs:
        keys = related_texts(self.relations).keys
        return {(self.texts[key // len(self.texts)], self.texts[key % len(self.texts)]) for key in keys.tolist()}

    def triplets(self, seed: int = 0) -> Int32:
        return sample_triplets(self.relations, related_texts(self.relations), 500, seed)

    def labels(self) -> set[str]:
        """Items without what all of one kind have in common."""
        return {item.text for item in self.data.items}


class Deriver:
    """Makes an eventlog of events and derives one pair type from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0

    def __call__(
        self, name: str, events: Iterable[Event], *, checked: bool = True, options: DeriveOptions = AS_BUILT
    ) -> Derived:
        self._made += 1
        path = build_eventlog(self.folder / f"{self._made}.db", events, checked=checked)
        rows = Eventlog(path).read(PAIR_TYPES[name].sources)
        data = PAIR_TYPES[name].derive({source: read.rows for source, read in rows.items()}, options)
        texts, _ = unique_texts(data.items)
        return Derived(data, texts, relate(texts, data.contexts, data.apart))
