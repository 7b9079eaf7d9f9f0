"""A world model in one linear step: from a state and an action, which state comes next?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.evaluate import METRICS, Scores, evaluation_rows, scores_of_query
from patina_assets.pairs.splits import Split
from patina_resources.arrays import Float32, Float64

Rows = NDArray[np.int64]

# From nearly least squares to nearly nothing; infinity is exactly nothing: the state stays as it is.
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, np.inf)
SMALLEST_LENGTH = 1e-12


@dataclass(frozen=True)
class Steps:
    """What happened, one step a row: an action led from one state to the next.

    Attributes:
        before: int64 [s]; rows of states.
        actions: float32 [s, d2]; the action's vector.
        after: int64 [s]; rows of states.
        split: int8 [s]; a `Split` each, training before test in time.
    """

    before: Rows
    actions: Float32
    after: Rows
    split: NDArray[np.int8]

    def only(self, split: Split) -> "Steps":
        """Return the steps of one part."""
        keep = self.split == int(split)
        return Steps(self.before[keep], self.actions[keep], self.after[keep], self.split[keep])


@dataclass(frozen=True)
class TransitionReport:
    """How well the next state is ranked.

    Attributes:
        steps: Number of steps in training, validation and test.
        penalty: The ridge penalty that validation chose; infinity where no change is better than any that was learned.
        rows: As `evaluation_rows`: `base` (nothing changes), `state_only` (without the action), `trained`, `gain`.
    """

    steps: tuple[int, int, int]
    penalty: float
    rows: Sequence[dict[str, str | float]]


def measure_transition(states: Float32, steps: Steps, seed: int) -> TransitionReport | None:
    """Return how well state(t) and action(t) rank the true state(t+1) among all states; None without test steps.

    The change from a state to the next is a ridge regression (Hoerl and Kennard 1970, Technometrics 12) on both
    vectors, fitted on the training steps; its penalty is the one of the highest MRR on the validation steps. Its
    base says that nothing changes: states are ranked by their cosine to state(t). State(t) itself is left out of
    every ranking: it would always be the base's first choice, and is never right.

    Args:
        states: float32 [n, d1], unit rows, one for each different state.
        steps: Which states follow each other; before and after differ.
        seed: Seed of the bootstrap.
    """
    train, validation, test = (steps.only(split) for split in Split)
    if not len(test.before) or not len(train.before):
        return None
    without = Steps(steps.before, steps.actions[:, :0], steps.after, steps.split)
    penalty = _chosen_penalty(states, train, validation)
    alone = _chosen_penalty(states, without.only(Split.TRAIN), without.only(Split.VALIDATION))
    scores = {
        "base": next_state_scores(states, test, states[test.before]),
        "state_only": next_state_scores(
            states,
            test,
            predict_next(states, without.only(Split.TRAIN), without.only(Split.TEST), alone),
        ),
        "trained": next_state_scores(states, test, predict_next(states, train, test, penalty)),
    }
    sizes = (len(train.before), len(validation.before), len(test.before))
    return TransitionReport(sizes, penalty, evaluation_rows(scores, seed))


def predict_next(states: Float32, train: Steps, asked: Steps, penalty: float) -> Float32:
    """Return float32 [len(asked), d1]: the predicted next states, of any length.

    Args:
        states: float32 [n, d1].
        train: The steps to learn from, at least one.
        asked: The steps to predict; their `after` is not looked at.
        penalty: Ridge penalty on the change; infinity predicts that nothing changes.
    """
    now = states[asked.before]
    if np.isinf(penalty):
        return now
    features, wanted = _features(states, train), (states[train.after] - states[train.before]).astype(np.float64)
    centre, change = features.mean(axis=0), wanted.mean(axis=0)
    centred = features - centre
    gram = centred.T @ centred + penalty * np.eye(centred.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (wanted - change))
    predicted: Float32 = (now + (_features(states, asked) - centre) @ weights + change).astype(np.float32)
    return predicted


def next_state_scores(states: Float32, steps: Steps, predicted: Float32) -> Scores:
    """Return float64 [s, 3] (`METRICS`): how `predicted` ranks the true next state among all but the present one.

    Args:
        states: float32 [n, d1], unit rows.
        steps: The steps that are asked.
        predicted: float32 [s, d1].
    """
    lengths = np.linalg.norm(predicted, axis=1, keepdims=True)
    cosines = (predicted / np.maximum(lengths, SMALLEST_LENGTH)) @ states.T
    scores = np.zeros((len(predicted), len(METRICS)))
    for row, (before, after) in enumerate(zip(steps.before.tolist(), steps.after.tolist(), strict=True)):
        others = np.delete(cosines[row], [before, after])
        scores[row] = scores_of_query(cosines[row, [after]], others)
    return scores


def _features(states: Float32, steps: Steps) -> Float64:
    return np.concatenate([states[steps.before], steps.actions], axis=1, dtype=np.float64)


def _chosen_penalty(states: Float32, train: Steps, validation: Steps) -> float:
    """Return the penalty of the highest validation MRR, the larger one of equals."""
    if not len(validation.before):
        return float(np.inf)

    def mrr(penalty: float) -> float:
        predicted = predict_next(states, train, validation, penalty)
        return float(next_state_scores(states, validation, predicted)[:, 0].mean())

    return max(reversed(PENALTIES), key=mrr)
