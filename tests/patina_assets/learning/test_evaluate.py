"""Ranking: reciprocal ranks worked out by hand, what counts as known, and what is left out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.learning import evaluate
from patina_assets.learning.evaluate import (
    METRICS,
    RankingTask,
    bootstrap_interval,
    evaluation_rows,
    held_out_task,
    leaked_pairs,
    mean_reciprocal_rank,
    query_scores,
    ranking_task,
    reciprocal_ranks,
)
from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.relations import RelatedTexts, Relations, relate, related_texts
from patina_assets.pairs.splits import Split

LETTERS = "abcdefgh"
NO_KEYS = np.zeros((16, 0), np.uint64)
NOTHING = RelatedTexts(np.zeros(0, np.int64), len(LETTERS), NO_KEYS)


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
        relevant=RelatedTexts(
            np.array(sorted(LETTERS.index(letter) for letter in relevant), np.int64), len(LETTERS), NO_KEYS
        ),
        known=RelatedTexts(
            np.array(sorted(LETTERS.index(letter) for letter in known), np.int64), len(LETTERS), NO_KEYS
        ),
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


@pytest.mark.parametrize(
    ("relevant", "known", "scores", "recall", "accuracy"),
    [
        ("b", "", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0, 1.0),
        ("d", "", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0, 0.0),
        ("c", "", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0, 1 / 2),
        ("bd", "", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0, 1 / 2),
        ("b", "", {"b": 0.5, "c": 0.5, "d": 0.25}, 1.0, 3 / 4),
        ("c", "b", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0, 1.0),
        ("bcd", "", {"b": 0.75, "c": 0.5, "d": 0.25}, 1.0, 1.0),
    ],
)
def test_recall_and_triplet_accuracy_of_few_candidates(
    relevant: str, known: str, scores: dict[str, float], recall: float, accuracy: float
) -> None:
    found = query_scores(vectors(scores), task_for_a("abcd", relevant, known))[0]
    assert found[METRICS.index("recall_at_10")] == pytest.approx(recall)
    assert found[METRICS.index("triplet_accuracy")] == pytest.approx(accuracy)


def test_recall_is_the_share_found_among_the_first_ten() -> None:
    """Of 16 texts on a quarter circle, the query at 0 degrees is related to the 3rd, 10th and 11th nearest."""
    angles = np.linspace(0, np.pi / 2, 16)
    table = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    task = RankingTask(
        queries=np.zeros(1, np.int32),
        candidates=np.arange(16, dtype=np.int32),
        relevant=RelatedTexts(np.array([3, 10, 11], np.int64), 16, NO_KEYS),
        known=RelatedTexts(np.zeros(0, np.int64), 16, NO_KEYS),
    )
    ranked, recall, accuracy = query_scores(table, task)[0]
    assert ranked == 1 / 3
    assert recall == pytest.approx(2 / 3)
    # 12 irrelevant candidates: of them 10, 4 and 4 are farther than each of the three.
    assert accuracy == pytest.approx((10 + 4 + 4) / 36)


def test_triplet_accuracy_is_what_counting_triplets_gives() -> None:
    rng = np.random.default_rng(1)
    table = rng.standard_normal((8, 4)).astype(np.float32)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    task = ranking_task(relations("abc", "de", "fgh", "ah"), related_texts(relations("ad")))
    for query, score in zip(task.queries.tolist(), query_scores(table, task), strict=True):
        related = set(task.relevant.neighbours(query).tolist())
        others = set(task.candidates.tolist()) - related - {query} - set(task.known.neighbours(query).tolist())
        wins = [table[query] @ table[near] > table[query] @ table[far] for near in related for far in others]
        assert score[2] == pytest.approx(np.mean(wins))


def test_a_query_whose_relevant_texts_are_thinned_away_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MAX_CANDIDATES", 2)
    task = ranking_task(relations("ab", "cd", "gh"), NOTHING)
    assert task.candidates.tolist() == [0, 7]
    assert task.queries.tolist() == [1, 6]
    assert query_scores(np.eye(8, dtype=np.float32), task).shape == (2, 3)


# Intervals


@pytest.mark.parametrize("step", [1e-3, 1e-5, 3e-6, 1e-6, 0.0])
def test_reciprocal_ranks_alone_are_those_of_all_scores(step: float) -> None:
    # Steps about as large as what is rounded away: many cosines are level, or nearly.
    random = np.random.default_rng(0)
    angles = random.integers(0, 40, 120) * step + 0.7
    table = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    texts = [f"{number:03}" for number in range(120)]
    contexts = [
        Context(tuple(Item("note", texts[row]) for row in random.choice(120, 4, replace=False)), Split.TEST)
        for _ in range(40)
    ]
    apart = {text: [text[-1]] for text in texts[:60]}
    held_out = relate(texts, contexts, apart)
    task = ranking_task(held_out, related_texts(relate(texts, contexts[:5], apart)))
    assert task.queries.size > 80
    np.testing.assert_array_equal(reciprocal_ranks(table, task), query_scores(table, task)[:, 0])


def test_an_interval_is_the_percentiles_of_resampled_means() -> None:
    scores = np.random.default_rng(0).normal(0.5, 0.1, (400, 2))
    lower, upper = bootstrap_interval(scores, seed=0)
    # The standard error of a mean of 400 is 0.1 / 20; 95 % of a normal lie within 1.96 of them.
    assert lower == pytest.approx(scores.mean(axis=0) - 1.96 * 0.005, abs=0.001)
    assert upper == pytest.approx(scores.mean(axis=0) + 1.96 * 0.005, abs=0.001)
    assert np.array_equal(bootstrap_interval(scores, seed=0), [lower, upper])
    assert not np.array_equal(bootstrap_interval(scores, seed=1), [lower, upper])


@pytest.mark.parametrize(("count", "at_once"), [(3, 7), (50, 1), (50, 50 * 300), (50, 1 << 20)])
def test_how_many_resamples_are_drawn_at_once_changes_no_bit(
    monkeypatch: pytest.MonkeyPatch, count: int, at_once: int
) -> None:
    scores, random = np.random.default_rng(1).random((count, 3)), np.random.default_rng(5)
    means = [scores[random.integers(0, count, count)].mean(axis=0) for _ in range(evaluate.RESAMPLES)]
    monkeypatch.setattr(evaluate, "DRAWN_AT_ONCE", at_once)
    expected = np.percentile(means, evaluate.INTERVAL, axis=0)
    assert bootstrap_interval(scores, seed=5).tobytes() == expected.tobytes()


def test_equal_scores_have_no_spread() -> None:
    assert bootstrap_interval(np.full((5, 1), 0.25), seed=0).tolist() == [[0.25], [0.25]]


def test_the_table_pairs_trained_with_base_query_by_query() -> None:
    """Queries differ much, but each gains exactly 0.1: the gain is certain although both intervals are wide."""
    base = np.repeat(np.random.default_rng(0).uniform(0, 0.9, (50, 1)), 3, axis=1)
    rows = evaluation_rows({"base": base, "random": base * 0, "trained": base + 0.1}, seed=0)
    table = {row["vectors"]: row for row in rows}
    assert list(table) == ["base", "random", "trained", "gain"]
    assert table["base"]["mrr"] == pytest.approx(base[:, 0].mean())
    assert float(table["base"]["mrr_high"]) - float(table["base"]["mrr_low"]) > 0.1
    for end in ("mrr", "mrr_low", "mrr_high", "recall_at_10", "triplet_accuracy_low"):
        assert table["gain"][end] == pytest.approx(0.1)


# Leakage


def split_relations(train: tuple[str, ...], test: tuple[str, ...]) -> Relations:
    contexts = [(word, Split.TRAIN) for word in train] + [(word, Split.TEST) for word in test]
    made = [Context(tuple(Item("note", letter) for letter in word), split) for word, split in contexts]
    return relate(list(LETTERS), made)


@pytest.mark.parametrize(
    ("told", "leaked"), [(("ab",), 0), (("ab", "ce"), 0), (("gh",), 1), (("hg",), 1), (("gh", "hg", "gh"), 1), ((), 0)]
)
def test_leaked_pairs_are_found_in_either_order(told: tuple[str, ...], leaked: int) -> None:
    triplets = np.array([[*map(LETTERS.index, pair), 0] for pair in told], np.int32).reshape(-1, 3)
    assert leaked_pairs(split_relations(("abce",), ("fgh",)), triplets) == leaked


def test_a_pair_of_both_parts_is_not_asked_and_so_does_not_leak() -> None:
    made = split_relations(("abc",), ("abd",))
    assert leaked_pairs(made, np.array([[0, 1, 7]], np.int32)) == 0
    assert held_out_task(made).relevant.neighbours(0).tolist() == [3]
