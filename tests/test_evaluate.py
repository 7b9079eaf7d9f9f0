"""Ranking: reciprocal ranks worked out by hand, what counts as known, and what is left out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.pairs.relations import Context, Item, RelatedTexts, Relations, Split, relate, related_texts
from patina_assets.stages import evaluate
from patina_assets.stages.evaluate import RankingTask, mean_reciprocal_rank, ranking_task, reciprocal_ranks

LETTERS = "abcdefgh"
NOTHING = RelatedTexts(np.zeros(0, np.int64), len(LETTERS))


def relations(*contexts: str) -> Relations:
    """Return held-out contexts over the letters a to h: each word is a context."""
    members = [tuple(Item("note", letter) for letter in word) for word in contexts]
    return relate(list(LETTERS), [Context(each, Split.TEST) for each in members])


def vectors(scores: dict[str, float]) -> NDArray[np.float32]:
    """Return vectors whose product with that of `a` is the given score: a is the first axis."""
    table = np.zeros((len(LETTERS), 2), np.float32)
    table[0] = (1, 0)
    for letter, score in scores.items():
        table[LETTERS.index(letter)] = (score, 0)
    return table


def task_for_a(candidates: str, relevant: str, known: str = "") -> RankingTask:
    """Return the task of ranking candidates for the text `a` alone."""
    places = np.array([LETTERS.index(letter) for letter in candidates], np.int32)
    return RankingTask(
        queries=np.zeros(1, np.int32),
        candidates=places,
        relevant=RelatedTexts(np.array(sorted(LETTERS.index(letter) for letter in relevant), np.int64), len(LETTERS)),
        known=RelatedTexts(np.array(sorted(LETTERS.index(letter) for letter in known), np.int64), len(LETTERS)),
    )


def test_candidates_that_share_a_key_are_neither_right_nor_wrong() -> None:
    contexts = [
        Context((Item("note", "a"), Item("note", "d")), Split.TEST),
        Context((Item("note", "b"), Item("note", "c")), Split.TEST),
    ]
    scored = vectors({"b": 0.75, "c": 0.5, "d": 0.25})
    for keys, rank in (
        ({}, 3),
        ({"a": ["x"], "b": ["x"]}, 2),
        ({"a": ["x", "y"], "b": ["x"], "c": ["y"], "d": ["y"]}, 1),
    ):
        held_out = relate(list(LETTERS), contexts, keys)
        task = ranking_task(held_out, related_texts(held_out.only()))
        assert task.queries.tolist() == [0, 1, 2, 3]
        assert reciprocal_ranks(scored, task)[0] == 1 / rank


@pytest.mark.parametrize(
    ("relevant", "known", "scores", "expected"),
    [
        ("b", "", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0),
        ("c", "", {"b": 0.75, "c": 0.5, "d": 0.25}, 1 / 2),
        ("d", "", {"b": 0.75, "c": 0.5, "d": -0.25}, 1 / 3),
        ("cd", "", {"b": 0.75, "c": 0.5, "d": 0.25}, 1 / 2),
        ("b", "", {"b": 0.5, "c": 0.5, "d": 0.25}, 1 / 1.5),
        ("b", "", {"b": 0.5, "c": 0.5, "d": 0.5}, 1 / 2),
        ("d", "", {"b": 0.75, "c": 0.25, "d": 0.25}, 1 / 2.5),
        ("bc", "", {"b": 0.5, "c": 0.5, "d": 0.5}, 1 / 1.5),
        ("c", "b", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0),
        ("d", "bc", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0),
        ("d", "c", {"b": 0.75, "c": 0.5, "d": 0.25}, 1 / 2),
    ],
)
def test_the_reciprocal_rank_of_the_first_relevant_candidate(
    relevant: str, known: str, scores: dict[str, float], expected: float
) -> None:
    found = reciprocal_ranks(vectors(scores), task_for_a("abcd", relevant, known))
    assert found.tolist() == pytest.approx([expected])
    assert found.dtype == np.float64


def test_the_query_itself_is_never_ranked() -> None:
    scores = {"b": 0.5, "c": 0.25}
    alone = reciprocal_ranks(vectors(scores), task_for_a("bc", "b"))
    assert reciprocal_ranks(vectors(scores), task_for_a("abc", "b")).tolist() == alone.tolist() == [1.0]


def test_the_mean_over_all_queries_by_hand() -> None:
    """Unit vectors at 0, 10, 30 and 90 degrees: a and b are near, c and d far."""
    angles = np.radians([0, 10, 30, 90, 0, 0, 0, 0])
    table = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    task = ranking_task(relations("ac", "bd"), NOTHING)
    # a finds b before c (rank 2), b finds a, c, then d (3), c finds b before a (2), d finds c before b (2).
    assert reciprocal_ranks(table, task).tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 2, 1 / 2])
    assert mean_reciprocal_rank(table, task) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4)


def test_queries_and_candidates_are_the_texts_of_held_out_contexts() -> None:
    task = ranking_task(relations("ac", "cf"), NOTHING)
    assert task.queries.tolist() == [0, 2, 5]
    assert task.candidates.tolist() == [0, 2, 5]
    assert [task.relevant.neighbours(row).tolist() for row in (0, 2, 5)] == [[2], [0, 5], [2]]


def test_pairs_that_training_knows_are_neither_asked_nor_counted() -> None:
    known = related_texts(relations("ab", "ef"))
    task = ranking_task(relations("abc", "ef"), known)
    assert task.queries.tolist() == [0, 1, 2]
    assert task.candidates.tolist() == [0, 1, 2, 4, 5]
    assert task.relevant.neighbours(0).tolist() == [2]
    # For a, the known b lies nearer than c, and would push it to rank 2.
    angles = np.radians([0, 5, 20, 0, 90, 90, 0, 0])
    table = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert reciprocal_ranks(table, task)[0] == 1.0


@pytest.mark.parametrize(("held_out", "known"), [((), ()), (("ab",), ("ab",)), (("ab", "bc"), ("abc",))])
def test_a_task_without_new_pairs_has_no_mean(held_out: tuple[str, ...], known: tuple[str, ...]) -> None:
    task = ranking_task(relations(*held_out), related_texts(relations(*known)))
    assert task.queries.size == 0
    assert mean_reciprocal_rank(vectors({}), task) is None


def test_perfect_and_useless_vectors() -> None:
    task = ranking_task(relations("ab", "cd", "ef", "gh"), NOTHING)
    assert mean_reciprocal_rank(np.repeat(np.eye(4, dtype=np.float32), 2, axis=0), task) == 1.0
    # All seven others are level: the mean rank is 1 + 6/2.
    assert mean_reciprocal_rank(np.ones((8, 3), np.float32), task) == pytest.approx(1 / 4)


def test_blocks_of_queries_do_not_change_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    task = ranking_task(relations("abc", "de", "fgh", "ah"), NOTHING)
    whole = reciprocal_ranks(table, task)
    monkeypatch.setattr(evaluate, "QUERY_BLOCK", 3)
    assert reciprocal_ranks(table, task).tolist() == pytest.approx(whole.tolist())


def test_too_many_queries_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MAX_QUERIES", 3)
    task = ranking_task(relations("abcdefgh"), NOTHING)
    assert task.queries.tolist() == [0, 3, 7]
    assert task.candidates.tolist() == list(range(8))


def test_vectors_are_left_as_they_are() -> None:
    table = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    before = table.copy()
    reciprocal_ranks(table, ranking_task(relations("abc", "de"), NOTHING))
    assert np.array_equal(table, before)
