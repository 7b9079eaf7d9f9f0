"""A two-layer projection trained on a projection's triplets."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.verdict import held_out_gain, takes_part
from patina_assets.pairs.entities import EntityRelations
from patina_assets.pairs.hash_sample import Drift, drift_between
from patina_assets.pairs.pair_type import PairType
from patina_assets.pipeline.formats import RelationsFile, decode_sample, encode_sample
from patina_assets.pipeline.progress import Progress, Report
from patina_assets.pipeline.stages.display import Column
from patina_assets.pipeline.stages.embeddings import EmbeddingsStage
from patina_assets.pipeline.stages.pairs import PairsStage
from patina_assets.pipeline.stages.stage import Built, CheckResult, Stage, TrainedStage, Work, hashed
from patina_assets.pipeline.stages.weights_page import (
    BEATS_BASE,
    BEFORE,
    CONTINUATIONS,
    MOST_TOLD,
    beats_base,
    weights_page,
)
from patina_assets.recipe.model import ProjectionRecipe, Refresh
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.manifests import StageRecord

if TYPE_CHECKING:  # who only looks at what is stale must not wait for what trains
    from patina_assets.learning.projection import Projection
    from patina_assets.learning.train import EpochRecord, TrainingOptions

SHAPES_MATCH_RECIPE = "shapes_match_recipe"
WEIGHTS = "safetensors"
ONNX = "onnx"
# Role of the projection as it was measured: trained on the training part alone, so that more can be measured with it.
MEASURED = "measured.safetensors"
# Role of the relations that were trained on last.
TRAINED_ON = "trained-on.safetensors"
# The facts that measure.
MEASURED_FACTS = ("metrics", "evaluation")


def _interval(facts: Mapping[str, Any]) -> list[float] | None:
    gain = held_out_gain(facts)
    return None if gain is None else [gain.low, gain.high]


def _verdict(facts: Mapping[str, Any]) -> str | None:
    gain = held_out_gain(facts)
    return None if gain is None else str(gain.verdict)


@dataclass(frozen=True)
class WeightsStage(TrainedStage):
    """The trained weights of one projection."""

    recipe: ProjectionRecipe
    pair_type: PairType
    pairs: PairsStage
    embeddings: EmbeddingsStage

    name = "weights"
    version = 4
    kinds = frozenset({"numpy"})
    description = (
        "A two-layer projection, trained on the triplets of `{name}`. The epoch is chosen on held-out pairs. "
        "Epoch 0 is the PCA of the embeddings: it is used unless training is clearly better."
    )
    promised = MappingProxyType(
        {
            SHAPES_MATCH_RECIPE: "The layers are as wide as the recipe says.",
            BEATS_BASE: "Trained vectors rank held-out pairs better than those of the base model. It decides nothing: "
            "whether search uses a projection is decided on the validation pairs.",
        }
    )
    columns = (
        Column("held-out MRR", ("metrics", "mrr")),
        Column("base MRR", ("metrics", "base_mrr"), spare=1),
        Column("gain, 95 %", shown=_interval, spare=4),
        Column("queries", ("metrics", "test_queries"), spare=2),
        Column("beats base", shown=_verdict),
        Column("in search", shown=takes_part),
        Column("epoch", ("best_epoch",), spare=9),
        Column("drift", ("drift",), spare=5),
    )
    weights_role = WEIGHTS

    @property
    def projection(self) -> str:
        """Name of its projection."""
        return self.recipe.name

    @property
    def upstream(self) -> tuple[Stage, ...]:
        """Pairs and embeddings."""
        return (self.pairs, self.embeddings)

    @property
    def hard_negatives(self) -> bool:
        """Whether negatives come from the anchor's nearest texts."""
        return self.pair_type.hard_negatives_with(self.recipe.training.loss)

    def inputs(self) -> dict[str, object]:
        """Return the layers and how they are trained."""
        training = self.recipe.training
        values: dict[str, object] = {
            "hidden": self.recipe.hidden,
            "output": self.recipe.output,
            "epochs": training.epochs,
            "batch_size": training.batch_size,
            "learning_rate": training.learning_rate,
            "loss": training.loss,
            "seed": training.seed,
        }
        if self.hard_negatives:
            values["negatives"] = "nearest"
        if training.loss == "triplet":
            return {**values, "margin": training.margin}
        return {**values, "temperature": training.temperature}

    @property
    def refresh(self) -> Refresh:
        """The recipe's policy."""
        return self.recipe.refresh

    def drift(self, built: BuiltProjection, today: EntityRelations | None = None) -> Drift:
        """Return how far the relations that it was trained on are from those that there are."""
        trained_on = decode_sample(built.stage(self.name).read(TRAINED_ON))
        return drift_between(trained_on, (today or self.pairs.known(built)).relations)

    def build(self, work: Work) -> Built:
        """Train on the triplets, from the start or from where the weights are."""
        if work.epochs:
            return self._continued(work)
        built = build_weights(
            self.recipe,
            self.pairs.relations(work.built),
            self.embeddings.vectors(work.built),
            work.report,
            hard_negatives=self.hard_negatives,
        )
        known = self.trained_on(work.built)
        return replace(built, contents={**built.contents, **known}, digests={**built.digests, **hashed(known)})

    def trained_on(self, built: BuiltProjection) -> dict[str, bytes]:
        """Return the hashes of the relations that there are."""
        return {TRAINED_ON: encode_sample(self.pairs.known(built).relations)}

    def _continued(self, work: Work) -> Built:
        """Train on from the weights that there are; the measures on held-out pairs stay those of the last training."""
        from patina_assets.learning.continuing import continue_projection, of_continuation

        before, known = work.built.stage(self.name), self.pairs.known(work.built)
        seen = decode_sample(before.read(TRAINED_ON))
        earlier = before.record.facts.get(CONTINUATIONS, [])
        relations = self.pairs.relations(work.built)
        number = before.record.lineage.continued if before.record.lineage else 0
        started = time.monotonic()
        made = continue_projection(
            self._projection(work.built),
            self.embeddings.vectors(work.built),
            relations.relations,
            lambda first, second: seen.lacks(known.hashes(first, second)),
            len(relations.triplets),
            of_continuation(training_options(self.recipe), work.epochs, number),
            lambda record: work.report(
                _epoch_progress(self.recipe.name, record, work.epochs, "continued, on all pairs")
            ),
            hard_negatives=self.hard_negatives,
        )
        told = {
            "drift": round(self.drift(work.built).share, 4),
            "epochs": work.epochs,
            "next_mrr": made.next_mrr,
            "next_base_mrr": made.next_base_mrr,
            "next_error": made.next_error,
            "next_queries": made.next_queries,
            "loss": made.loss,
            "seconds": round(time.monotonic() - started, 2),
        }
        contents = {
            **_network_files(self.recipe, made.projection),
            MEASURED: before.read(MEASURED),
            **self.trained_on(work.built),
        }
        digests = hashed(contents)
        facts = {**before.record.facts, CONTINUATIONS: [*earlier, told][-MOST_TOLD:]}
        return Built(contents, digests, digests[WEIGHTS], facts)

    def facts_after(self, facts: Mapping[str, Any], previous: StageRecord) -> Mapping[str, Any]:
        """Keep what was measured before, with what it was built from; of equal measures, what was before those."""
        is_same = all(previous.facts.get(name) == facts.get(name) for name in MEASURED_FACTS)
        own = {name: previous.facts[name] for name in MEASURED_FACTS if name in previous.facts}
        inputs = {name: entry.value for name, entry in previous.inputs.items()}
        before = previous.facts.get(BEFORE) if is_same else {"built_at": previous.built_at, "inputs": inputs, **own}
        return facts if before is None else {**facts, BEFORE: before}

    def vectors(self, built: BuiltProjection, rows: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
        """Return float32 [texts, output], or of some rows."""
        return self._projection(built).apply(self.embeddings.vectors(built, rows))

    def _projection(self, built: BuiltProjection) -> "Projection":
        from patina_assets.learning.projection import from_safetensors

        return from_safetensors(built.stage(self.name).read(WEIGHTS), built.paths.weights.name)

    def model_facts(self, built: BuiltProjection, model: str) -> dict[str, str]:
        """Return the base model of the embeddings."""
        return self.embeddings.model_facts(built, model)

    def checks(self, built: BuiltProjection) -> list[CheckResult]:
        """Check the shapes, and whether training helped."""
        projection = self._projection(built)
        found = [projection.hidden_dims, projection.output_dims]
        wanted = [self.recipe.hidden, self.recipe.output]
        return [
            CheckResult(SHAPES_MATCH_RECIPE, found == wanted, f"layers are {found}, the recipe asks for {wanted}"),
            beats_base(built.stage(self.name)),
        ]

    def metadata(self, built: BuiltProjection) -> dict[str, Any]:
        """Return the facts, with the course of training as a picture and the measures as tables."""
        return weights_page(super().metadata(built), built.stage(self.name).record.lineage)


def build_weights(
    projection: ProjectionRecipe,
    relations: RelationsFile,
    vectors: NDArray[np.float32],
    report: Report,
    *,
    hard_negatives: bool,
) -> Built:
    """Return the trained projection, as safetensors and as ONNX.

    Args:
        projection: The recipe's layers and training values.
        relations: From the pairs stage.
        vectors: float32 [texts, dim] from the embeddings stage.
        report: Told of each epoch.
        hard_negatives: Whether negatives come from the anchor's nearest texts.
    """
    from patina_assets.learning.fit import fit_projection
    from patina_assets.learning.projection import to_safetensors

    training, options = projection.training, training_options(projection)
    started = time.monotonic()
    fit = fit_projection(
        vectors,
        relations.relations,
        relations.triplets,
        relations.training_triplets,
        options,
        lambda record: report(_epoch_progress(projection.name, record, training.epochs)),
        hard_negatives=hard_negatives,
    )
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
        **_network_files(projection, fit.projection),
        MEASURED: to_safetensors(fit.measured, _metadata(projection)),
    }
    digests = hashed(contents)
    return Built(contents, digests, digests[WEIGHTS], facts)


def _network_files(recipe: ProjectionRecipe, trained: "Projection") -> dict[str, bytes]:
    """Return trained weights as safetensors and as ONNX, by role."""
    from patina_assets.learning.projection import to_safetensors
    from patina_assets.learning.projection_onnx import to_onnx

    return {WEIGHTS: to_safetensors(trained, _metadata(recipe)), ONNX: to_onnx(trained)}


def _metadata(recipe: ProjectionRecipe) -> dict[str, str]:
    training = recipe.training
    return {"projection": recipe.name, "pair_type": training.pair_type, "loss": training.loss}


def training_options(projection: ProjectionRecipe) -> "TrainingOptions":
    """Return how a recipe's projection is trained."""
    from patina_assets.learning.train import TrainingOptions

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


def _epoch_progress(
    name: str, record: "EpochRecord", epochs: int, on_all_pairs: str = "the last fit, on all pairs"
) -> Progress:
    figures = (
        on_all_pairs if record.mrr is None and record.epoch > 0 else "",
        "" if record.loss is None else f"loss {record.loss:.4f}",
        "" if record.mrr is None else f"validation MRR {record.mrr:.4f}",
    )
    return Progress(f"{name}/weights", record.epoch, epochs, "epochs", ", ".join(part for part in figures if part))
