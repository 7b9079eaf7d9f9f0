"""What continued weights were worth on what came since their last training from the start. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A mean that is further from 0 than so many of its standard errors is no luck of which queries were asked.
CLEAR_ERRORS = 2.0


@dataclass(frozen=True)
class Ageing:
    """The gain over the base vectors on relations that weights had not seen; each was asked before it was learned.

    Attributes:
        gain: Mean gain in MRR.
        error: Its standard error.
        queries: How many queries were asked.
    """

    gain: float
    error: float
    queries: int

    @property
    def is_behind(self) -> bool:
        """Whether the weights clearly rank worse than the base vectors: training anew would not leave them so."""
        return self.gain < -CLEAR_ERRORS * self.error

    def __str__(self) -> str:
        """Return it for people."""
        told = f"MRR {self.gain:+.4f} beside the base vectors on relations that came since, {self.queries} queries"
        return f"training anew would clearly gain: {told}" if self.is_behind else told


def ageing(continuations: Sequence[Mapping[str, Any]]) -> Ageing | None:
    """Return what all continuations since the last training from the start found together; None for nothing.

    Args:
        continuations: What each of them noted. One of an older version noted no standard error, and is left out.
    """
    asked = [entry for entry in continuations if entry.get("next_queries") and entry.get("next_error") is not None]
    queries = sum(entry["next_queries"] for entry in asked)
    if not queries:
        return None
    gain = sum(entry["next_queries"] * (entry["next_mrr"] - entry["next_base_mrr"]) for entry in asked) / queries
    error = math.hypot(*(entry["next_queries"] * entry["next_error"] for entry in asked)) / queries
    return Ageing(gain, error, queries)
