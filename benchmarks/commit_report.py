"""The report of a replay commit by commit (`bench_commit_replay.py`): tables of its lines, and a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from drift_report import Line
from plots import line_plots

from patina_assets.search.built import BASE

# The stages that `always` does anew where a projection's pairs changed.
TRAINED = ("weights", "index")
BY_DRIFT, ALWAYS, CLEAN = "by drift", "always", "clean"
NEXT_HEADER = """
| projection | kept, continued, anew | cost | queries, steps | base | always | by drift | by step (standard error) |
|---|---|---|---|---|---|---|---|
""".strip()
HELD_HEADER = """
| projection | queries | base | clean | by drift | difference |
|---|---|---|---|---|---|
""".strip()
RANKS_HEADER = """
| kind of question | questions | list | clean | by drift | difference |
|---|---|---|---|---|---|
""".strip()


class Cost(NamedTuple):
    """Processor seconds of a step."""

    by_drift: float
    always: float


class Fate(NamedTuple):
    """How often the weights of a projection were kept where their pairs changed, continued, and trained anew."""

    kept: int
    continued: int
    anew: int


class Worth(NamedTuple):
    """What both arms were worth on relations that were new.

    Attributes:
        queries: How many there were, in all.
        asked: At how many steps.
        base: MRR of the base vectors, the mean over all queries.
        always: The same of weights that were trained anew.
        by_drift: The same of weights by the policy.
        difference: Mean difference of the latter two, by step.
        error: Its standard error; not a number where there is one step.
    """

    queries: int
    asked: int
    base: float
    always: float
    by_drift: float
    difference: float
    error: float


def print_commit_report(replays: Mapping[str, Sequence[Line]], plot: Path | None) -> None:
    """Print tables of some replays by name, and draw them."""
    for name, lines in replays.items():
        _print_replay(name, lines)
    if plot is not None:
        plot.write_text(line_plots({title: panel for name, lines in replays.items()
                                    for title, panel in _panels(name, lines).items()}))  # fmt: skip


def costs_of(lines: Sequence[Line]) -> dict[int, Cost]:
    """Return by step, from the second on, what each arm cost.

    Where the pairs of a projection changed, or the model did, `always` trains it anew and indexes it. That costs as
    much as at the next step at which it was done; behind the last of these, as there.
    """
    found: dict[int, Cost] = {}
    trained = {name: training_costs(lines, name) for line in _of(lines, "step") for name in line["weights"]}
    for line in _of(lines, "step")[1:]:
        step = line["step"]
        own = sum(spent for kind, spent in line["cpu"].items() if not _is_trained(kind))
        found[step] = Cost(sum(line["cpu"].values()), own + sum(costs[step].always for costs in trained.values()))
    return found


def training_costs(lines: Sequence[Line], projection: str) -> dict[int, Cost]:
    """Return by step, from the second on, what each arm spent on the weights and the index of a projection."""
    anew = {line["step"]: line["cpu"] for line in _of(lines, "anew") if line["projection"] == projection}
    found: dict[int, Cost] = {}
    for line in _of(lines, "step")[1:]:
        by_drift = sum(line["cpu"].get(f"{projection}/{stage}", 0.0) for stage in TRAINED)
        changed = line["weights"] if line["model"] == "built" else line["changed"]
        found[line["step"]] = Cost(by_drift, _at(anew, line["step"]) if projection in changed else 0.0)
    return found


def fate_of(lines: Sequence[Line], projection: str) -> Fate:
    """Return what became of a projection's weights after the first step."""
    steps = [line for line in _of(lines, "step") if line["step"] and projection in line["weights"]]
    fates = [line["weights"][projection] for line in steps]
    kept = sum(line["weights"][projection] == "kept" and projection in line["changed"] for line in steps)
    continued = fates.count("continued")
    return Fate(kept, continued, len(fates) - fates.count("kept") - continued)


def worth_of(lines: Sequence[Line], projection: str, later: int) -> Worth | None:
    """Return what a projection was worth so many steps later; None where nothing was new.

    Both arms are the same build at the first step: what was asked of that is left out.

    Args:
        lines: The lines of a replay.
        projection: Its name.
        later: How many steps after both arms were trained they were asked.
    """
    asked = _asked(lines, projection, later)
    if not asked:
        return None
    queries = [line["queries"] for line in asked]
    base, always, by_drift = (
        float(np.average([line[arm] for line in asked], weights=queries)) for arm in ("base", ALWAYS, BY_DRIFT)
    )
    gains = np.array([line[BY_DRIFT] - line[ALWAYS] for line in asked])
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else float("nan")
    return Worth(sum(queries), len(asked), base, always, by_drift, float(gains.mean()), error)


