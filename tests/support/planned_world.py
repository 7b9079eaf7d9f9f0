"""A world without files, in which everything is built: what a change of it makes stale."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.reasons import Reason, ReasonKind, reason_texts
from patina_assets.pipeline.stages import ProjectionStages, passages, projections_of
from patina_assets.pipeline.staleness import (
    BaseModelState,
    ProjectionState,
    StageVerdict,
    fingerprint,
    plan,
    stage_inputs,
    stale_stages,
)
from patina_assets.recipe.model import ProjectionRecipe, Recipe, Training
from patina_resources.eventlog.looks.memory import SourceDigest
from patina_resources.store.files import sha256
from patina_resources.store.manifests import StageRecord

NEVER_BUILT = Reason(ReasonKind.NEVER_BUILT)


# What is stale, by "projection/stage", with its reasons.
Stale = dict[str, list[str]]


SOURCES = {source.name for entry in PAIR_TYPES.values() for source in entry.sources} | {
    source.name for source in passages.SOURCES
}


IMPLIED = {
    "semantic": ("sessions.observations", "same_session"),
    "temporal": ("git.co_changes", "co_changed"),
    "dependency": ("code.call_graph", "caller_callee"),
}


def projection(name: str, source: str, pair_type: str) -> ProjectionRecipe:
    training = Training(source=source, pair_type=pair_type, epochs=10)
    return ProjectionRecipe(name, "dimension", None, 1024, 256, training, line=1, layers_line=1)


@dataclass
class World:
    """A recipe, sources, a model, and what has been built of them."""

    recipe: Recipe = field(
        default_factory=lambda: Recipe(
            2,
            None,
            tuple(projection(name, *implied) for name, implied in IMPLIED.items()),
            Path("oxidize.yaml"),
            model_line=1,
        )
    )
    sources: dict[str, SourceDigest] = field(
        default_factory=lambda: {name: SourceDigest(sha256(name.encode()), 1000) for name in SOURCES}
    )
    model: BaseModelState = field(
        default_factory=lambda: BaseModelState("corpus-static", sha256(b"model"), "mean pooling")
    )
    states: dict[str, ProjectionState] = field(default_factory=dict)

    def build(self, only: Callable[[str, str], bool] = lambda _name, _stage: True) -> "World":
        """Build what is stale; the digest of what comes out follows from what went in."""
        for entry in projections_of(self.recipe):
            for stage in entry.stages:
                if only(entry.name, stage.name):
                    self.put(entry.name, stage.name)
        return self

    def projection(self, name: str) -> ProjectionStages:
        """Return a projection, or `base`."""
        return next(entry for entry in projections_of(self.recipe) if entry.name == name)

    def put(self, name: str, stage: str, digest: str | None = None) -> None:
        """Build one stage; `digest` is what comes out."""
        manifest = dict(self.states.get(name, ProjectionState()).manifest)
        inputs = stage_inputs(self.projection(name).stage(stage), self.sources, self.model, manifest)
        output = digest or sha256(f"{stage} {fingerprint(inputs)}".encode())
        manifest[stage] = StageRecord(fingerprint(inputs), inputs, output, {})
        self.states[name] = ProjectionState(manifest)

    def verdicts(self) -> list[StageVerdict]:
        return plan(self.recipe, self.sources, self.model, self.states)

    def stale(self) -> Stale:
        return {
            f"{verdict.projection}/{verdict.stage}": reason_texts(verdict.reasons)
            for verdict in stale_stages(self.verdicts())
        }

    def change(self, name: str, **values: Any) -> None:
        """Change values of one projection, its own or its training's."""
        self.recipe = replace(
            self.recipe,
            projections=tuple(
                _changed(entry, values) if entry.name == name else entry for entry in self.recipe.projections
            ),
        )


def _changed(entry: ProjectionRecipe, values: Mapping[str, Any]) -> ProjectionRecipe:
    own = {key: value for key, value in values.items() if not hasattr(entry.training, key)}
    trained = {key: value for key, value in values.items() if hasattr(entry.training, key)}
    return replace(entry, training=replace(entry.training, **trained), **own)


def after_pairs(name: str, *reasons: str) -> Stale:
    return {
        f"{name}/pairs": list(reasons),
        f"{name}/embeddings": ["follows pairs"],
        f"{name}/weights": ["follows pairs, embeddings"],
        f"{name}/index": ["follows pairs, embeddings, weights"],
    }


def after_embeddings(name: str, *reasons: str) -> Stale:
    return {
        f"{name}/embeddings": list(reasons),
        f"{name}/weights": ["follows embeddings"],
        f"{name}/index": ["follows embeddings, weights"],
    }


def after_weights(name: str, *reasons: str) -> Stale:
    return {f"{name}/weights": list(reasons), f"{name}/index": ["follows weights"]}
