"""Relations: texts that share a context, worked out by hand, and the split into training, validation and test."""

import random
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.relations import (
    MAX_APART_BITS,
    MAX_CONTEXT_MEMBERS,
    Relations,
    evenly,
    relate,
    related_texts,
    unique_texts,
)
from patina_assets.pairs.splits import Split, split_at, split_by_hash, split_by_time


def items(*texts: str) -> tuple[Item, ...]:
    return tuple(Item("note", text) for text in texts)


def contexts_of(relations: Relations) -> list[tuple[list[int], int]]:
    """Return members and split of each context."""
    bounds = zip(relations.offsets[:-1], relations.offsets[1:], relations.split, strict=True)
    return [(relations.members[start:end].tolist(), int(split)) for start, end, split in bounds]


def pairs(keys: NDArray[np.int64], texts: int) -> set[tuple[int, int]]:
    return {divmod(key, texts) for key in keys.tolist()}


@pytest.fixture
def relations() -> Relations:
    """Contexts {a, b, c} for training, {c, d} and {a, d} for validation, {d, e} for the test; f stands alone."""
    return relate(
        list("abcdef"),
        [
            Context(items("c", "a", "b"), Split.TRAIN),
            Context(items("d", "e"), Split.TEST),
            Context(items("d", "c"), Split.VALIDATION),
            Context(items("a", "d"), Split.VALIDATION),
        ],
    )


def test_unique_texts_are_sorted_and_items_know_their_row() -> None:
    texts, rows = unique_texts(items("b", "a", "b", "é", "c"))
    assert texts == ["a", "b", "c", "é"]
    assert rows.tolist() == [1, 0, 1, 3, 2]
    assert rows.dtype == np.int32
    assert unique_texts([])[0] == []


def test_contexts_become_rows_of_texts(relations: Relations) -> None:
    assert contexts_of(relations) == [([0, 1, 2], 0), ([0, 3], 1), ([2, 3], 1), ([3, 4], 2)]
    assert relations.offsets.dtype == np.int64
    assert relations.members.dtype == np.int32
    assert relations.split.dtype == np.int8


def test_a_context_of_one_text_is_left_out_and_equal_contexts_count_once() -> None:
    contexts = [
        Context(items("a"), Split.TRAIN),
        Context(items("a", "a"), Split.TRAIN),
        Context((), Split.TRAIN),
        Context(items("a", "b", "a"), Split.TRAIN),
        Context(items("b", "a"), Split.TRAIN),
        Context(items("b", "a"), Split.TEST),
    ]
    assert contexts_of(relate(["a", "b"], contexts)) == [([0, 1], 0), ([0, 1], 2)]


def test_the_order_of_contexts_and_members_does_not_matter() -> None:
    texts = [f"text {number:02}" for number in range(30)]
    chooser = random.Random(5)
    contexts = [Context(items(*chooser.sample(texts, 4)), Split(number % 3)) for number in range(20)]
    mixed = [Context(tuple(reversed(context.members)), context.split) for context in contexts]
    chooser.shuffle(mixed)
    assert contexts_of(relate(texts, mixed)) == contexts_of(relate(texts, contexts))


def test_a_huge_context_is_thinned_evenly() -> None:
    assert MAX_CONTEXT_MEMBERS == 256
    texts = [f"text {number:05}" for number in range(10 * MAX_CONTEXT_MEMBERS + 3)]
    ((members, _),) = contexts_of(relate(texts, [Context(items(*texts), Split.TRAIN)]))
    assert len(members) == len(set(members)) == MAX_CONTEXT_MEMBERS
    assert set(np.diff(members)) <= {10, 11}
    whole = texts[:MAX_CONTEXT_MEMBERS]
    assert contexts_of(relate(whole, [Context(items(*whole), Split.TRAIN)])) == [(list(range(MAX_CONTEXT_MEMBERS)), 0)]


def test_related_texts_are_those_of_one_context(relations: Relations) -> None:
    related = related_texts(relations)
    found = pairs(related.keys, 6)
    one_way = {(0, 1), (0, 2), (1, 2), (0, 3), (2, 3), (3, 4)}
    assert found == one_way | {(second, first) for first, second in one_way}
    assert related.keys.tolist() == sorted(set(related.keys.tolist()))


def test_a_relation_answers_for_arrays(relations: Relations) -> None:
    related = related_texts(relations)
    rows, columns = np.array([0, 5, 3]), np.array([0, 1, 4])
    assert related.contains(rows, columns).tolist() == [False, False, True]
    assert related.mask(rows, columns).tolist() == [[False, True, False], [False, False, False], [True, False, True]]
    for columns in (np.array([4, 1, 1]), np.array([5, 0])):
        assert related.mask(rows, columns).tolist() == [
            [bool(related.contains(row, column)) for column in columns] for row in rows
        ]
    assert [related.neighbours(row).tolist() for row in range(6)] == [[1, 2, 3], [0, 2], [0, 1, 3], [0, 2, 4], [3], []]


def test_splits_can_be_taken_alone(relations: Relations) -> None:
    assert contexts_of(relations.only(Split.TRAIN)) == [([0, 1, 2], 0)]
    assert contexts_of(relations.only(Split.VALIDATION, Split.TEST)) == [([0, 3], 1), ([2, 3], 1), ([3, 4], 2)]
    assert contexts_of(relations.only(*Split)) == contexts_of(relations)
    assert relations.member_rows().tolist() == [0, 1, 2, 3, 4]
    assert relations.only(Split.TEST).member_rows().tolist() == [3, 4]
    assert relations.only(Split.TEST).texts == 6


