"""What the last change of each projection did to its measures: before and after, as its manifest keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patina_assets.learning.verdict import held_out_gain
from patina_assets.pipeline.measures.evaluation import chosen_projections
from patina_assets.pipeline.reasons import reason_texts
from patina_assets.pipeline.stages.weights import WeightsStage
from patina_assets.pipeline.stages.weights_page import BEFORE
from patina_assets.pipeline.staleness import differences
from patina_assets.pipeline.workspace import Workspace
from patina_resources.errors import PatinaError
from patina_resources.store.manifests import StageInput, StageRecord, read_manifest

HEADER = ("projection", "measure", "before", "after", "change")
# By the names that people read, what metrics of the weights stage are shown.
MEASURES = {
    "held-out MRR": "mrr",
    "base MRR": "base_mrr",
    "recall@10": "recall_at_10",
    "triplet accuracy": "triplet_accuracy",
    "queries": "test_queries",
    "validation MRR": "validation_mrr",
    "validation queries": "validation_queries",
}


@dataclass(frozen=True)
class Measured:
    """What was measured of a projection at one time.

    Attributes:
        built_at: UTC time of the build (ISO 8601).
        values: By the names of `MEASURES`; without what was not measured.
        verdict: Whether the weights beat the base; None where that was not measured.
    """

    built_at: str
    values: Mapping[str, float]
    verdict: str | None


@dataclass(frozen=True)
class LastChange:
    """The last change of a projection's measures.

    Attributes:
        projection: Its name.
        before: What was measured before.
        after: What is measured now.
        reasons: Which inputs of the weights differ.
    """

    projection: str
    before: Measured
    after: Measured
    reasons: Sequence[str]

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return the measures as rows under `HEADER`, then the verdict."""
        rows = []
        for name in MEASURES:
            before, after = self.before.values.get(name), self.after.values.get(name)
            rows.append((self.projection, name, _figure(before), _figure(after), _figure(self._step(name), "+")))
        return [*rows, (self.projection, "beats base", self.before.verdict or "-", self.after.verdict or "-", "")]

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "before": _document(self.before),
            "after": _document(self.after),
            "change": {key: self._step(name) for name, key in MEASURES.items()},
            "reasons": list(self.reasons),
        }

    def _step(self, name: str) -> float | None:
        before, after = self.before.values.get(name), self.after.values.get(name)
        return None if before is None or after is None else after - before


@dataclass(frozen=True)
class LastChanges:
    """The last changes of a project's projections; `missing` says of the others why there is none."""

    found: Sequence[LastChange]
    missing: Mapping[str, str]


def last_changes(workspace: Workspace, only: Sequence[str] | None) -> LastChanges:
    """Return what the last change of projections did to their measures.

    Args:
        workspace: The project.
        only: Names of projections; None for all of the recipe.

    Raises:
        PatinaError: A name is wrong, or no projection is built.
    """
    found, missing, is_built = [], {}, False
    for name in chosen_projections(workspace, only):
        record = read_manifest(workspace.paths(name).manifest).get(WeightsStage.name)
        is_built |= record is not None
        if record is None:
            missing[name] = f"{name}/weights is not built: run `patina oxidize --only {name}`"
        elif BEFORE not in record.facts:
            missing[name] = f"{name}: no build has changed its measures"
        else:
            found.append(_change(name, record))
    if not is_built:
        raise PatinaError("; ".join(missing.values()))
    return LastChanges(found, missing)


def _change(name: str, record: StageRecord) -> LastChange:
    before = record.facts[BEFORE]
    inputs = {name: StageInput(value) for name, value in before["inputs"].items()}
    reasons = reason_texts(differences(inputs, record.inputs))
    return LastChange(name, _measured(before["built_at"], before), _measured(record.built_at, record.facts), reasons)


def _measured(built_at: str, facts: Mapping[str, Any]) -> Measured:
    metrics = facts.get("metrics", {})
    values = {name: metrics[key] for name, key in MEASURES.items() if metrics.get(key) is not None}
    gain = held_out_gain(facts)
    return Measured(built_at, values, None if gain is None else str(gain.verdict))


def _document(measured: Measured) -> dict[str, Any]:
    values = {key: measured.values.get(name) for name, key in MEASURES.items()}
    return {"built_at": measured.built_at, **values, "beats_base": measured.verdict}


def _figure(value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:{sign}.4f}" if isinstance(value, float) else f"{value:{sign}}"
