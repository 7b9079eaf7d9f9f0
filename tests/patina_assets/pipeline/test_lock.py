"""oxidize.lock: composed from the manifests alone, so it changes exactly when they do."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from patina_assets.pipeline import lock as lock_module
from patina_assets.pipeline.lock import compose_lock
from patina_assets.recipe.model import ProjectionRecipe, Recipe, Training
from patina_resources.store.files import sha256
from patina_resources.store.lineage import Lineage
from patina_resources.store.manifests import Manifest, OutputFile, StageInput, StageRecord

MODEL = sha256(b"model")
TRAINING = Training(source="git.co_changes", pair_type="co_changed", epochs=10)
RECIPE = Recipe(
    2,
    None,
    tuple(
        ProjectionRecipe(name, "dimension", None, 1024, 256, TRAINING, line=1, layers_line=1)
        for name in ("temporal", "another")
    ),
    Path("oxidize.yaml"),
    model_line=1,
)


def record(digest: str, built_at: str, facts: dict[str, Any], **inputs: StageInput) -> StageRecord:
    return StageRecord("fingerprint", inputs, sha256(digest.encode()), {}, facts, built_at)


def manifest(rows: str = "rows") -> Manifest:
    source = {"git.co_changes": StageInput(sha256(rows.encode()), 70), "seed": StageInput("0")}
    weights = {
        "training_pairs": 5000,
        "epochs_completed": 10,
        "best_epoch": 7,
        "metrics": {"base_mrr": 0.123456, "mrr": 0.234567, "test_queries": 80, "validation_mrr": None},
        "evaluation": [
            {"vectors": "base", "mrr": 0.123456, "mrr_low": 0.1, "mrr_high": 0.150049},
            {"vectors": "trained", "mrr": 0.234567, "mrr_low": 0.2, "mrr_high": 0.25},
        ],
        "history": [{"epoch": 0}],
    }
    return {
        "pairs": record("pairs", "2025-01-01T00:00:00Z", {}, **source),
        "embeddings": record("embeddings", "2025-01-04T00:00:00Z", {}, model=StageInput(MODEL)),
        "weights": record("weights", "2025-01-03T00:00:00Z", weights),
        "index": record("index", "2025-01-02T00:00:00Z", {"items": 60, "index_bytes": 9000, "recall_at_10": 0.9995}),
    }


def base() -> Manifest:
    items = {"git.co_changes": StageInput(sha256(b"rows"), 70), "pair types": StageInput("co_changed@1")}
    return {
        "items": record("items", "2024-01-01T00:00:00Z", {}, **items),
        "embeddings": record("embeddings", "2024-01-01T00:00:00Z", {}, model=StageInput(MODEL)),
        "index": record("index", "2024-01-01T00:00:00Z", {"items": 60, "index_bytes": 12000, "recall_at_10": 1.0}),
    }


def lock(manifests: dict[str, Manifest], recipe: Recipe = RECIPE) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(compose_lock(recipe, "corpus-static", manifests))
    return document


def test_a_lock_says_what_was_built() -> None:
    document = lock({"temporal": manifest(), "base": base()})
    for name in ("events_hash", "recipe_hash"):
        assert re.fullmatch("sha256:[0-9a-f]{64}", document.pop(name))
    assert document == {
        "embedding_model": "corpus-static",
        "model_hash": f"sha256:{MODEL}",
        "recipe_version": 2,
        "built_at": "2025-01-04T00:00:00Z",
        "projections": {
            "temporal": {
                "weights_hash": f"sha256:{sha256(b'weights')}",
                "training_pairs": 5000,
                "epochs_completed": 10,
                "best_epoch": 7,
                "index": {"items": 60, "bytes": 9000, "recall_at_10": 0.9995},
                "metrics": {"base_mrr": 0.1235, "mrr": 0.2346, "test_queries": 80, "validation_mrr": None},
                "intervals": {"base": {"mrr": [0.1, 0.15]}, "trained": {"mrr": [0.2, 0.25]}},
            }
        },
        "base": {"items": 60, "bytes": 12000, "recall_at_10": 1.0},
    }


def test_the_first_line_tells_a_reader_not_to_edit() -> None:
    content = compose_lock(RECIPE, "corpus-static", {"base": base()})
    assert content.startswith(b"# Provenance of the last build, written by `patina oxidize`. Do not edit.\n")
    assert content.endswith(b"\n")


def test_the_hashes_of_models_side_by_side_name_their_algorithm_too() -> None:
    model = StageInput(MODEL, parts={"minilm": sha256(b"minilm"), "corpus-static": ""})
    both = {**manifest(), "embeddings": record("embeddings", "2025-01-04T00:00:00Z", {}, model=model)}
    hashes = lock({"temporal": both})["model_hashes"]
    assert hashes == {"minilm": f"sha256:{sha256(b'minilm')}", "corpus-static": ""}


def recipe_hash(model: str = "corpus-static", **inputs: str) -> str:
    """Return the recipe's hash in a lock, where the weights were built from these inputs."""
    values = {"epochs": "10", "pair type": "co_changed@1", **inputs}
    used = {name: StageInput(value) for name, value in values.items()}
    built = {**manifest(), "weights": record("weights", "2025-01-03T00:00:00Z", {}, **used)}
    document: dict[str, Any] = yaml.safe_load(compose_lock(RECIPE, model, {"temporal": built}))
    found: str = document["recipe_hash"]
    return found


