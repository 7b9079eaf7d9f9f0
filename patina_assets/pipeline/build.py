"""What each stage computes: inputs in, file contents and facts out. No decisions about staleness, no writing."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.evaluate import held_out_task
from patina_assets.learning.fit import fit_projection
from patina_assets.learning.projection import from_safetensors, to_safetensors
from patina_assets.learning.projection_onnx import to_onnx
from patina_assets.learning.train import EpochRecord, TrainingOptions
from patina_assets.pairs.relations import Item, PairType, relate, related_texts, unique_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.formats import (
    RelationsFile,
    decode_items,
    encode_embeddings,
    encode_items,
    encode_pairs,
    encode_relations,
)
from patina_assets.pipeline.progress import Seldom, duration
from patina_assets.pipeline.staleness import BASE
from patina_assets.recipe.model import ProjectionRecipe
from patina_assets.search.index import IndexOptions, build_index, load_index, recall_at_10
from patina_assets.search.search_file import encode_search
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Row
from patina_resources.store.files import sha256

# With fewer related pairs there is nothing to learn from and nothing to measure on.
MINIMUM_PAIRS = 20
SAMPLE_TRIPLETS = 10
SAMPLE_CHARACTERS = 1_000
# Role of the projection as it was measured: trained on the training part alone, so that more can be measured with it.
MEASURED = "measured.safetensors"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """What a stage computed.

    Attributes:
        contents: File contents by role (`pairs.jsonl`, `safetensors`, ...).
        digest: Hash of what the next stages depend on.
        facts: Counts and measures, for people.
    """

    contents: Mapping[str, bytes]
    digest: str
    facts: Mapping[str, Any]


def build_pairs(projection: ProjectionRecipe, rows: Mapping[str, Sequence[Row]]) -> Built:
    """Return items, contexts and triplets of a projection.

    Raises:
        PatinaError: The eventlog holds no signal for it.
    """
    training = projection.training
    pair_type = PAIR_TYPES[training.pair_type]
    data = pair_type.derive(rows)
    items = sorted(data.items, key=Item.order)
    texts, _ = unique_texts(items)
    relations = relate(texts, data.contexts, data.apart)
    related = related_texts(relations)
    positives = related.keys.size // 2
    if positives < MINIMUM_PAIRS:
        raise PatinaError(_no_signal(projection, pair_type, positives))
    fitting = relations.only(Split.TRAIN)
    triplets = sample_triplets(relations, related, training.pairs, training.seed)
    if not triplets.size:
        raise PatinaError(
            f"{projection.name}: no negatives: every text of {pair_type.source.name} belongs with every other, "
            f"so {training.pair_type} has nothing to tell apart; remove {projection.name} from the recipe"
        )
    training_triplets = sample_triplets(fitting, related_texts(fitting), training.pairs, training.seed)
    if not training_triplets.size:
        raise PatinaError(
            f"{projection.name}: no negatives in the part that training sees (the oldest 80 % of commits, 80 % of "
            f"sessions or files): its texts of {pair_type.source.name} all belong together; more events may change "
            f"that, or remove {projection.name} from the recipe"
        )
    test = held_out_task(relations)
    facts: dict[str, Any] = {
        "items": len(items),
        "unique_texts": len(texts),
        "related_pairs": int(positives),
        "training_pairs": len(triplets),
        "contexts": {split.name.lower(): int((relations.split == split).sum()) for split in Split},
        "test_queries": int(test.queries.size),
        "rows": {name: len(source) for name, source in rows.items()},
        "samples": [
            [texts[row][:SAMPLE_CHARACTERS] for row in triplet] for triplet in triplets[:SAMPLE_TRIPLETS].tolist()
        ],
    }
    contents = {
        "pairs.jsonl": encode_pairs(texts, triplets),
        "items.jsonl": encode_items(items),
        "relations.safetensors": encode_relations(RelationsFile(relations, triplets, training_triplets)),
    }
    return Built(contents, _joint_digest(contents), facts)


def build_items(pair_types: Sequence[PairType], rows: Mapping[str, Sequence[Row]]) -> Built:
    """Return the items of all projections together, each once, for the index over raw embeddings.

    Raises:
        PatinaError: There are none.
    """
    items = {item.order(): item for pair_type in pair_types for item in pair_type.derive(rows).items}
    if not items:
        raise PatinaError(
            "base: the eventlog holds no item for any projection of the recipe: run `patina materialize`, "
            "or add a projection whose events exist"
        )
    ordered = [items[key] for key in sorted(items)]
    contents = {"items.jsonl": encode_items(ordered)}
    kinds = sorted({item.kind for item in ordered})
    facts = {"items": len(ordered), "kinds": {kind: sum(item.kind == kind for item in ordered) for kind in kinds}}
    return Built(contents, _joint_digest(contents), facts)


def build_embeddings(vectors: NDArray[np.float32], new_by_model: Mapping[str, int], seconds: float) -> Built:
    """Return the embeddings file.

    Args:
        vectors: float32 [texts, dim], in the order of the sorted unique texts.
        new_by_model: How many of them were not in the cache of each model; `new_texts` is the most of these.
        seconds: What that took.
    """
    content = encode_embeddings(vectors)
    new = max(new_by_model.values())
    facts: dict[str, Any] = {
        "texts": len(vectors),
        "new_texts": new,
        "reused_texts": len(vectors) - new,
        "dimensions": int(vectors.shape[1]),
        "texts_per_second": round(new / seconds, 1) if new and seconds > 0 else 0.0,
    }
    if len(new_by_model) > 1:
        facts["new_texts_by_model"] = dict(new_by_model)
    return Built({"embeddings.safetensors": content}, sha256(content), facts)


def build_weights(
    projection: ProjectionRecipe, relations: RelationsFile, vectors: NDArray[np.float32], report: Report
) -> Built:
    """Return the trained projection, as safetensors and as ONNX.

    Args:
        projection: The recipe's layers and training values.
        relations: From the pairs stage.
        vectors: float32 [texts, dim] from the embeddings stage.
        report: Called with a line of progress after each epoch.
    """
    training, options = projection.training, training_options(projection)
    started = time.monotonic()
    seldom = Seldom(report)
    fit = fit_projection(
        vectors,
        relations.relations,
        relations.triplets,
        relations.training_triplets,
        options,
        lambda record: seldom(
            _epoch_line(projection.name, record, training.epochs), matters=record.epoch == training.epochs
        ),
        hard_negatives=PAIR_TYPES[training.pair_type].hard_negatives_with(training.loss),
    )
    metadata = {"projection": projection.name, "pair_type": training.pair_type, "loss": training.loss}
    content = to_safetensors(fit.projection, metadata)
    facts = {
        "layers": [int(vectors.shape[1]), projection.hidden, projection.output],
        "training_pairs": len(relations.triplets),
        "epochs_completed": len(fit.history) - 1,
        "start": fit.start,
        "best_epoch": fit.best_epoch,
        "history": [
            {"epoch": record.epoch, "loss": record.loss, "mrr": record.mrr, "seconds": round(record.seconds, 3)}
            for record in fit.history
        ],
        "metrics": dict(fit.metrics),
        "evaluation": [dict(row) for row in fit.evaluation],
        "training_seconds": round(time.monotonic() - started, 2),
    }
    contents = {
        "safetensors": content,
        "onnx": to_onnx(fit.projection),
        MEASURED: to_safetensors(fit.measured, metadata),
    }
    return Built(contents, sha256(content), facts)


def training_options(projection: ProjectionRecipe) -> TrainingOptions:
    """Return how a recipe's projection is trained."""
    training = projection.training
    return TrainingOptions(
        hidden=projection.hidden,
        output=projection.output,
        epochs=training.epochs,
        batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        loss=training.loss,
        margin=training.margin,
        temperature=training.temperature,
        seed=training.seed,
    )


