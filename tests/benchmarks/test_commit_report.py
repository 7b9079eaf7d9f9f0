"""The report of a replay commit by commit: what each arm cost, what became of weights, and what they were worth."""

import math
from pathlib import Path

import pytest
from commit_report import Cost, Fate, Worth, costs_of, fate_of, print_commit_report, training_costs, worth_of

NAMES = ("semantic", "social")


def step(number: int, changed: list[str], weights: dict[str, str] | None = None, model: str = "kept") -> dict:
    cpu = {"look and model": 1.0, "rest": 2.0, "semantic/weights": 0.5, "social/index": 0.25, "base/index": 4.0}
    fates = dict.fromkeys(NAMES, "kept") | (weights or {})
    return {"what": "step", "step": number, "cpu": cpu, "weights": fates, "changed": changed, "model": model}


def anew(number: int, semantic: float, social: float) -> list[dict]:
    costs = zip(NAMES, (semantic, social), strict=True)
    return [{"what": "anew", "projection": name, "step": number, "cpu": cpu} for name, cpu in costs]


def asked(trained: int, number: int, queries: int, always: float | None, by_drift: float | None) -> dict:
    worth = {"queries": queries, "base": 0.1 if queries else None, "always": always, "by drift": by_drift}
    return {"what": "next", "projection": "semantic", "trained": trained, "step": number, **worth}


REPLAY = [
    step(0, list(NAMES)),
    *anew(0, 20.0, 10.0),
    step(1, []),
    asked(0, 1, 5, 0.9, 0.9),  # the same build
    step(2, ["semantic"], {"semantic": "continued"}),
    *anew(2, 40.0, 30.0),
    step(3, ["semantic", "social"], {"social": "nothing_learned"}),
    asked(2, 3, 10, 0.2, 0.4),
    asked(1, 3, 30, 0.5, 0.4),
    asked(1, 2, 0, None, None),
    step(4, ["semantic"], model="built"),
    asked(2, 4, 10, 0.9, 0.8),
]


def test_always_trains_what_changed_as_at_the_next_step_that_was_measured() -> None:
    # The look, what is neither trained nor indexed, and `base` are the same in both.
    assert costs_of(REPLAY) == {
        1: Cost(7.75, 7.0),
        2: Cost(7.75, 7.0 + 40.0),
        3: Cost(7.75, 7.0 + 40.0 + 30.0),  # behind the last, as there
        4: Cost(7.75, 7.0 + 40.0 + 30.0),  # another model: everything
    }


def test_costs_of_one_projection_are_those_of_its_weights_and_index() -> None:
    assert training_costs(REPLAY, "social") == {
        1: Cost(0.25, 0.0),
        2: Cost(0.25, 0.0),
        3: Cost(0.25, 30.0),
        4: Cost(0.25, 30.0),
    }


def test_weights_whose_pairs_stayed_are_not_counted_as_kept() -> None:
    assert fate_of(REPLAY, "semantic") == Fate(kept=2, continued=1, anew=0)
    assert fate_of(REPLAY, "social") == Fate(kept=0, continued=0, anew=1)


def test_worth_is_told_by_how_much_later_both_were_asked() -> None:
    assert worth_of(REPLAY, "semantic", 2) == Worth(
        40, 2, *map(pytest.approx, (0.1, (0.5 * 30 + 0.9 * 10) / 40, (0.4 * 30 + 0.8 * 10) / 40, -0.1, 0.0))
    )
    once = worth_of(REPLAY, "semantic", 1)
    assert once is not None
    assert once[:2] == (10, 1)
    assert once.difference == pytest.approx(0.2)
    assert math.isnan(once.error)
    assert worth_of(REPLAY, "social", 1) is None


def test_report_tells_what_was_measured_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = {"what": "held", "projection": "semantic"}
    none = {"mrr": None, "base": None, "queries": 0}
    ends = [
        held | {arm: {"mrr": mrr, "base": 0.3, "queries": 8} for arm, mrr in (("by drift", 0.61), ("clean", 0.6))},
        held | {"projection": "social", "by drift": none, "clean": none},
        {"what": "ranks", "arm": "by drift", "ranks": [{"kind": "commit", "told": 2}, {"kind": "file", "told": None}]},
        {"what": "ranks", "arm": "clean", "ranks": [{"kind": "commit", "told": 1}, {"kind": "file", "told": 4}]},
    ]
    print_commit_report({"tiny": [*REPLAY, *ends]}, tmp_path / "plot.svg")
    told = capsys.readouterr().out.splitlines()
    assert "4 steps: 31 s by drift, 208 s always: 14.9%" in told
    assert "| semantic | 2, 1, 0 | 1.7% | 40, 2 | 0.100 | 0.600 | 0.500 | -0.1000 (0.0000) |" in told
    assert "| semantic | 8 | 0.300 | 0.600 | 0.610 | +0.010 |" in told
    assert not any(line.startswith("| social") for line in told)
    assert "| commit | 1 | told | 1.000 | 0.500 | -0.500 |" in told
    assert "| file | 1 | told | 0.250 | 0.000 | -0.250 |" in told
    assert "| all | 2 | told | 0.625 | 0.250 | -0.375 |" in told
    drawn = (tmp_path / "plot.svg").read_text()
    assert "tiny: CPU s, in all" in drawn
    assert "tiny: mean MRR" in drawn
