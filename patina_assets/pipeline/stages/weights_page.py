"""What the page of a projection's weights shows, and whether training helped."""

from collections.abc import Mapping, Sequence
from typing import Any

from patina_assets.learning.verdict import Verdict, held_out_gain, takes_part, validation_gain
from patina_assets.pipeline.stages.ageing import ageing
from patina_assets.pipeline.stages.display import Picture, Table
from patina_assets.pipeline.stages.stage import CheckResult
from patina_resources.store.artifacts import BuiltStage
from patina_resources.store.lineage import Lineage

BEATS_BASE = "beats_base"
VERDICT = "beats base"
NOT_MEASURED = "no held-out queries: the eventlog is too small to measure"
# The fact that keeps the measures of the build before.
BEFORE = "before"
# The fact that tells of continuations, and of how many at most.
CONTINUATIONS = "continuations"
MOST_TOLD = 100
# What the weights were worth on relations that they had not seen, before they were continued last.
NEXT_MEASURES = ("next_mrr", "next_base_mrr")
# What the page tells of each continuation: more columns would push the value column out of sight at 1280 px.
OF_A_CONTINUATION = {"drift": "drift", "epochs": "epochs", "base": "next_base_mrr", "MRR": "next_mrr"}


def weights_page(facts: Mapping[str, Any], lineage: Lineage | None) -> dict[str, Any]:
    """Return the facts, with the course of training as a picture, the measures as tables, and drift as numbers.

    Args:
        facts: Of the weights stage.
        lineage: What the weights were trained on.
    """
    from patina_assets.pictures.charts import history_chart  # who only looks at what is stale must not wait for it

    facts = dict(facts)
    quality, used, held_out = _quality_rows(facts), takes_part(facts), held_out_gain(facts)
    facts.pop(BEFORE, None)
    history, metrics = facts.pop("history", []), facts.pop("metrics", {})
    continuations = facts.pop(CONTINUATIONS, [])
    chart = history_chart(
        [entry["loss"] for entry in history],
        [entry["mrr"] for entry in history],
        facts.get("best_epoch") or 0,
        metrics.get("validation_base_mrr"),
    )
    return {
        "chart": Picture(chart, "loss and MRR per epoch"),
        "drift_chart": _drift_picture(continuations),
        "verdict": str(held_out) if held_out is not None else NOT_MEASURED,
        "base_and_trained": Table(quality),
        "takes_part_in_search": used,
        "evaluation": Table(_evaluation_rows(facts.pop("evaluation", []))),
        "history": Table([_shown(row) for row in history]),
        "continuations": Table(
            [{name: row.get(key) for name, key in OF_A_CONTINUATION.items()} for row in continuations]
        ),
        **{name: continuations[-1][name] for name in NEXT_MEASURES if continuations},
        **_ageing_facts(continuations),
        **metrics,
        **facts,
        **({} if lineage is None else _lineage_facts(lineage)),
    }


def _ageing_facts(continuations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = ageing(continuations)
    return {} if found is None else {"next_gain": round(found.gain, 4), "ageing": str(found)}


def _drift_picture(continuations: Sequence[Mapping[str, Any]]) -> Picture | None:
    from patina_assets.pictures.charts import drift_chart

    shares = [told["drift"] for told in continuations]
    return Picture(drift_chart(shares), "drift at each continuation") if len(shares) > 1 else None


def _lineage_facts(lineage: Lineage) -> dict[str, Any]:
    return {
        "drift": round(lineage.drift, 4),
        "trained_on": round(lineage.known, 4),
        "continued": lineage.continued,
        "total_drift": round(lineage.total_drift, 4),
    }


def beats_base(stage: BuiltStage) -> CheckResult:
    """Return whether trained vectors rank held-out pairs better than the base vectors, and whether search uses them."""
    facts = stage.record.facts
    held_out, validated = held_out_gain(facts), validation_gain(facts)
    if held_out is None:
        return CheckResult(BEATS_BASE, False, NOT_MEASURED, blocking=False)
    use = "takes part in search" if takes_part(facts) else "takes no part in search"
    reason = f"held-out: {held_out}; validation: {validated or 'not measured'}; it {use}"
    figures = {"gain": round(held_out.value, 4)}
    return CheckResult(BEATS_BASE, held_out.verdict is Verdict.BETTER, reason, blocking=False, figures=figures)


def _quality_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each figure, with a column for each held-out part: a page has no room for more columns."""
    metrics = facts.get("metrics", {})
    parts = {
        part: {
            "queries": gain.queries,
            "base MRR": f"{metrics[f'{prefix}base_mrr']:.4f}",
            "trained MRR": f"{metrics[f'{prefix}mrr']:.4f}",
            "gain": f"{gain.value:+.4f}",
            "gain, 95 %": f"{gain.low:+.4f} to {gain.high:+.4f}",
            VERDICT: str(gain.verdict),
        }
        for part, prefix, gain in (
            ("validation", "validation_", validation_gain(facts)),
            ("test", "", held_out_gain(facts)),
        )
        if gain is not None
    }
    figures = next(iter(parts.values()), {})
    return [{"held-out": name} | {part: str(told[name]) for part, told in parts.items()} for name in figures]


def _evaluation_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a row for each measure of each kind of vectors, with its 95 % interval."""
    return [
        {
            "measure": f"{key.replace('_', ' ')} {row['vectors']}",  # words: they wrap
            "value": f"{value:.4f}",
            "95 %": f"{row[f'{key}_low']:.4f} to {row[f'{key}_high']:.4f}",
        }
        for key in {key: None for row in rows for key in row if f"{key}_low" in row}
        for row in rows
        if (value := row.get(key)) is not None and None not in (row.get(f"{key}_low"), row.get(f"{key}_high"))
    ]


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a table: times have fewer digits than measures."""
    return {key: f"{value:.2f}" if key == "seconds" else value for key, value in row.items()}
