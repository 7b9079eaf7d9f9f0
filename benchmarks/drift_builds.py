"""What a step of a replay does to one project: timed builds of its stages, and what its weights are worth."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from drift_report import Line

from patina_assets.learning.evaluate import mean_reciprocal_rank, new_relations_task
from patina_assets.learning.projection import from_safetensors
from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.pipeline.stages.weights import WEIGHTS, WeightsStage
from patina_assets.pipeline.workspace import Workspace, survey
from patina_assets.search.built import BASE
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.manifests import read_manifest

NEIGHBOURS, ASKED_TEXTS = 10, 500


def on_disk(workspace: Workspace, name: str) -> BuiltProjection:
    """Return a projection as its manifest says now."""
    paths = workspace.paths(name)
    return BuiltProjection(paths, read_manifest(paths.manifest))


def keep(built: BuiltProjection, folder: Path) -> None:
    """Copy the files of a projection as they are now."""
    folder.mkdir(parents=True)
    for path in built.paths.folder.glob(f"{built.paths.name}.*"):
        shutil.copyfile(path, folder / path.name)


def weights_of(workspace: Workspace, name: str) -> WeightsStage:
    """Return the weights stage of a projection."""
    return next(stage for stage in workspace.projection(name).stages if isinstance(stage, WeightsStage))


def applied(workspace: Workspace, name: str, trained: BuiltProjection, asked: BuiltProjection) -> Any:
    """Return the vectors, float32 [texts, output], that some weights give the texts of another build."""
    projection = from_safetensors(trained.stage("weights").read(WEIGHTS), name)
    return projection.apply(weights_of(workspace, name).embeddings.vectors(asked))


def worth_on_new_relations(workspace: Workspace, name: str, asked: BuiltProjection, trained: BuiltProjection) -> Line:
    """Return the MRR of some weights, and of the base vectors, on the relations that have come since."""
    weights = weights_of(workspace, name)
    seen = weights.pairs.known(trained).relations
    known, file = weights.pairs.known(asked), weights.pairs.relations(asked)
    task = new_relations_task(file.relations, lambda first, second: seen.lacks(known.hashes(first, second)))
    return {
        "mrr": mean_reciprocal_rank(applied(workspace, name, trained, asked), task),
        "base_mrr": mean_reciprocal_rank(weights.embeddings.vectors(asked), task),
        "queries": int(np.size(task.queries)),
    }


def common_neighbours(first: Any, second: Any) -> float:
    """Return which share of a text's nearest texts is the same in both, float32 [texts, dim] each, over some texts."""
    rows = np.linspace(0, len(first) - 1, min(len(first), ASKED_TEXTS)).astype(int)
    found = []
    for vectors in (first, second):
        cosines = vectors[rows] @ vectors.T
        cosines[np.arange(len(rows)), rows] = -np.inf
        found.append(np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS])
    pairs = zip(*found, strict=True)
    return float(np.mean([len(set(one.tolist()) & set(other.tolist())) / NEIGHBOURS for one, other in pairs]))


def build_stage(workspace: Workspace, name: str, stage: str, spent: dict[str, float]) -> Any:
    """Build one stage, and add its processor time to what was spent on it; return what became of it."""
    begun = time.process_time()
    outcome = run_stage(workspace, name, stage, lambda _: None)
    spent[stage] += time.process_time() - begun
    return outcome


def build(workspace: Workspace, name: str, spent: dict[str, float]) -> Line:
    """Build a projection, or the model and `base`; return the processor time of each stage, and what became of it."""
    begun = time.process_time()
    if name == BASE:
        survey(workspace)
    model = run_model(workspace, lambda _: None)
    if name == BASE:
        spent["look and model"] += time.process_time() - begun
    done = {}
    for stage in workspace.projection(name).stages:
        outcome = build_stage(workspace, name, stage.name, spent)
        done[stage.name] = "kept" if outcome.reused else ", ".join(r.kind.name.lower() for r in outcome.reasons)
    if name == BASE:
        publish_lock(workspace)
    return {
        "cpu": {stage: round(seconds, 3) for stage, seconds in spent.items()},
        "weights": done.get("weights"),
        "drift": _drift(workspace, name),
        "model": "kept" if model.reused else "built",
    }


def build_clean(workspace: Workspace, name: str, stages: Sequence[str] = ()) -> None:
    """Build the model and stages of a projection (all, unless some are named)."""
    run_model(workspace, lambda _: None)
    for stage in stages or [entry.name for entry in workspace.projection(name).stages]:
        run_stage(workspace, name, stage, lambda _: None)


def digests_of(workspace: Workspace, name: str) -> Mapping[str, str]:
    """Return the digests of what search reads."""
    manifest = read_manifest(workspace.paths(name).manifest)
    return {
        f"{stage}.{role}": output.sha256
        for stage in ("embeddings", "weights", "index")
        for role, output in manifest[stage].outputs.items()
    }


def _drift(workspace: Workspace, name: str) -> list[float]:
    record = read_manifest(workspace.paths(name).manifest).get("weights")
    if record is None or record.lineage is None:
        return []
    lineage = record.lineage
    return [round(lineage.drift, 4), round(lineage.total_drift, 4), lineage.continued]
