"""The measures of what is built.

A projection's are in its manifest; those of a world model's two projections together are computed here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from patina_assets.learning.evaluate import METRICS
from patina_assets.learning.transition import TransitionReport
from patina_assets.learning.verdict import held_out_gain, takes_part, validation_gain
from patina_assets.pipeline.stages.weights import WeightsStage
from patina_assets.pipeline.tables import text_table
from patina_assets.pipeline.workspace import Workspace
from patina_assets.pipeline.world_model import measure_world_model, world_model_of
from patina_resources.errors import PatinaError, check_known
from patina_resources.store.manifests import read_manifest

HEADER = (
    "projection", "vectors", "queries", "MRR", "95 %", "recall@10", "95 %", "triplet accuracy", "95 %", "beats base",
    "in search",
)  # fmt: skip
# Places of the columns that a narrow terminal may lack, the first of them first: MRR, with its interval, stays.
SPARE = (8, 7, 6, 5, 9)
# Facts that stand beside the measures in JSON, where there are such.
TOLD = ("start", "best_epoch", "training_steps", "validation_steps", "ridge_penalty")


@dataclass(frozen=True)
class Evaluation:
    """What has been measured of a project.

    Attributes:
        model: The base model, as a recipe names it.
        measured: The weights stage's facts, by projection.
        missing: Why a projection has no measures, by its name.
    """

    model: str
    measured: Mapping[str, Mapping[str, Any]]
    missing: Mapping[str, str]

    def table(self) -> str:
        """Return the measures as a text table."""
        return text_table(HEADER, self.rows())

    def rows(self) -> list[list[object]]:
        """Return the measures, four rows for each projection, under `HEADER`."""
        return [line for name, facts in self.measured.items() for line in _lines(name, facts)]

    def document(self) -> dict[str, Any]:
        """Return the measures for JSON."""
        return {
            "embedding_model": self.model,
            "projections": {
                name: {
                    "test_queries": facts["metrics"]["test_queries"],
                    **_verdicts(facts),
                    **{key: facts[key] for key in TOLD if key in facts},
                    **{row["vectors"]: _intervals(row) for row in facts["evaluation"]},
                }
                for name, facts in self.measured.items()
            },
        }


def evaluate(workspace: Workspace, only: Sequence[str] | None) -> Evaluation:
    """Return the measures of projections.

    Args:
        workspace: The project.
        only: Names of projections; None for all of the recipe.

    Raises:
        PatinaError: A name is wrong, or nothing has been measured yet.
    """
    measured, missing = {}, {}
    for name in chosen_projections(workspace, only):
        facts = _facts(workspace, name)
        if isinstance(facts, str):
            missing[name] = facts
        else:
            measured[name] = facts
    if not measured:
        raise PatinaError("; ".join(missing.values()))
    pair = world_model_of(workspace)
    if pair and {entry.name for entry in pair} <= measured.keys():
        try:
            measured[f"{pair[0].name} + {pair[1].name}"] = _transition_facts(measure_world_model(workspace, *pair))
        except PatinaError as error:
            missing["transition"] = str(error)
    return Evaluation(workspace.spec.reference, measured, missing)


def chosen_projections(workspace: Workspace, only: Sequence[str] | None) -> list[str]:
    """Return the projections that were asked for, all of the recipe for None.

    Raises:
        PatinaError: A name is wrong, or the recipe has no projection.
    """
    known = [entry.name for entry in workspace.recipe.projections]
    if not known:
        raise PatinaError(
            f"{workspace.recipe.path}: projections: none is asked for, so there is nothing to measure: `patina init` "
            "names those that the events have signal for"
        )
    check_known(only or (), known, "projection", "--only")
    return list(dict.fromkeys(only)) if only else known


def _facts(workspace: Workspace, name: str) -> Mapping[str, Any] | str:
    """Return what the weights stage measured, or why there is nothing to show."""
    record = read_manifest(workspace.paths(name).manifest).get(WeightsStage.name)
    if record is None:
        return f"{name}/weights is not built: run `patina oxidize --only {name}`"
    if "evaluation" not in record.facts:
        return f"{name}/weights was built before there were intervals: run `patina oxidize --only {name}`"
    if not record.facts["evaluation"]:
        return f"{name}: no held-out queries: the eventlog is too small to measure it"
    return record.facts


def _transition_facts(report: TransitionReport) -> Mapping[str, Any]:
    """Return the transition's measures under the names that a projection's have."""
    train, validation, test = report.steps
    return {
        "evaluation": report.rows,
        "metrics": {"test_queries": test},
        "training_steps": train,
        "validation_steps": validation,
        # JSON has no infinity: null where validation prefers that nothing changes.
        "ridge_penalty": report.penalty if math.isfinite(report.penalty) else None,
    }


def _lines(name: str, facts: Mapping[str, Any]) -> list[list[object]]:
    queries = facts["metrics"]["test_queries"]
    return [
        [
            name,
            row["vectors"],
            queries,
            *(cell for metric in METRICS for cell in _cells(row, metric)),
            *_told(row, facts),
        ]
        for row in facts["evaluation"]
    ]


def _told(row: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[str, str]:
    """Return beside a gain what it says, and whether search uses the weights: a world model is not searched."""
    gain = held_out_gain(facts)
    if row["vectors"] != "gain" or gain is None:
        return "", ""
    return str(gain.verdict), ("yes" if takes_part(facts) else "no") if "best_epoch" in facts else ""


def _verdicts(facts: Mapping[str, Any]) -> dict[str, Any]:
    held_out, validated = held_out_gain(facts), validation_gain(facts)
    told: dict[str, Any] = {"beats_base": held_out and str(held_out.verdict)}
    if "best_epoch" in facts:
        own = None if validated is None else asdict(validated) | {"verdict": str(validated.verdict)}
        told |= {"validation_gain": own, "takes_part_in_search": takes_part(facts)}
    return told


def _cells(row: Mapping[str, Any], metric: str) -> tuple[str, str]:
    sign = "+" if row["vectors"] == "gain" else ""
    value, low, high = (f"{row[key]:{sign}.4f}" for key in (metric, f"{metric}_low", f"{metric}_high"))
    return value, f"[{low}, {high}]"


def _intervals(row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        metric: {"value": row[metric], "low": row[f"{metric}_low"], "high": row[f"{metric}_high"]} for metric in METRICS
    }
