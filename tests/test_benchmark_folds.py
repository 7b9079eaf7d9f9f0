"""How `benchmarks/bench_folds.py` deals what is held out: its first fold is the build's own."""

import sys
from pathlib import Path

import pytest

from patina_assets.pairs import splits
from patina_assets.pairs.splits import Split

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from bench_folds import HASH_FOLDS, LATER, TIME_FOLDS, dealt_anew, split_by_hash, split_by_time

NAMES = [f"session {number}" for number in range(500)]


def test_the_first_fold_is_that_of_a_build() -> None:
    assert [split_by_hash(0)(name) for name in NAMES] == [splits.split_by_hash(name) for name in NAMES]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 10, 99, 500])
def test_so_is_the_first_by_time(count: int) -> None:
    assert split_by_time(0)(NAMES[:count]) == splits.split_by_time(NAMES[:count])


def test_each_name_is_asked_about_once() -> None:
    parts = [[split_by_hash(fold)(name) for name in NAMES] for fold in range(HASH_FOLDS)]
    for of_name in zip(*parts, strict=True):
        assert sorted(of_name) == [Split.TRAIN] * 8 + [Split.VALIDATION, Split.TEST]


def test_earlier_folds_know_nothing_of_later_times() -> None:
    times = [f"{number:03}" for number in range(100)]
    for fold in range(TIME_FOLDS):
        parts = split_by_time(fold)(times)
        assert parts == sorted(parts)
        counts = [parts.count(part) for part in (Split.TRAIN, Split.VALIDATION, Split.TEST, LATER)]
        assert counts == [80 - 10 * fold, 10, 10, 10 * fold]


def test_pair_types_are_dealt_anew_and_then_as_before() -> None:
    from patina_assets.pairs.types import co_changed, same_session

    with dealt_anew(1):
        assert same_session.split_by_hash is not splits.split_by_hash
        assert co_changed.split_by_time is not splits.split_by_time
    assert same_session.split_by_hash is splits.split_by_hash
    assert co_changed.split_by_time is splits.split_by_time
