"""Drift: what samples of hashes say, against a plain computation with sets; and what a relation is counted by."""

import random
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from eventlog_builder import Event, build_eventlog, call, commit, function

from patina_assets.pairs.entities import EntityRelations, entity_relations, relation_hashes
from patina_assets.pairs.hash_sample import Drift, HashSample, drift_between, sample_of, text_hashes
from patina_assets.pairs.items import Context, Item, dealt
from patina_assets.pairs.relations import relate, related_texts, unique_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.types import PAIR_TYPES
from patina_resources.eventlog.reader import Eventlog

Pair = tuple[str, str]


def of_pairs(pairs: set[Pair]) -> HashSample:
    return sample_of(text_hashes(f"{first} {second}" for first, second in pairs))


def random_pairs(source: random.Random, most: int) -> set[Pair]:
    return {(str(source.randrange(40)), str(source.randrange(40))) for _ in range(source.randrange(most))}


@pytest.mark.parametrize("seed", range(40))
def test_drift_is_that_of_plain_sets(seed: int) -> None:
    source = random.Random(seed)
    before = random_pairs(source, 300)
    gone = {pair for pair in before if source.random() < 0.2}
    today = before - gone | random_pairs(source, 100)
    drift = drift_between(of_pairs(before), of_pairs(today))
    assert drift == Drift(len(today - before), len(before - today), len(today & before))
    everything = before | today
    assert drift.share == (len(before ^ today) / len(everything) if everything else 0)
    assert drift.known == (len(today & before) / len(today) if today else 1)


def test_nothing_drifts_where_nothing_is_or_nothing_changed() -> None:
    some = of_pairs({("a", "b"), ("c", "d")})
    assert drift_between(some, some).share == 0
    assert drift_between(of_pairs(set()), of_pairs(set())).known == 1
    assert drift_between(of_pairs(set()), some).share == 1
    assert drift_between(some, of_pairs(set())) == Drift(0, 2, 0)


def test_a_sample_of_a_large_set_is_close_and_says_what_it_does_not_know() -> None:
    before, today = np.arange(100_000), np.arange(10_000, 110_000)
    samples = [sample_of(text_hashes(map(str, entries.tolist())), most=4096) for entries in (before, today)]
    assert [sample.hashes.size for sample in samples] == [4096, 4096]
    assert samples[0].count == 100_000
    exact = 20_000 / 110_000
    # Four standard errors of a share that is counted on 4096 members.
    assert abs(drift_between(*samples).share - exact) < 4 * (exact * (1 - exact) / 4096) ** 0.5
    hashes = text_hashes(map(str, today.tolist()))
    lacking = samples[0].lacks(hashes)
    assert not lacking[today < 100_000].any()
    told = (hashes <= samples[0].limit) & (today >= 100_000)
    assert 0 < told.sum() < 10_000
    assert np.array_equal(lacking[today >= 100_000], told[today >= 100_000])


def test_a_sample_knows_its_largest_hash_and_nothing_beyond() -> None:
    before, today = (np.array(hashes, np.uint64) for hashes in ([9, 1, 3, 2, 3], [3, 8, 5]))
    large, small = sample_of(before, most=3), sample_of(today, most=1)
    assert (large.hashes.tolist(), large.count, large.limit) == ([1, 2, 3], 4, 3)
    assert drift_between(large, small) == Drift(new=0, gone=2, kept=1)
    assert large.lacks(np.array([0, 3, 4], np.uint64)).tolist() == [True, False, False]
    assert sample_of(before).limit == 2**64 - 1
    assert sample_of(np.arange(200_000).astype(np.uint64)).hashes.nbytes == 1 << 20


def test_samples_of_different_reach_are_compared_by_what_both_know() -> None:
    hashes = text_hashes(map(str, range(50_000)))
    large, small = sample_of(hashes, most=1000), sample_of(hashes[:5_000], most=1000)
    assert large.limit < small.limit
    shrunk, grown = drift_between(large, small), drift_between(small, large)
    assert (shrunk.new, grown.gone) == (0, 0)
    assert shrunk.share == grown.share == pytest.approx(0.9, abs=0.04)


def known(items: list[Item], contexts: list[list[Item]]) -> EntityRelations:
    texts, rows = unique_texts(items)
    relations = relate(texts, [Context(tuple(members), Split.TRAIN) for members in contexts])
    return entity_relations(items, rows, related_texts(relations))


def file(path: str, text: str) -> Item:
    return Item("file", text, file=path, identity=path)


def test_a_relation_is_counted_by_what_is_related_and_once() -> None:
    a, b, c = (file(name, f"File: {name}") for name in ("a.py", "b.py", "c.py"))
    first = known([a, b, c], [[a, b, c], [a, b]])
    assert first.relations.count == 3
    told = file("a.py", "File: a.py, defines spam and eggs")
    second = known([told, b, c], [[told, b], [b, c]])
    assert drift_between(first.relations, second.relations) == Drift(new=0, gone=1, kept=2)
    note = Item("decision", "Use one queue")
    edited = Item("decision", "Use two queues")
    drift = drift_between(known([a, note], [[a, note]]).relations, known([a, edited], [[a, edited]]).relations)
    assert drift == Drift(new=1, gone=1, kept=0)


