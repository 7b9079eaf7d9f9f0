"""How `benchmarks/bench_folds.py` deals what is held out: its first fold is the build's own."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from bench_folds import HASH_FOLDS, LATER, SPLIT_BY_TIME, TIME_FOLDS, split_by_hash, split_by_time
from deriver import Deriver
from eventlog_builder import project_history

from patina_assets.pairs import splits
from patina_assets.pairs.pair_type import DeriveOptions
from patina_assets.pairs.splits import Split, Splits
from patina_assets.pairs.types import PAIR_TYPES

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


@pytest.mark.parametrize("name", PAIR_TYPES)
def test_every_pair_type_is_dealt_by_what_it_is_told(name: str, tmp_path: Path) -> None:
    times, names = [], []

    def by_time(stamps: Iterable[str]) -> list[Split]:
        times.extend(stamps)
        return [Split.TEST] * len(times)

    def by_hash(name: str) -> Split:
        names.append(name)
        return Split.TEST

    derive = Deriver(tmp_path)
    dealt = derive(name, project_history(), options=DeriveOptions(splits=Splits(by_hash, by_time))).data
    assert {context.split for context in dealt.contexts} == {Split.TEST}
    assert (bool(times), bool(names)) == (name in SPLIT_BY_TIME, name not in SPLIT_BY_TIME)
    assert set(dealt.items) == set(derive(name, project_history()).data.items)
