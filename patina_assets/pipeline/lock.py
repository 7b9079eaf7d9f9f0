"""`oxidize.lock`: the provenance of the last build, composed from the manifests alone."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from patina_assets.pipeline.stages.embeddings import DEVICE, MODEL_INPUT
from patina_assets.pipeline.stages.index import IndexStage
from patina_assets.pipeline.stages.weights import TRAINED_ON, WeightsStage
from patina_assets.pipeline.stages.weights_page import CONTINUATIONS, NEXT_MEASURES
from patina_assets.recipe.model import Recipe
from patina_assets.search.built import BASE
from patina_resources.store.files import sha256
from patina_resources.store.manifests import EXTENDED, Manifest, StageInput, StageRecord

# What a recipe decides of a projection, by the names of its stages' inputs.
RECIPE_INPUTS = {
    "pair type", "pairs", "seed", "hidden", "output", "epochs", "batch_size", "learning_rate", "loss", "margin",
    "temperature",
}  # fmt: skip
# The one in C writes the same text in a tenth of the time; not every installation of PyYAML has it.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
HEADER = "# Provenance of the last build, written by `patina oxidize`. Do not edit.\n"


def compose_lock(recipe: Recipe, model: str, manifests: Mapping[str, Manifest]) -> bytes:
    """Return the lock as YAML. A pure function of what is built: equal manifests give equal bytes.

    Args:
        recipe: The recipe; projections without a built index are left out.
        model: Name of the base model; of models side by side, each one's own hash is told, too.
        manifests: By projection name, and for `base`.
    """
    names = [entry.name for entry in recipe.projections if IndexStage.name in manifests.get(entry.name, {})]
    built = {name: manifests[name] for name in [*names, BASE] if IndexStage.name in manifests.get(name, {})}
    events = {
        source: entry.value
        for manifest in built.values()
        for record in manifest.values()
        for source, entry in record.inputs.items()
        if entry.rows is not None
    }
    records = [record for manifest in built.values() for record in manifest.values()]
    models = [record.inputs[MODEL_INPUT] for record in records if MODEL_INPUT in record.inputs]
    used = min(models, key=lambda entry: entry.value, default=StageInput(""))
    devices = sorted({str(record.facts[DEVICE]) for record in records if DEVICE in record.facts})
    document: dict[str, Any] = {
        "embedding_model": model,
        **({"embedding_device": devices[0]} if devices else {}),
        "model_hash": _named(used.value),
        **({"model_hashes": {name: _named(value) for name, value in used.parts.items()}} if used.parts else {}),
        "events_hash": _named(sha256(repr(sorted(events.items())).encode())),
        "recipe_version": recipe.version,
        "recipe_hash": _named(_recipe_hash(model, built)),
        "built_at": max((record.built_at for record in records), default=""),
        "projections": {name: _projection_entry(built[name]) for name in names},
    }
    if BASE in built:
        document["base"] = _index_entry(built[BASE])
    # A table of plain values on one line: an interval reads as [low, high].
    text = yaml.dump(document, Dumper=DUMPER, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return HEADER.encode() + text.encode()


def _named(digest: str) -> str:
    """Return a digest with the name of its algorithm, as a lock spells it; nothing for nothing."""
    return f"sha256:{digest}" if digest else ""


def _recipe_hash(model: str, built: Mapping[str, Manifest]) -> str:
    """Return a hash of the values that a recipe decides, as they were when each projection was built.

    Comments, order, form and defaults of the file are not in it, nor are versions of the program.
    """
    values = {
        name: {
            stage: {key: entry.value.partition("@")[0] for key, entry in record.inputs.items() if key in RECIPE_INPUTS}
            for stage, record in manifest.items()
        }
        for name, manifest in built.items()
    }
    return sha256(json.dumps([model, values], sort_keys=True).encode())


def _projection_entry(manifest: Manifest) -> dict[str, Any]:
    weights = manifest.get(WeightsStage.name)
    entry: dict[str, Any] = {}
    if weights is not None:
        entry["weights_hash"] = _named(weights.digest)
        entry["training_pairs"] = weights.facts.get("training_pairs")
        entry["epochs_completed"] = weights.facts.get("epochs_completed")
        entry["best_epoch"] = weights.facts.get("best_epoch")
        entry |= _lineage_entry(weights)
    entry["index"] = _index_entry(manifest)
    entry["metrics"] = _rounded(weights.facts.get("metrics", {})) if weights is not None else {}
    entry["intervals"] = _intervals(weights.facts.get("evaluation", [])) if weights is not None else {}
    return entry


def _lineage_entry(weights: StageRecord) -> dict[str, Any]:
    """Return what weights were trained on: nothing where an older version trained them."""
    if weights.lineage is None or TRAINED_ON not in weights.outputs:
        return {}
    entry = {
        "trained_on": _named(weights.outputs[TRAINED_ON].sha256),
        "drift": round(weights.lineage.drift, 4),
        "continued": weights.lineage.continued,
        "total_drift": round(weights.lineage.total_drift, 4),
    }
    last = weights.facts.get(CONTINUATIONS, [])[-1:]
    return entry | {
        name: value for told in map(_rounded, last) for name, value in told.items() if name in NEXT_MEASURES
    }


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
    facts = manifest[IndexStage.name].facts
    extended = {EXTENDED: facts[EXTENDED]} if EXTENDED in facts else {}
    return {
        "items": facts.get("items"),
        "bytes": facts.get("index_bytes"),
        "recall_at_10": facts.get("recall_at_10"),
        **extended,
    }


def _rounded(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in metrics.items()}
