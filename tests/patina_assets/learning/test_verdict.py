"""Whether trained vectors beat the base's: better, no clear difference, worse."""

import numpy as np
import pytest

from patina_assets.learning.evaluate import evaluation_rows
from patina_assets.learning.verdict import (
    Gain,
    Verdict,
    held_out_gain,
    measured_gain,
    takes_part,
    validation_gain,
)


@pytest.mark.parametrize(
    ("low", "high", "queries", "verdict"),
    [
        (0.001, 0.2, 100, Verdict.BETTER),
        (0.0, 0.2, 100, Verdict.NO_CLEAR_DIFFERENCE),
        (-0.11, 0.15, 100, Verdict.NO_CLEAR_DIFFERENCE),
        (-0.2, 0.0, 100, Verdict.NO_CLEAR_DIFFERENCE),
        (-0.2, -0.001, 100, Verdict.WORSE),
        (0.1, 0.2, 6, Verdict.BETTER),
        (0.1, 0.2, 5, Verdict.NO_CLEAR_DIFFERENCE),
        (-0.2, -0.1, 5, Verdict.NO_CLEAR_DIFFERENCE),
    ],
)
def test_an_interval_is_above_zero_holds_it_or_is_below(
    low: float, high: float, queries: int, verdict: Verdict
) -> None:
    gain = Gain((low + high) / 2, low, high, queries)
    assert gain.verdict is verdict
    assert str(gain).startswith(f"{verdict} (gain in MRR {gain.value:+.4f} [{low:+.4f}, {high:+.4f}] at 95 %, ")
    metrics = {
        "validation_gain": gain.value,
        "validation_gain_low": low,
        "validation_gain_high": high,
        "validation_queries": queries,
    }
    assert validation_gain({"metrics": metrics}) == gain
    assert takes_part({"metrics": metrics}) == (verdict is Verdict.BETTER)


def test_the_test_part_has_no_say_in_what_is_searched() -> None:
    row = {"vectors": "gain", "mrr": 0.3, "mrr_low": 0.2, "mrr_high": 0.4}
    facts = {"evaluation": [row], "metrics": {"test_queries": 80}}
    assert held_out_gain(facts) == Gain(0.3, 0.2, 0.4, 80)
    assert validation_gain(facts) is None
    assert not takes_part(facts)
    assert held_out_gain({}) is validation_gain({}) is None
    assert held_out_gain({"evaluation": [row]}) is None
    assert held_out_gain({"metrics": {"test_queries": 80}}) is None


def test_a_verdict_is_shown_in_words() -> None:
    words = [str(Gain(0, low, high, 6)).partition(" (")[0] for low, high in ((1, 2), (-1, 1), (-2, -1))]
    assert words == ["better", "no clear difference", "worse"]


def test_a_gain_is_measured_query_by_query_as_the_table_has_it() -> None:
    random = np.random.default_rng(1)
    base, trained = random.random((60, 3)), random.random((60, 3))
    found = measured_gain(base[:, 0], trained[:, 0], seed=7)
    row = evaluation_rows({"base": base, "random": base, "trained": trained}, seed=7)[-1]
    assert found is not None
    assert [found.value, found.low, found.high] == pytest.approx([row["mrr"], row["mrr_low"], row["mrr_high"]])
    assert found.queries == 60
    assert measured_gain(np.zeros(0), np.zeros(0), seed=7) is None
