"""How the rows of sources become items and contexts: what a pair type is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.splits import BUILD_SPLITS, Splits
from patina_resources.eventlog.reader import Row, Source


@dataclass(frozen=True)
class PairData:
    """What a pair type makes of its sources' rows.

    Attributes:
        items: All items.
        contexts: Which of them belong together.
        apart: Keys by text. Two texts that share a key are never each other's negative, related or not: a negative
            of a function, say, has to be of another module. A text without keys may be a negative of all.
    """

    items: Sequence[Item]
    contexts: Sequence[Context]
    apart: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class DeriveOptions:
    """How rows become items and contexts, where a pair type leaves that open.

    Attributes:
        min_count: How many commits must have touched two files for them to belong together (`PairType.min_count`).
        splits: How contexts are dealt to training, validation and test.
    """

    min_count: int = 1
    splits: Splits = BUILD_SPLITS


AS_BUILT = DeriveOptions()


class Derive(Protocol):
    """Rows by source name -> items and contexts. Pure."""

    def __call__(self, rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
        """Return items and contexts; the options decide nothing about which items there are."""


@dataclass(frozen=True)
class PairType:
    """How a source's rows become items and contexts.

    Attributes:
        name: As in a recipe's `pair_type`.
        purpose: What is near in its vectors, in a few words.
        source: The source that a recipe names for it.
        further_sources: Other sources that items or their texts are made from.
        derive: Rows by source name -> items and contexts. Pure.
        version: Raised when `derive` gives something else for the same rows.
        missing: What an eventlog without signal lacks, and what to do about it.
        teaches_corpus_model: Whether the corpus model may learn words from the texts of its items. It may not where
            such a text tells of a relation that a projection is tested on (docs/experiments.md has the numbers).
        min_count: The default of the recipe's `min_count`; None where the pair type counts nothing.
        hard_negatives: Whether training does better with negatives from the anchor's nearest texts, where the loss
            allows it: measured in docs/experiments.md, *Near negatives over many windows*.
        origin: The distribution and version of the plugin that it comes from; "" for our own.
    """

    name: str
    purpose: str
    source: Source
    derive: Derive
    version: int
    missing: str
    teaches_corpus_model: bool
    further_sources: tuple[Source, ...] = ()
    hard_negatives: bool = False
    min_count: int | None = None
    origin: str = ""

    @property
    def fingerprint(self) -> str:
        """Name and version, as they enter a fingerprint: with those of the plugin that it comes from."""
        return f"{self.name}@{self.version}" + (f" ({self.origin})" if self.origin else "")

    @property
    def sources(self) -> tuple[Source, ...]:
        """All sources, the recipe's first."""
        return (self.source, *self.further_sources)

    def options(self, min_count: int | None) -> DeriveOptions:
        """Return how a build derives, with the recipe's `min_count` or without one."""
        return DeriveOptions(min_count or self.min_count or 1)

    def hard_negatives_with(self, loss: str) -> bool:
        """Return whether a loss is trained with negatives from the anchor's nearest texts.

        The hinge of the triplet loss is not: it sees nothing but these negatives, and vectors become worse.
        """
        return self.hard_negatives and loss == "infonce"
