"""Contexts of functions: across files, few changes for a small change, linear."""

from dataclasses import replace
from itertools import combinations

import pytest
from function_items import items

from patina_assets.pairs.functions import GROUP, contexts_across_files
from patina_assets.pairs.items import Item
from patina_assets.pairs.splits import Split, split_by_hash


def related_to(functions: list[Item]) -> set[frozenset[str]]:
    """Return the pairs of functions that belong together, by what they are."""
    return {
        frozenset({first.identity or first.text, second.identity or second.text})
        for context in contexts_across_files(functions)
        for first, second in combinations(context.members, 2)
    }


def test_functions_of_one_file_are_never_related() -> None:
    members = items(a=7, b=3, c=1)
    contexts = contexts_across_files(members)
    for context in contexts:
        files = [item.file for item in context.members]
        assert len(files) == len(set(files)) >= 2
    assert {item for context in contexts for item in context.members} == set(members)
    assert contexts_across_files(items(a=50)) == []
    assert contexts_across_files([]) == []
    assert contexts_across_files(members[::-1]) == contexts


@pytest.mark.parametrize("counts", [{f"file{number}": 1 for number in range(400)}, {"a": 200, "b": 150, "c": 50}])
def test_a_function_that_comes_or_goes_changes_few_relations(counts: dict[str, int]) -> None:
    members = items(**counts)
    before = related_to(members)
    changed = [len(before ^ related_to([*members[:place], *members[place + 1 :]])) for place in range(0, 400, 20)]
    # Of its group's relations most are its own; a group that is halved or joined is rare.
    assert sum(changed) / len(changed) < 3 * 2 * len(before) / len(members)
    assert max(changed) <= GROUP * GROUP


def test_a_function_keeps_its_relations_when_its_text_changes() -> None:
    members = [replace(item, identity=item.text) for item in items(a=20, b=20, c=5)]
    changed = [replace(item, text=f"{item.text} -> int") for item in members]
    assert related_to(changed) == related_to(members)


def test_members_stay_linear_in_the_number_of_functions() -> None:
    many_files = contexts_across_files(items(**{f"file{number}": 1 for number in range(1000)}))
    one_large_file = contexts_across_files(items(large=1000, small=2))
    for contexts in (many_files, one_large_file):
        assert max(len(context.members) for context in contexts) <= GROUP
        assert sum(len(context.members) for context in contexts) <= 1002 * 2 * len(Split)


@pytest.mark.parametrize("count", [2, GROUP, GROUP + 1, 2 * GROUP + 1])
def test_no_function_is_left_alone_at_the_end(count: int) -> None:
    members = items(**{f"file{number}": 1 for number in range(count)})
    assert {item for context in contexts_across_files(members) for item in context.members} == set(members)


def test_a_tested_pair_touches_a_file_that_training_never_saw() -> None:
    contexts = contexts_across_files(items(**{f"file{number}": 5 for number in range(60)}))
    assert {context.split for context in contexts} == set(Split)
    for context in contexts:
        parts = [split_by_hash(item.file or "") for item in context.members]
        assert max(parts) == context.split
        assert len(context.members) > 1