def build_search_index(
    name: str, items_file: bytes, vectors: NDArray[np.float32], weights: bytes | None, model_facts: Mapping[str, str]
) -> Built:
    """Return the USearch index over a projection's items and the search file beside it.

    Args:
        name: Name of the projection, or `base`.
        items_file: The items.
        vectors: float32 [texts, dim] from the embeddings stage.
        weights: The trained projection (safetensors); None for raw embeddings.
        model_facts: Model name, digest and settings, kept with the index: a query must be embedded the same way.
    """
    items = decode_items(items_file)
    _, text_rows = unique_texts(items)
    projected = vectors if weights is None else from_safetensors(weights, f"{name}.safetensors").apply(vectors)
    rows = np.ascontiguousarray(projected[text_rows])
    options = IndexOptions()
    content = build_index(rows, options)
    recall = recall_at_10(load_index(content, f"{name}.usearch"), rows)
    search_file = encode_search(items, model_facts, weights, lexical=name == BASE)
    facts = {
        "items": len(items),
        "dimensions": int(rows.shape[1]),
        "index_bytes": len(content),
        "recall_at_10": round(recall, 4),
        "options": options.text(),
    }
    contents = {"usearch": content, "search.db": search_file}
    return Built(contents, _joint_digest(contents), facts)


def _joint_digest(contents: Mapping[str, bytes]) -> str:
    return sha256(" ".join(sha256(data) for _, data in sorted(contents.items())).encode())


def _no_signal(projection: ProjectionRecipe, pair_type: PairType, pairs: int) -> str:
    return (
        f"{projection.name}: the eventlog holds {pairs} related pairs for {pair_type.name}, expected at least "
        f"{MINIMUM_PAIRS}: it lacks {pair_type.missing}; materialize them, or remove {projection.name} from the recipe"
    )


def _epoch_line(name: str, record: EpochRecord, epochs: int) -> str:
    loss = "" if record.loss is None else f", loss {record.loss:.4f}"
    mrr = "" if record.mrr is None else f", validation MRR {record.mrr:.4f}"
    if record.mrr is None and record.epoch:
        return f"{name}/weights: epoch {record.epoch} of the last fit, on all pairs{loss} ({record.seconds:.1f} s)"
    more = (epochs - record.epoch) * record.seconds if record.epoch else 0
    left = f", at most {duration(more)} left" if more else ""
    return f"{name}/weights: epoch {record.epoch} of {epochs}{loss}{mrr} ({record.seconds:.1f} s{left})"