def test_nothing_is_related_where_there_are_no_contexts(relations: Relations) -> None:
    for empty in (relate([], []), relate(["a"], []), relations.only()):
        related = related_texts(empty)
        assert related.keys.tolist() == []
        assert related.mask(np.arange(2), np.arange(3)).tolist() == [[False] * 3] * 2
        assert related.neighbours(0).tolist() == []
        assert empty.member_rows().tolist() == []
        assert contexts_of(empty) == []


def test_a_relation_over_many_texts_does_not_overflow() -> None:
    texts = [f"{number:06}" for number in range(100_000)]
    related = related_texts(relate(texts, [Context(items(texts[-1], texts[-2], texts[0]), Split.TRAIN)]))
    assert related.neighbours(99_999).tolist() == [0, 99_998]
    assert related.contains(np.array([99_999], np.int32), np.array([99_998], np.int32)).tolist() == [True]


# What is neither related nor a negative


def test_texts_that_share_a_key_are_never_negatives() -> None:
    apart = {"a": ["x"], "b": ["x", "y"], "c": ["y"], "d": ["z"]}
    related = related_texts(relate(list("abcde"), [Context(items("a", "d"), Split.TRAIN)], apart))
    expected = {frozenset(pair) for pair in ("ab", "bc", "ad")}
    mask = related.never_negative_mask(np.arange(5), np.arange(5))
    found = {(first, second) for first in range(5) for second in range(5) if first != second and mask[first, second]}
    assert {frozenset("abcde"[row] for row in pair) for pair in found} == expected
    assert related.contains(np.array([0]), np.array([1])).tolist() == [False]
    rows = np.arange(5)
    assert related.never_negative(rows[:, None], rows).tolist() == mask.tolist()


@pytest.mark.parametrize("keys", [1, 63, 64, 65, MAX_APART_BITS, MAX_APART_BITS + 100])
def test_many_keys_share_bits_but_none_is_lost(keys: int) -> None:
    texts = sorted(f"{number:05}{side}" for number in range(keys) for side in "ab")
    apart = {text: [text[:5]] for text in texts}
    relations = relate(texts, [Context(items(texts[0], texts[1]), Split.TRAIN)], apart)
    assert relations.apart.shape[1] == min(-(-keys // 64), MAX_APART_BITS // 64)
    mask = related_texts(relations).never_negative(np.arange(0, 2 * keys, 2), np.arange(1, 2 * keys, 2))
    assert mask.all()
    everything = related_texts(relations).never_negative_mask(np.arange(2 * keys), np.arange(2 * keys))
    assert everything.sum() <= 4 * keys + 8 * max(0, keys - MAX_APART_BITS)


def test_a_key_has_the_bit_of_its_place_among_the_sorted_keys() -> None:
    keys = [f"key {number:02}" for number in range(40)]
    apart = {"a": reversed(keys), "b": keys[3:4], "c": []}
    given = {text: list(found) for text, found in apart.items()}
    assert relate(["a", "b", "c"], [], given).apart.tolist() == [[(1 << 40) - 1], [1 << 3], [0]]


def test_rows_are_taken_evenly_from_the_first_to_the_last() -> None:
    rows = np.arange(5, 15, dtype=np.int32)
    assert evenly(rows, 4).tolist() == [5, 8, 11, 14]
    assert evenly(rows, 10).tolist() == rows.tolist()


# Splits


def test_a_name_always_falls_into_the_same_part() -> None:
    splits = [split_by_hash(f"session-{number}") for number in range(5000)]
    shares = Counter(splits)
    assert 0.78 < shares[Split.TRAIN] / 5000 < 0.82
    assert 0.085 < shares[Split.VALIDATION] / 5000 < 0.115
    assert 0.085 < shares[Split.TEST] / 5000 < 0.115
    assert splits == [split_by_hash(f"session-{number}") for number in range(5000)]
    # The first eight bytes of the SHA-256 of "", e3b0c442..., are 0.889 of 2**64.
    assert split_by_hash("") == Split.VALIDATION
    assert split_by_hash("lone \ud800 surrogate") in Split


@pytest.mark.parametrize(
    ("share", "part"),
    [(0, Split.TRAIN), (0.79, Split.TRAIN), (0.8, Split.VALIDATION), (0.89, Split.VALIDATION), (0.9, Split.TEST)],
)
def test_a_part_begins_with_its_share(share: float, part: Split) -> None:
    assert split_at(share) == part


def test_the_newest_tenth_is_the_test() -> None:
    times = [f"2025-01-{day:02}" for day in range(1, 31)]
    splits = split_by_time(times)
    assert splits == [Split.TRAIN] * 24 + [Split.VALIDATION] * 3 + [Split.TEST] * 3
    mixed = random.Random(2).sample(range(30), 30)
    assert split_by_time(times[place] for place in mixed) == [splits[place] for place in mixed]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], []),
        (["a"], [Split.TEST]),
        (["a", "b"], [Split.TRAIN, Split.TEST]),
        (["a"] * 9 + ["b"], [Split.VALIDATION] * 9 + [Split.TEST]),
        (["a"] * 10, [Split.TEST] * 10),
        (["a"] * 7 + ["b", "b", "b"], [Split.TRAIN] * 7 + [Split.TEST] * 3),
        (["a"] * 8 + ["b", "c"], [Split.TRAIN] * 8 + [Split.VALIDATION, Split.TEST]),
    ],
)
def test_equal_times_fall_into_the_same_part(times: list[str], expected: list[Split]) -> None:
    assert split_by_time(times) == expected
