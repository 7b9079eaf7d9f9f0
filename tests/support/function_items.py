"""Functions as items, and the items of triplets."""

from collections.abc import Iterator

from deriver import Derived

from patina_assets.pairs.items import Item


def negatives_of(derived: Derived) -> Iterator[tuple[Item, Item]]:
    """Yield the items of anchor and negative of each triplet."""
    item_of = {item.text: item for item in derived.data.items}
    for anchor, _, negative in derived.triplets().tolist():
        yield item_of[derived.texts[anchor]], item_of[derived.texts[negative]]


def items(**counts: int) -> list[Item]:
    """Return so many functions of each file."""
    return [
        Item("function", f"Function: {file}_{number}()", file=f"src/{file}.py")
        for file, count in counts.items()
        for number in range(count)
    ]