def test_equal_texts_of_two_entities_count_as_the_first_by_name() -> None:
    one, two = (Item("function", "Function: add", file=name, identity=f"{name}::add") for name in ("a.py", "b.py"))
    other = Item("function", "Function: sub", file="c.py", identity="c.py::sub")
    alone = known([one, other], [[one, other]])
    for items in ([two, one, other], [one, two, other]):
        both = known(items, [[one, other], [two, other]])
        assert drift_between(alone.relations, both.relations).share == 0


def test_the_order_of_two_entities_does_not_matter_and_pairs_are_told_apart() -> None:
    hashes = text_hashes(map(str, range(300)))
    first, second = np.triu_indices(300)
    forth, back = relation_hashes(hashes[first], hashes[second]), relation_hashes(hashes[second], hashes[first])
    assert np.array_equal(forth, back)
    assert np.unique(forth).size == forth.size
    entities = EntityRelations(hashes, sample_of(forth))
    assert np.array_equal(entities.hashes(first, second), forth)


def test_hashes_are_the_same_for_all_time() -> None:
    """They stand in files of projects that are built."""
    hashes = text_hashes(["", "a", "lone \ud800 surrogate", "lone ? surrogate"])
    assert [f"{value:x}" for value in hashes.tolist()[:2]] == ["e3b0c44298fc1c14", "ca978112ca1bbdca"]
    assert hashes[2] == hashes[3]
    assert [f"{value:x}" for value in relation_hashes(hashes[:2], hashes[1:3]).tolist()] == [
        "e1298a253cbc875e",
        "46f57255d834a38c",
    ]


def derived_relations(path: Path, pair_type: str, events: Iterable[Event]) -> EntityRelations:
    rows = Eventlog(build_eventlog(path, events)).read(PAIR_TYPES[pair_type].sources)
    data = PAIR_TYPES[pair_type].derive({name: read.rows for name, read in rows.items()})
    texts, text_rows = unique_texts(data.items)
    return entity_relations(data.items, text_rows, related_texts(relate(texts, data.contexts)))


@pytest.mark.parametrize("pair_type", ["caller_callee", "ast_similar", "commit_touches", "co_changed"])
def test_what_changes_its_text_stays_what_it_is(pair_type: str, tmp_path: Path) -> None:
    events = [
        *(commit(f"{number}" * 40, "src/a.py", "src/b.py", hour=number) for number in range(3)),
        function("src/a.py", "spam", ["x"], "int"),
        function("src/b.py", "eggs", ["x"], "int"),
        function("src/b.py", "ham", ["y", "z"], "str"),
        function("src/c.py", "ham", ["y", "z"], "str"),
        call("src/a.py", "spam", "eggs"),
    ]
    # A new overload of one name in a file is another text of the same function, and of the file that defines it.
    edited = [*events, function("src/b.py", "ham", ["z", "y"], "str"), function("src/a.py", "more")]
    before, today = (
        derived_relations(tmp_path / f"{name}.db", pair_type, found)
        for name, found in (("before", events), ("today", edited))
    )
    assert before.relations.count
    drift = drift_between(before.relations, today.relations)
    assert drift.gone == 0
    assert drift.kept == before.relations.count


@pytest.mark.parametrize("count", [0, 1, 32, 33, 1000])
def test_a_large_context_is_dealt_in_groups_that_stay(count: int) -> None:
    notes = [Item("decision", f"a note of number {number}") for number in range(count)]
    groups = dealt(reversed(notes))
    assert sorted(item for group in groups for item in group) == sorted(notes)
    assert all(0 < len(group) <= 32 for group in groups)
    assert len(groups) <= 2 * count // 16 + 1
    # One more changes one group, which is divided where it becomes too large.
    after = dealt([*notes, Item("decision", "one more")])
    assert len(set(groups) - set(after)) <= 1
    assert len(set(after) - set(groups)) <= 2


def test_items_of_one_text_are_dealt_too() -> None:
    same = [Item("commit", "Commit: fix", commit=f"{number:040x}") for number in range(70)]
    assert [len(group) for group in dealt(same)] == [32, 32, 6]


def test_an_empty_sample_of_a_set_knows_nothing_of_it() -> None:
    asked = np.array([1, 2, 2**64 - 1], np.uint64)
    empty = HashSample(np.zeros(0, np.uint64), 5)
    assert empty.limit == 2**64 - 1
    assert empty.contains(asked).tolist() == [False] * 3
    assert sample_of(np.zeros(0, np.uint64)).lacks(asked).tolist() == [True] * 3


@pytest.mark.parametrize(("most", "limit"), [(1, 10), (2, 20), (3, 2**64 - 1), (4, 2**64 - 1)])
def test_a_sample_knows_all_up_to_its_largest_hash(most: int, limit: int) -> None:
    sample = sample_of(np.array([30, 10, 20, 10], np.uint64), most)
    assert int(sample.limit) == limit
    asked = np.array([9, 10, 15, 20, 21, 30, 31], np.uint64)
    assert sample.contains(asked).tolist() == [value in (10, 20, 30)[:most] for value in asked.tolist()]
    known_to_lack = [value not in (10, 20, 30) and value <= limit for value in asked.tolist()]
    assert sample.lacks(asked).tolist() == known_to_lack


def test_of_nothing_nothing_is_related() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known([], []).relations.count == known([Item("decision", "alone")], []).relations.count == 0
