"""The measures of what is built.

A projection's are in its manifest; those of a world model's two projections together are computed here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patina_assets.learning.evaluate import METRICS
from patina_assets.learning.transition import TransitionReport
from patina_assets.pipeline.staleness import BASE
from patina_assets.pipeline.tables import table
from patina_assets.pipeline.workspace import Workspace
from patina_assets.pipeline.world_model import measure_world_model, world_model_of
from patina_resources.errors import PatinaError, did_you_mean
from patina_resources.store.manifests import read_manifest

HEADER = ("projection", "vectors", "queries", "MRR", "95 %", "recall@10", "95 %", "triplet accuracy", "95 %")
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
        """Return the measures as a text table, four lines for each projection."""
        return table(HEADER, [line for name, facts in self.measured.items() for line in _lines(name, facts)])

    def document(self) -> dict[str, Any]:
        """Return the measures for JSON."""
        return {
            "embedding_model": self.model,
            "projections": {
                name: {
                    "test_queries": facts["metrics"]["test_queries"],
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
    for name in _chosen(workspace, only):
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


def _chosen(workspace: Workspace, only: Sequence[str] | None) -> list[str]:
    known = [name for name in workspace.names() if name != BASE]
    for name in only or ():
        if name not in known:
            hint = did_you_mean(name, known)
            raise PatinaError(f"--only: unknown projection {name!r}{hint}: expected one of {', '.join(known)}")
    return list(dict.fromkeys(only)) if only else known


def _facts(workspace: Workspace, name: str) -> Mapping[str, Any] | str:
    """Return what the weights stage measured, or why there is nothing to show."""
    record = read_manifest(workspace.paths(name).manifest).get("weights")
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
        [name, row["vectors"], queries, *(cell for metric in METRICS for cell in _cells(row, metric))]
        for row in facts["evaluation"]
    ]


def _cells(row: Mapping[str, Any], metric: str) -> tuple[str, str]:
    sign = "+" if row["vectors"] == "gain" else ""
    value, low, high = (f"{row[key]:{sign}.4f}" for key in (metric, f"{metric}_low", f"{metric}_high"))
    return value, f"[{low}, {high}]"


def _intervals(row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        metric: {"value": row[metric], "low": row[f"{metric}_low"], "high": row[f"{metric}_high"]} for metric in METRICS
    }
