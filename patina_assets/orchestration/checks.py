"""What each stage promises, checked on the files that it published."""

from collections.abc import Callable, Mapping

import dagster as dg
import numpy as np

from patina_assets.learning.evaluate import held_out_task, leaked_pairs
from patina_assets.learning.projection import from_safetensors
from patina_assets.pairs.relations import related_texts, unique_texts
from patina_assets.pipeline.formats import decode_embeddings, decode_items, decode_relations
from patina_assets.pipeline.staleness import BASE
from patina_assets.search.index import load_index
from patina_resources.store.artifacts import read_outputs
from patina_resources.store.manifests import StageRecord
from patina_resources.store.paths import ProjectionPaths

POSITIVES_ARE_RELATED = "positives_are_related"
NEGATIVES_ARE_UNRELATED = "negatives_are_unrelated"
TEST_IS_UNSEEN = "test_pairs_are_not_in_training"
ITEMS_ARE_UNIQUE = "items_are_unique"
ONE_VECTOR_PER_TEXT = "one_vector_per_text"
UNIT_LENGTH = "unit_length"
SHAPES_MATCH_RECIPE = "shapes_match_recipe"
BEATS_BASE = "beats_base"
EVERY_ITEM_IS_INDEXED = "every_item_is_indexed"
RECALL = "recall_at_10"
ALL_ROWS_READABLE = "all_rows_readable"

RECALL_WANTED = 0.95
LENGTH_TOLERANCE = 1e-3

CHECKS: Mapping[str, tuple[str, ...]] = {
    "pairs": (POSITIVES_ARE_RELATED, NEGATIVES_ARE_UNRELATED, TEST_IS_UNSEEN),
    "items": (ITEMS_ARE_UNIQUE,),
    "embeddings": (ONE_VECTOR_PER_TEXT, UNIT_LENGTH),
    "weights": (SHAPES_MATCH_RECIPE, BEATS_BASE),
    "index": (EVERY_ITEM_IS_INDEXED, RECALL),
}


def check_specs(asset: dg.AssetKey, stage: str) -> list[dg.AssetCheckSpec]:
    """Return the checks of a stage's asset."""
    return [dg.AssetCheckSpec(name, asset=asset) for name in CHECKS[stage]]


def check_stage(paths: ProjectionPaths, stage: str, layers: list[int] | None) -> list[dg.AssetCheckResult]:
    """Return the results of a stage's checks.

    Args:
        paths: The projection's files.
        stage: A stage that has just been built or found fresh.
        layers: [hidden, output] of the recipe; None for `base`.
    """
    checkers: Mapping[str, Callable[[], list[dg.AssetCheckResult]]] = {
        "pairs": lambda: _check_pairs(paths),
        "items": lambda: _check_items(paths),
        "embeddings": lambda: _check_embeddings(paths),
        "weights": lambda: _check_weights(paths, layers or []),
        "index": lambda: _check_index(paths),
    }
    return checkers[stage]()


def result(name: str, passed: bool, reason: str, *, warn: bool = False) -> dg.AssetCheckResult:
    """Return a check result that says in words what was found."""
    severity = dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        check_name=name, passed=bool(passed), severity=severity, description=reason, metadata={"reason": reason}
    )


def _check_pairs(paths: ProjectionPaths) -> list[dg.AssetCheckResult]:
    _, (content,) = read_outputs(paths, "pairs", ("relations.safetensors",))
    file = decode_relations(content)
    related = related_texts(file.relations)
    anchors, positives, negatives = file.triplets.T
    unrelated = int((~related.contains(anchors, positives)).sum())
    wrong = int((related.contains(anchors, negatives) | (anchors == negatives)).sum())
    leaked = leaked_pairs(file.relations, file.training_triplets)
    asked = held_out_task(file.relations).relevant.keys.size // 2
    total = len(file.triplets)
    return [
        result(
            POSITIVES_ARE_RELATED, unrelated == 0, f"{unrelated} of {total} positives share no context with the anchor"
        ),
        result(NEGATIVES_ARE_UNRELATED, wrong == 0, f"{wrong} of {total} negatives are positives of the anchor"),
        result(TEST_IS_UNSEEN, leaked == 0, f"{leaked} of {asked} test pairs are in training, in either order"),
    ]


def _check_items(paths: ProjectionPaths) -> list[dg.AssetCheckResult]:
    _, (content,) = read_outputs(paths, "items", ("items.jsonl",))
    items = [item.order() for item in decode_items(content)]
    repeated = len(items) - len(set(items))
    return [result(ITEMS_ARE_UNIQUE, repeated == 0, f"{repeated} of {len(items)} items are repeated")]


def _check_embeddings(paths: ProjectionPaths) -> list[dg.AssetCheckResult]:
    stage = "items" if paths.name == BASE else "pairs"
    _, (items,) = read_outputs(paths, stage, ("items.jsonl",))
    _, (content,) = read_outputs(paths, "embeddings", ("embeddings.safetensors",))
    vectors = decode_embeddings(content)
    texts = len(unique_texts(decode_items(items))[0])
    lengths = np.linalg.norm(vectors, axis=1)
    # A text without a single known word has the zero vector.
    wrong = int(((np.abs(lengths - 1) > LENGTH_TOLERANCE) & (lengths != 0) | ~np.isfinite(lengths)).sum())
    empty = int((lengths == 0).sum())
    return [
        result(ONE_VECTOR_PER_TEXT, len(vectors) == texts, f"{len(vectors)} vectors for {texts} unique texts"),
        result(UNIT_LENGTH, wrong == 0, f"{wrong} vectors are not of unit length; {empty} texts have no known word"),
    ]


def _check_weights(paths: ProjectionPaths, layers: list[int]) -> list[dg.AssetCheckResult]:
    record, (content,) = read_outputs(paths, "weights", ("safetensors",))
    projection = from_safetensors(content, paths.weights.name)
    found = [projection.hidden_dims, projection.output_dims]
    return [
        result(SHAPES_MATCH_RECIPE, found == layers, f"layers are {found}, the recipe asks for {layers}"),
        _beats_base(record),
    ]


def _beats_base(record: StageRecord) -> dg.AssetCheckResult:
    metrics = record.facts.get("metrics", {})
    trained, base = metrics.get("mrr"), metrics.get("base_mrr")
    if trained is None or base is None:
        return result(BEATS_BASE, False, "no held-out queries: the eventlog is too small to measure", warn=True)
    gain = next((row for row in record.facts.get("evaluation", []) if row["vectors"] == "gain"), None)
    interval = f"; gain [{gain['mrr_low']:+.4f}, {gain['mrr_high']:+.4f}] at 95 %" if gain else ""
    return result(BEATS_BASE, trained >= base, f"held-out MRR {trained:.4f}, base {base:.4f}{interval}", warn=True)


def _check_index(paths: ProjectionPaths) -> list[dg.AssetCheckResult]:
    stage = "items" if paths.name == BASE else "pairs"
    _, (items,) = read_outputs(paths, stage, ("items.jsonl",))
    record, (content,) = read_outputs(paths, "index", ("usearch",))
    indexed, expected = len(load_index(content, paths.index.name)), len(decode_items(items))
    recall = float(record.facts["recall_at_10"])
    return [
        result(EVERY_ITEM_IS_INDEXED, indexed == expected, f"{indexed} vectors for {expected} items"),
        result(RECALL, recall >= RECALL_WANTED, f"recall@10 {recall:.4f}, wanted {RECALL_WANTED}", warn=True),
    ]