def test_the_recipe_hash_is_that_of_the_values_that_decided() -> None:
    same = recipe_hash()
    # Versions of the program, and what the recipe does not decide.
    assert recipe_hash(**{"pair type": "co_changed@2", "stage version": "9", "negatives": "nearest"}) == same
    others = [
        recipe_hash(epochs="11"),
        recipe_hash(margin="0.2"),
        recipe_hash(**{"pair type": "same_session@1"}),
        recipe_hash(model="minilm"),
    ]
    assert len({same, *others}) == 5


def test_the_recipe_hash_does_not_follow_the_file() -> None:
    both = {"temporal": manifest(), "another": manifest()}
    other = replace(RECIPE, projections=RECIPE.projections[::-1], version=1, path=Path("moved.yaml"))
    assert lock(both, other)["recipe_hash"] == lock(both)["recipe_hash"]
    assert lock({"temporal": manifest()})["recipe_hash"] != lock(both)["recipe_hash"]


def test_equal_manifests_give_equal_bytes() -> None:
    one = {"temporal": manifest(), "another": manifest(), "base": base()}
    other = {name: dict(reversed(list(one[name].items()))) for name in reversed(one)}
    assert compose_lock(RECIPE, "corpus-static", one) == compose_lock(RECIPE, "corpus-static", other)


def test_projections_stand_in_the_order_of_the_recipe() -> None:
    manifests = {"another": manifest(), "temporal": manifest(), "removed": manifest()}
    assert list(lock(manifests)["projections"]) == ["temporal", "another"]


def test_only_projections_with_an_index_are_named() -> None:
    without = {stage: entry for stage, entry in manifest().items() if stage != "index"}
    document = lock({"temporal": without, "another": {}})
    assert document["projections"] == {}
    assert document["model_hash"] == document["built_at"] == ""
    assert "base" not in document


def test_the_events_hash_follows_the_sources() -> None:
    first = lock({"temporal": manifest()})["events_hash"]
    assert lock({"temporal": manifest(), "base": base()})["events_hash"] == first
    assert lock({"temporal": manifest("other rows")})["events_hash"] != first
    calls = {"code.call_graph": StageInput(sha256(b"calls"), 9)}
    both = {
        "temporal": manifest(),
        "another": {**manifest(), "pairs": record("calls", "2025-01-01T00:00:00Z", {}, **calls)},
    }
    swapped = replace(RECIPE, projections=RECIPE.projections[::-1])
    assert lock(both, swapped)["events_hash"] == lock(both)["events_hash"] != first
    retrained = {**manifest(), "weights": replace(manifest()["weights"], digest=sha256(b"others"))}
    assert lock({"temporal": retrained})["events_hash"] == first
    assert lock({"temporal": retrained})["projections"]["temporal"]["weights_hash"] == f"sha256:{sha256(b'others')}"


def test_a_lock_says_what_weights_were_trained_on() -> None:
    built = dict(manifest())
    lineage = Lineage("basis", "trained", "began", continued=2, drift=0.01316, known=0.987, drift_before=0.2)
    outputs = {"trained-on.safetensors": OutputFile("temporal.trained-on.safetensors", "5e" * 32, 4096)}
    continuations = [{"next_mrr": 0.1, "next_base_mrr": 0.2}, {"next_mrr": 0.45678, "next_base_mrr": 0.4, "loss": 1.5}]
    facts = {**built["weights"].facts, "continuations": continuations}
    built["weights"] = replace(built["weights"], lineage=lineage, outputs=outputs, facts=facts)
    entry = lock({"temporal": built})["projections"]["temporal"]
    assert list(entry)[4:10] == ["trained_on", "drift", "continued", "total_drift", "next_mrr", "next_base_mrr"]
    assert [entry[key] for key in list(entry)[4:10]] == [f"sha256:{'5e' * 32}", 0.0132, 2, 0.2132, 0.4568, 0.4]


def test_both_emitters_of_yaml_write_the_same_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = {"temporal": manifest(), "another": manifest("other"), "base": base()}
    written = []
    for dumper in (yaml.CSafeDumper, yaml.SafeDumper):
        monkeypatch.setattr(lock_module, "DUMPER", dumper)
        written.append(compose_lock(RECIPE, "corpus-static+größe", manifests))
    assert written[0] == written[1]
