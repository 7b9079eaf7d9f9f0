"""The report of a replay (`bench_drift.py`): tables of its lines, and a plot."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from plots import line_plots

from patina_assets.search.built import BASE

MEASURED = ("semantic", "temporal", "dependency", "syntactic", "architectural")
HEADER = """
| projection | kept | continued | anew | base | always | by drift | difference (standard error) | worst |
|---|---|---|---|---|---|---|---|---|
""".strip()

Line = dict[str, Any]
# By projection, arm and step.
Asked = Mapping[tuple[str, str, int], Line]
# Processor seconds by step.
Costs = Mapping[int, float]


def print_report(lines: Sequence[Line], plot: Path | None) -> None:
    """Print tables of a replay, and draw it."""
    builds = [line for line in lines if line["what"] == "build" and line["step"]]
    asked = {(line["projection"], line["arm"], line["step"]): line for line in lines if line["what"] == "next"}
    names = sorted({name for name, _, _ in asked}, key=MEASURED.index)
    steps = sorted({step for _, _, step in asked})
    print(HEADER)
    for name in names:
        done = [line["weights"] for line in builds if line["projection"] == name]
        print(_row(name, done, asked, steps))
    costs = _costs(builds, asked, names, steps)
    ends = range(1, max(steps))  # what was trained at the last step was asked nothing
    policy, always = (sum(costs[arm][step] for step in ends) for arm in ("by drift", "always"))
    print()
    print(f"CPU s of steps 1 to {max(ends)}: by drift {policy:.1f}, always {always:.1f}: {policy / always:.1%}")
    for name in names:
        found = {line["what"]: line for line in lines if line.get("projection") == name}
        if "teammate" in found and "clean" in found:
            mrr = asked[name, "by drift", max(steps)]["mrr"]
            print(_teammate_line(name, found["teammate"], found["clean"], mrr))
    if plot is not None:
        plot.write_text(_drawn(asked, costs, names, steps))


def _row(name: str, done: Sequence[str], asked: Asked, steps: Sequence[int]) -> str:
    """Return the row of a projection: what became of its weights, and what they were worth beside those of `always`."""
    counts = [sum(test(entry) for entry in done) for test in (_is_kept, _is_continued, _is_anew)]
    pairs = [(asked.get((name, "always", step)), asked.get((name, "by drift", step))) for step in steps]
    both = [(one, other) for one, other in pairs if one and other and other["queries"]]
    gains = np.array([other["mrr"] - one["mrr"] for one, other in both])
    means = [
        np.mean([one["base_mrr"] for one, _ in both]),
        np.mean([one["mrr"] for one, _ in both]),
        np.mean([other["mrr"] for _, other in both]),
    ]
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    cells = [*map(str, counts), *(f"{mean:.3f}" for mean in means), f"{gains.mean():+.4f} ({error:.4f})"]
    return f"| {name} | {' | '.join(cells)} | {gains.min():+.3f} |"


def _costs(builds: Sequence[Line], asked: Asked, names: Sequence[str], steps: Sequence[int]) -> Mapping[str, Costs]:
    """Return what each arm cost, at each step."""
    policy, always = defaultdict[int, float](float), defaultdict[int, float](float)
    for line in builds:
        for stage, seconds in line["cpu"].items():
            own = line["projection"] != BASE and stage in ("weights", "index")
            policy[line["step"]] += seconds
            always[line["step"]] += 0.0 if own else seconds
    for name in names:  # between the steps at which it was trained anew, that costs as much as at the next of them
        anew = {step: line["cpu"] for (own, arm, step), line in asked.items() if own == name and arm == "always"}
        for step in range(1, max(steps)):
            always[step] += anew[min(end for end in anew if end > step)]
    return {"always": always, "by drift": policy}


def _teammate_line(name: str, mate: Line, clean: Line, mrr: float) -> str:
    return (
        f"{name}: MRR of a teammate who builds before the last step {mate['mrr']:.3f}, of the incremental "
        f"one {mrr:.3f}; neighbours in common {mate['neighbours']:.2f}; equal bytes after a clean build: "
        f"{mate['digests'] == clean['digests']}"
    )


def _drawn(asked: Asked, costs: Mapping[str, Costs], names: Sequence[str], steps: Sequence[int]) -> str:
    panels = {
        name: {
            arm: [(step, line["mrr"]) for step in steps if (line := asked.get((name, arm, step))) and line["queries"]]
            for arm in ("always", "by drift")
        }
        for name in names
    }
    ends = range(1, max(steps))
    panels["CPU s, in all"] = {
        arm: [(end, sum(per_step[step] for step in range(1, end + 1))) for end in ends]
        for arm, per_step in costs.items()
    }
    return line_plots(panels)


def _is_kept(done: str) -> bool:
    return done == "kept"


def _is_continued(done: str) -> bool:
    return "continued" in done


def _is_anew(done: str) -> bool:
    return not _is_kept(done) and not _is_continued(done)
