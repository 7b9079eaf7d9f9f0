"""`oxidize.lock`: the provenance of the last build, composed from the manifests alone."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from patina_assets.pipeline.staleness import BASE
from patina_assets.recipe.model import Recipe
from patina_resources.store.manifests import Manifest, StageInput

HEADER = "# Provenance of the last build, written by `patina oxidize`. Do not edit.\n"


def compose_lock(recipe: Recipe, model: str, manifests: Mapping[str, Manifest]) -> bytes:
    """Return the lock as YAML. A pure function of what is built: equal manifests give equal bytes.

    Args:
        recipe: The recipe; projections without a built index are left out.
        model: Name of the base model; of models side by side, each one's own hash is told, too.
        manifests: By projection name, and for `base`.
    """
    names = [entry.name for entry in recipe.projections if "index" in manifests.get(entry.name, {})]
    built = {name: manifests[name] for name in [*names, BASE] if "index" in manifests.get(name, {})}
    events = {
        source: entry.value
        for manifest in built.values()
        for stage in ("pairs", "items")
        if stage in manifest
        for source, entry in manifest[stage].inputs.items()
        if entry.rows is not None
    }
    embedded = [manifest["embeddings"].inputs for manifest in built.values() if "embeddings" in manifest]
    models = [inputs["model"] for inputs in embedded if "model" in inputs]
    used = min(models, key=lambda entry: entry.value, default=StageInput(""))
    times = [record.built_at for manifest in built.values() for record in manifest.values()]
    document: dict[str, Any] = {
        "embedding_model": model,
        "model_hash": used.value,
        **({"model_hashes": dict(used.parts)} if used.parts else {}),
        "events_hash": hashlib.sha256(repr(sorted(events.items())).encode()).hexdigest(),
        "recipe_version": recipe.version,
        "built_at": max(times, default=""),
        "projections": {name: _projection_entry(built[name]) for name in names},
    }
    if BASE in built:
        document["base"] = _index_entry(built[BASE])
    # A table of plain values on one line: an interval reads as [low, high].
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return HEADER.encode() + text.encode()


def _projection_entry(manifest: Manifest) -> dict[str, Any]:
    weights = manifest.get("weights")
    entry: dict[str, Any] = {}
    if weights is not None:
        entry["weights_hash"] = weights.digest
        entry["training_pairs"] = weights.facts.get("training_pairs")
        entry["epochs_completed"] = weights.facts.get("epochs_completed")
        entry["best_epoch"] = weights.facts.get("best_epoch")
    entry["index"] = _index_entry(manifest)
    entry["metrics"] = _rounded(weights.facts.get("metrics", {})) if weights is not None else {}
    entry["intervals"] = _intervals(weights.facts.get("evaluation", [])) if weights is not None else {}
    return entry


def _intervals(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Return by kind of vectors and by metric the ends of the 95 % interval."""
    metrics = {name.removesuffix("_low") for row in rows for name in row if name.endswith("_low")}
    return {
        row["vectors"]: {
            metric: [round(row[f"{metric}_low"], 4), round(row[f"{metric}_high"], 4)]
            for metric in sorted(metrics)
            if None not in (row.get(f"{metric}_low"), row.get(f"{metric}_high"))
        }
        for row in rows
    }


def _index_entry(manifest: Manifest) -> dict[str, Any]:
    facts = manifest["index"].facts
    return {"items": facts.get("items"), "bytes": facts.get("index_bytes"), "recall_at_10": facts.get("recall_at_10")}


def _rounded(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in metrics.items()}
