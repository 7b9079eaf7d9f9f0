"""Whether trained vectors rank better than the base's: one rule for checks, tables and search."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from patina_assets.learning.evaluate import Scores, bootstrap_interval

# All of five queries gain, or all lose, once in 16 times by chance alone (sign test): too often for 95 %.
LEAST_QUERIES = 6


class Verdict(StrEnum):
    """What an interval of a gain says."""

    BETTER = "better"
    NO_CLEAR_DIFFERENCE = "no clear difference"
    WORSE = "worse"


@dataclass(frozen=True)
class Gain:
    """The mean gain in MRR of trained vectors over the base's, query by query.

    Attributes:
        value: The mean.
        low: Lower end of its 95 % interval.
        high: Upper end.
        queries: How many queries were asked.
    """

    value: float
    low: float
    high: float
    queries: int

    @property
    def verdict(self) -> Verdict:
        """The interval is above zero, holds it, or is below it; few queries say nothing."""
        if self.queries < LEAST_QUERIES or self.low <= 0 <= self.high:
            return Verdict.NO_CLEAR_DIFFERENCE
        return Verdict.BETTER if self.low > 0 else Verdict.WORSE

    def __str__(self) -> str:
        """Return the verdict with what it rests on."""
        interval = f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}] at 95 %"
        return f"{self.verdict} (gain in MRR {interval}, {self.queries} queries)"


def measured_gain(base: Scores, trained: Scores, seed: int) -> Gain | None:
    """Return the gain of each query's score, float64 [q], over that of the base; None without queries.

    Args:
        base: Scores with the base model's vectors.
        trained: Scores of the same queries with trained vectors.
        seed: Seed of the bootstrap.
    """
    if not base.size:
        return None
    gains = trained - base
    low, high = bootstrap_interval(gains[:, None], seed)[:, 0].tolist()
    return Gain(float(gains.mean()), low, high, gains.size)


def held_out_gain(facts: Mapping[str, Any]) -> Gain | None:
    """Return the gain on the test part that the facts of a weights stage tell; None where it was not measured."""
    row = next((row for row in facts.get("evaluation", ()) if row["vectors"] == "gain"), None)
    queries = facts.get("metrics", {}).get("test_queries")
    return None if row is None or queries is None else Gain(row["mrr"], row["mrr_low"], row["mrr_high"], queries)


def validation_gain(facts: Mapping[str, Any]) -> Gain | None:
    """Return the gain on the validation part that the facts of a weights stage tell; None where it was not measured."""
    metrics = facts.get("metrics", {})
    names = ("validation_gain", "validation_gain_low", "validation_gain_high", "validation_queries")
    values = [metrics.get(name) for name in names]
    return None if None in values else Gain(*values)


def takes_part(facts: Mapping[str, Any]) -> bool:
    """Return whether search uses the weights unasked: validation must show that they are better than the base.

    The test part has no say: a choice that rests on it would make its figures flatter.
    """
    gain = validation_gain(facts)
    return gain is not None and gain.verdict is Verdict.BETTER
