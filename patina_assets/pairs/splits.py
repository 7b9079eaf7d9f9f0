"""Which part of the data a context belongs to: what is trained on, chosen by, and asked about."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache


class Split(IntEnum):
    """Which part of the data a context belongs to."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


# Names of files are asked for again and again.
@lru_cache(maxsize=65_536)
def hash_share(name: str) -> float:
    """Return a number from 0 up to 1 that depends on the name alone, evenly spread over names."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:8], "big") / 2**64


def split_at(share: float) -> Split:
    """Return the split of a place between 0 and 1: 80 % train, 10 % validation, 10 % test."""
    return Split.TRAIN if share < 0.8 else Split.VALIDATION if share < 0.9 else Split.TEST


def split_by_hash(name: str) -> Split:
    """Return the split of a session or file: 80 % train, 10 % validation, 10 % test.

    It depends on the name alone, so that new events do not move old ones to another part.
    """
    return split_at(hash_share(name))


def split_by_time(times: Iterable[str]) -> list[Split]:
    """Return a split for each time: the oldest 80 % train, the next 10 % validation, the newest 10 % test.

    Args:
        times: Sortable times (ISO 8601 in one zone), in any order.
    """
    stamps = list(times)
    ranked = sorted(stamps)
    if not ranked:
        return []
    validation, test = (ranked[int(len(ranked) * share)] for share in (0.8, 0.9))
    return [
        Split.TEST if stamp >= test else Split.VALIDATION if stamp >= validation else Split.TRAIN for stamp in stamps
    ]


@dataclass(frozen=True)
class Splits:
    """How contexts are dealt to training, validation and test; benchmarks deal them otherwise.

    Attributes:
        by_hash: Returns the split of a session or file, by its name.
        by_time: Returns a split for each of some times.
    """

    by_hash: Callable[[str], Split] = split_by_hash
    by_time: Callable[[Iterable[str]], list[Split]] = split_by_time


BUILD_SPLITS = Splits()