def _print_replay(name: str, lines: Sequence[Line]) -> None:
    costs = costs_of(lines)
    policy, always = _total(costs)
    print(f"\n## {name}\n\n{len(costs)} steps: {policy:.0f} s by drift, {always:.0f} s always: {_share(costs):.1%}")
    for later in sorted({line["step"] - line["trained"] for line in _of(lines, "next")}):
        print(f"\n{later} step(s) later:\n\n{NEXT_HEADER}")
        for projection in _projections(lines):
            if (worth := worth_of(lines, projection, later)) is not None:
                share = _share(training_costs(lines, projection))
                print(_next_row(projection, fate_of(lines, projection), share, worth))
    print(f"\nheld out, at the end:\n\n{HELD_HEADER}")
    for line in _of(lines, "held"):
        if line[CLEAN]["queries"]:
            arms = [line[CLEAN]["base"], line[CLEAN]["mrr"], line[BY_DRIFT]["mrr"]]
            print(f"| {line['projection']} | {line[CLEAN]['queries']} | {_told(arms)} |")
    ranks = {line["arm"]: line["ranks"] for line in _of(lines, "ranks")}
    if ranks.get(CLEAN):
        print(f"\nquestions, at the end:\n\n{RANKS_HEADER}")
        _print_ranks(ranks[CLEAN], ranks[BY_DRIFT])


def _print_ranks(clean: Sequence[Line], by_drift: Sequence[Line]) -> None:
    for kind in (*sorted({line["kind"] for line in clean}), "all"):
        rows = [row for row, line in enumerate(clean) if kind in ("all", line["kind"])]
        for column in (name for name in clean[0] if name != "kind"):
            means = [float(np.mean([1 / (ranks[row][column] or np.inf) for row in rows]))
                     for ranks in (clean, by_drift)]  # fmt: skip
            print(f"| {kind} | {len(rows)} | {column} | {_told(means)} |")


def _total(costs: Mapping[int, Cost]) -> Cost:
    return Cost(sum(cost.by_drift for cost in costs.values()), sum(cost.always for cost in costs.values()))


def _share(costs: Mapping[int, Cost]) -> float:
    """Return what the policy cost as a share of what `always` did; not a number where that did nothing."""
    by_drift, always = _total(costs)
    return by_drift / always if always else float("nan")


def _next_row(projection: str, fate: Fate, share: float, worth: Worth) -> str:
    means = " | ".join(f"{mean:.3f}" for mean in (worth.base, worth.always, worth.by_drift))
    fates = ", ".join(map(str, fate))
    return (
        f"| {projection} | {fates} | {share:.1%} | {worth.queries}, {worth.asked} | {means} | "
        f"{worth.difference:+.4f} ({worth.error:.4f}) |"
    )


def _told(means: Sequence[float]) -> str:
    """Return some MRR, of a clean build and by drift last, and the difference of these two."""
    return " | ".join([*(f"{mean:.3f}" for mean in means), f"{means[-1] - means[-2]:+.3f}"])


def _panels(name: str, lines: Sequence[Line]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return what is drawn of a replay: its processor time, and the mean MRR of its projections after many steps."""
    costs = costs_of(lines)
    totals = {
        arm: list(zip(costs, np.cumsum([cost[place] for cost in costs.values()]).tolist(), strict=True))
        for place, arm in enumerate((BY_DRIFT, ALWAYS))
    }
    longest = max(line["step"] - line["trained"] for line in _of(lines, "next"))
    asked = [line for projection in _projections(lines) for line in _asked(lines, projection, longest)]
    means = {
        arm: [
            (step, float(np.mean([line[arm] for line in asked if line["step"] == step])))
            for step in sorted({line["step"] for line in asked})
        ]
        for arm in (BY_DRIFT, ALWAYS)
    }
    return {f"{name}: CPU s, in all": totals, f"{name}: mean MRR": means}


def _asked(lines: Sequence[Line], projection: str, later: int) -> list[Line]:
    """Return what both arms of a projection were asked so many steps later."""
    return [
        line
        for line in _of(lines, "next")
        if line["projection"] == projection and line["step"] - line["trained"] == later
        and line["trained"] and line["queries"]
    ]  # fmt: skip


def _projections(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(line["projection"] for line in _of(lines, "next")))


def _of(lines: Sequence[Line], what: str) -> list[Line]:
    return [line for line in lines if line["what"] == what]


def _is_trained(kind: str) -> bool:
    """Return whether `always` does this work of a step otherwise: `base` is the same in both."""
    projection, _, stage = kind.partition("/")
    return stage in TRAINED and projection != BASE


def _at(anew: Mapping[int, float], step: int) -> float:
    """Return what was measured at the next step at which it was, or else at the last; 0 where it never was."""
    later = [end for end in anew if end >= step]
    return anew[min(later) if later else max(anew)] if anew else 0.0
