"""The transition: what it learns in worlds whose rule is known, what it ranks, and what it never looks at."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from patina_assets.learning.transition import Steps, measure_transition, next_state_scores, predict_next
from patina_assets.pairs.splits import Split
from patina_resources.arrays import Float32

DIMS, ACTION_DIMS, COUNT = 12, 6, 400


def unit(vectors: NDArray[np.floating]) -> Float32:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def split_in_time(count: int) -> NDArray[np.int8]:
    place = np.arange(count) / count
    return np.where(place < 0.8, Split.TRAIN, np.where(place < 0.9, Split.VALIDATION, Split.TEST)).astype(np.int8)


def world(rule: str, seed: int = 0) -> tuple[Float32, Steps]:
    """Return states and steps: an action moves the state by a fixed matrix (`pushed`), or chance does (`drifting`)."""
    rng = np.random.default_rng(seed)
    actions = rng.standard_normal((COUNT, ACTION_DIMS)).astype(np.float32)
    effect = rng.standard_normal((ACTION_DIMS, DIMS)) / np.sqrt(ACTION_DIMS)
    states = [rng.standard_normal(DIMS)]
    for action in actions:
        push = action @ effect if rule == "pushed" else rng.standard_normal(DIMS)
        moved = states[-1] + push
        states.append(moved / np.linalg.norm(moved))
    rows = np.arange(COUNT)
    return unit(np.array(states)), Steps(rows, actions, rows + 1, split_in_time(COUNT))


def mrr(report: object, kind: str) -> float:
    return next(float(row["mrr"]) for row in report.rows if row["vectors"] == kind)  # type: ignore[attr-defined]


def test_what_actions_do_is_learned() -> None:
    report = measure_transition(*world("pushed"), seed=0)
    assert report is not None
    assert report.steps == (320, 40, 40)
    assert np.isfinite(report.penalty)
    assert mrr(report, "trained") > 0.6
    assert mrr(report, "trained") > 5 * mrr(report, "base")
    assert mrr(report, "trained") > 5 * mrr(report, "state_only")
    gain = next(row for row in report.rows if row["vectors"] == "gain")
    assert float(gain["mrr_low"]) > 0


@pytest.mark.parametrize("seed", range(3))
def test_where_chance_decides_little_is_lost(seed: int) -> None:
    report = measure_transition(*world("drifting", seed), seed=0)
    assert report is not None
    assert mrr(report, "trained") >= mrr(report, "base") - 0.05


def test_the_future_is_not_looked_at() -> None:
    states, steps = world("pushed")
    train, test = steps.only(Split.TRAIN), steps.only(Split.TEST)
    before = predict_next(states, train, test, 1.0)
    elsewhere = replace(test, after=test.after[::-1])
    assert np.array_equal(predict_next(states, train, elsewhere, 1.0), before)
    # States that only test steps lead to may be any: what is predicted stays.
    changed = states.copy()
    changed[test.after[-1]] = states[0]
    assert np.array_equal(predict_next(changed, train, test, 1.0)[:-1], before[:-1])


def test_a_small_penalty_is_least_squares() -> None:
    states, steps = world("drifting")
    train, test = steps.only(Split.TRAIN), steps.only(Split.TEST)

    def design(part: Steps) -> NDArray[np.float64]:
        ones = np.ones((len(part.before), 1))
        return np.concatenate([states[part.before], part.actions, ones], axis=1, dtype=np.float64)

    change = (states[train.after] - states[train.before]).astype(np.float64)
    weights = np.linalg.lstsq(design(train), change, rcond=None)[0]
    expected = states[test.before] + design(test) @ weights
    assert np.abs(predict_next(states, train, test, 1e-9) - expected).max() < 1e-4


def test_an_infinite_penalty_says_that_nothing_changes() -> None:
    states, steps = world("pushed")
    test = steps.only(Split.TEST)
    assert np.array_equal(predict_next(states, steps.only(Split.TRAIN), test, np.inf), states[test.before])


def test_the_present_state_is_not_ranked() -> None:
    """States at 0, 10, 20 and 60 degrees; from the second to the fourth, two others are nearer."""
    angles = np.radians([0, 10, 20, 60])
    states = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    steps = Steps(np.array([1, 1]), np.zeros((2, 0), np.float32), np.array([3, 2]), np.full(2, Split.TEST, np.int8))
    scores = next_state_scores(states, steps, states[steps.before])
    assert scores[0].tolist() == pytest.approx([1 / 3, 1.0, 0.0])
    # The first and the third are equally near: the mean rank of the two.
    assert scores[1].tolist() == pytest.approx([1 / 1.5, 1.0, 3 / 4])
    assert next_state_scores(states, steps, 7 * states[steps.before]).tolist() == scores.tolist()


@pytest.mark.parametrize("part", [Split.TRAIN, Split.TEST])
def test_without_training_or_test_steps_there_is_no_report(part: Split) -> None:
    states, steps = world("pushed")
    keep = steps.split != int(part)
    fewer = Steps(steps.before[keep], steps.actions[keep], steps.after[keep], steps.split[keep])
    assert measure_transition(states, fewer, seed=0) is None


def test_without_validation_steps_nothing_is_believed_to_change() -> None:
    states, steps = world("pushed")
    keep = steps.split != int(Split.VALIDATION)
    report = measure_transition(
        states, Steps(steps.before[keep], steps.actions[keep], steps.after[keep], steps.split[keep]), seed=0
    )
    assert report is not None
    assert np.isinf(report.penalty)
    assert mrr(report, "gain") == 0
