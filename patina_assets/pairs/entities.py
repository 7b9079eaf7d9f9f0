"""What is related, whatever its text is at the moment: a file stays the same file when its definitions change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.hash_sample import HashSample, sample_of, text_hashes
from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import RelatedTexts
from patina_resources.arrays import Int32, UInt64

# The finalizer of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA): every bit of the input moves half of the output's.
_SHIFTS_AND_FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31


@dataclass(frozen=True, eq=False)
class EntityRelations:
    """The relations of a projection, by entity.

    Attributes:
        entities: uint64 [texts]: a hash of what each text is about.
        relations: The hashes of all relations.
    """

    entities: UInt64
    relations: HashSample

    def hashes(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> UInt64:
        """Return uint64: the hash of the relation between two rows of texts, in whichever order they are given."""
        return relation_hashes(self.entities[first], self.entities[second])


def entity_relations(items: Sequence[Item], rows: Int32, related: RelatedTexts) -> EntityRelations:
    """Return the relations by entity.

    Args:
        items: All items.
        rows: int32 [items]: the row of each item's text.
        related: Which texts belong together.
    """
    entities = _entity_hashes(items, rows, related.texts)
    first, second = np.divmod(related.keys, related.texts)
    once = first < second
    return EntityRelations(entities, sample_of(relation_hashes(entities[first[once]], entities[second[once]])))


def relation_hashes(first: UInt64, second: UInt64) -> UInt64:
    """Return uint64: the hash of each pair of entities, the same for both orders."""
    return _mixed(_mixed(np.minimum(first, second)) + np.maximum(first, second))


def _entity_hashes(items: Sequence[Item], rows: Int32, texts: int) -> UInt64:
    """Return uint64 [texts]; a text of several entities stands for the first of them by name."""
    names: list[str] = [""] * texts
    for item, row in zip(items, rows.tolist(), strict=True):
        name = f"{item.kind}\0{item.text if item.identity is None else item.identity}"
        names[row] = min(names[row] or name, name)
    return text_hashes(names)


def _mixed(values: UInt64) -> UInt64:
    for shift, factor in _SHIFTS_AND_FACTORS:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(_LAST_SHIFT))
