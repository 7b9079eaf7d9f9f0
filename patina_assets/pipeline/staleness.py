"""The one place that decides what is stale, and says why. Pure: values in, verdicts out."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from patina_assets.pairs.relations import PairType
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.recipe.model import ProjectionRecipe, Recipe
from patina_assets.search.index import IndexOptions
from patina_resources.embedding.side_by_side import joint_digest, joint_settings
from patina_resources.eventlog.reader import SourceDigest
from patina_resources.models.registry import JOINT
from patina_resources.store.manifests import Manifest, StageInput

Status = Literal["fresh", "stale", "missing"]
BASE = "base"
MODEL = "model"
LOCK = "oxidize_lock"
# The reason where another installation built what is there.
BUILT_ELSEWHERE = "built elsewhere"
# What a stage is built from, within its projection.
UPSTREAM: Mapping[str, tuple[str, ...]] = {
    "pairs": (),
    "embeddings": ("pairs",),
    "weights": ("pairs", "embeddings"),
    "index": ("pairs", "embeddings", "weights"),
}
BASE_UPSTREAM: Mapping[str, tuple[str, ...]] = {
    "items": (),
    "embeddings": ("items",),
    "index": ("items", "embeddings"),
}
# Raised when a stage gives something else for the same inputs.
STAGE_VERSIONS: Mapping[str, int] = {"pairs": 2, "items": 1, "embeddings": 1, "weights": 3, "index": 2}

Inputs = Mapping[str, StageInput]


@dataclass(frozen=True)
class StageVerdict:
    """Whether a stage of a projection must be built, and why."""

    projection: str
    stage: str
    status: Status
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelState:
    """The base model as it is on this machine.

    Attributes:
        name: The model's name.
        digest: Its digest, or None where it is not here.
        settings: Prefixes, pooling and token limit: what else decides a vector.
        reasons: Why it must be built first; empty where it is ready.
        parts: The models that stand side by side in it; empty for a single model.
    """

    name: str
    digest: str | None
    settings: str
    reasons: tuple[str, ...] = ()
    parts: tuple["ModelState", ...] = ()


def joint_state(parts: Sequence[ModelState]) -> ModelState:
    """Return the state of models side by side, in their order; reasons name the model. A single one stays as it is."""
    if len(parts) == 1:
        return parts[0]
    digests = [part.digest for part in parts if part.digest is not None]
    return ModelState(
        name=JOINT.join(part.name for part in parts),
        digest=joint_digest(digests) if len(digests) == len(parts) else None,
        settings=joint_settings({part.name: part.settings for part in parts}),
        reasons=tuple(f"{part.name}: {reason}" for part in parts for reason in part.reasons),
        parts=tuple(parts),
    )


@dataclass(frozen=True)
class ProjectionState:
    """What is on disk of one projection.

    Attributes:
        manifest: Its manifest; empty where there is none, a damaged one, or one of another installation.
        damages: Per stage, what is wrong with its files.
        manifest_damage: Why the manifest cannot be read, or None.
        built_elsewhere: Whether the manifest is of another installation.
    """

    manifest: Manifest = field(default_factory=dict)
    damages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    manifest_damage: str | None = None
    built_elsewhere: bool = False


def upstream_of(projection: str) -> Mapping[str, tuple[str, ...]]:
    """Return the stages of a projection (or of `base`) in the order of building, with the stages each is built from."""
    return BASE_UPSTREAM if projection == BASE else UPSTREAM


def pair_types_of(recipe: Recipe) -> list[PairType]:
    """Return the pair types that a recipe uses, each once, in the order of their names."""
    return [PAIR_TYPES[name] for name in sorted({entry.training.pair_type for entry in recipe.projections})]


def sources_of(recipe: Recipe, projection: ProjectionRecipe | None) -> list[str]:
    """Return the names of the sources that a projection (None: `base`) is made from."""
    types = pair_types_of(recipe) if projection is None else [PAIR_TYPES[projection.training.pair_type]]
    return sorted({source.name for pair_type in types for source in pair_type.sources})


def recipe_inputs(recipe: Recipe, projection: ProjectionRecipe | None, stage: str) -> dict[str, StageInput]:
    """Return what the program and the recipe put into a stage: its version and the recipe's values.

    Args:
        recipe: The whole recipe.
        projection: One of its projections, or None for `base`.
        stage: A stage of it.
    """
    values: dict[str, object] = {"stage version": STAGE_VERSIONS[stage]}
    if stage == "items":
        values["pair types"] = " ".join(f"{entry.name}@{entry.version}" for entry in pair_types_of(recipe))
    if stage == "index":
        values["index options"] = IndexOptions().text()
    if projection is not None:
        training = projection.training
        if stage == "pairs":
            pair_type = PAIR_TYPES[training.pair_type]
            values["pair type"] = f"{pair_type.name}@{pair_type.version}"
            values["pairs"] = training.pairs
            values["seed"] = training.seed
        if stage == "weights":
            values["hidden"] = projection.hidden
            values["output"] = projection.output
            values["epochs"] = training.epochs
            values["batch_size"] = training.batch_size
            values["learning_rate"] = training.learning_rate
            values["loss"] = training.loss
            values["seed"] = training.seed
            if PAIR_TYPES[training.pair_type].hard_negatives_with(training.loss):
                values["negatives"] = "nearest"
            if training.loss == "triplet":
                values["margin"] = training.margin
            else:
                values["temperature"] = training.temperature
    return {name: StageInput(str(value)) for name, value in values.items()}


def stage_inputs(
    recipe: Recipe,
    projection: ProjectionRecipe | None,
    stage: str,
    sources: Mapping[str, SourceDigest],
    model: ModelState,
    manifest: Manifest,
) -> dict[str, StageInput]:
    """Return all that goes into a stage now, and nothing more; what is not built yet has the value "".

    Args:
        recipe: The whole recipe.
        projection: One of its projections, or None for `base`.
        stage: A stage of it.
        sources: Digests of at least the projection's sources.
        model: The base model.
        manifest: What is built of the projection.
    """
    inputs = recipe_inputs(recipe, projection, stage)
    before = upstream_of(projection.name if projection else BASE)[stage]
    if not before:
        for name in sources_of(recipe, projection):
            inputs[name] = StageInput(sources[name].digest, sources[name].rows)
    if stage == "embeddings":
        digests = {part.name: part.digest or "" for part in model.parts}
        settings = {part.name: part.settings for part in model.parts}
        inputs["model"] = StageInput(model.digest or "", parts=digests)
        inputs["model settings"] = StageInput(model.settings, parts=settings)
    for upstream in before:
        inputs[upstream] = StageInput(manifest[upstream].digest if upstream in manifest else "")
    return inputs


def fingerprint(inputs: Inputs) -> str:
    """Return the SHA-256 (hex) of all inputs' names and values."""
    document = json.dumps({name: entry.value for name, entry in inputs.items()}, sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()


def stage_verdict(
    projection: str, stage: str, inputs: Inputs, state: ProjectionState, following: Sequence[str] = ()
) -> StageVerdict:
    """Return whether one stage must be built.

    Args:
        projection: Name of the projection, or `base`.
        stage: One of its stages.
        inputs: What goes into it now.
        state: What is on disk.
        following: Names of upstream stages that will be built before.
    """
    record = state.manifest.get(stage)
    if record is None and state.built_elsewhere:
        return StageVerdict(projection, stage, "stale", (BUILT_ELSEWHERE,))
    if record is None:
        reason = state.manifest_damage or "never built"
        return StageVerdict(projection, stage, "missing", (reason,))
    reasons = list(state.damages.get(stage, ()))
    if following:
        # Its own changes, beside those of what it follows, which are not known before that is built.
        others = {*upstream_of(projection), *following}
        own = {name: entry for name, entry in inputs.items() if name not in others}
        reasons += differences({name: entry for name, entry in record.inputs.items() if name in own}, own)
        reasons.append(f"follows {', '.join(following)}")
    elif record.fingerprint != fingerprint(inputs):
        reasons += differences(record.inputs, inputs) or ["its fingerprint is not that of its inputs"]
    return StageVerdict(projection, stage, "stale" if reasons else "fresh", tuple(reasons))


def plan(
    recipe: Recipe,
    sources: Mapping[str, SourceDigest],
    model: ModelState,
    states: Mapping[str, ProjectionState],
) -> list[StageVerdict]:
    """Return a verdict for the model, for each stage of each projection, and for `base`.

    A stage is stale where one of its inputs changed, where one of its files is damaged, or where a stage before it
    is stale; whether that one really comes out different is known only when it has been built.

    Args:
        recipe: The recipe.
        sources: Digests of all its sources.
        model: Its base model.
        states: What is on disk, by projection name and for `base`.
    """
    status: Status = "fresh" if model.digest is not None and not model.reasons else "stale"
    if model.digest is None and BUILT_ELSEWHERE not in model.reasons:
        status = "missing"
    verdicts = [StageVerdict(MODEL, model.name, status, model.reasons)]
    for projection in (*recipe.projections, None):
        name = projection.name if projection else BASE
        state = states.get(name, ProjectionState())
        rebuilt: list[str] = [MODEL] if model.reasons else []
        for stage, before in upstream_of(name).items():
            inputs = stage_inputs(recipe, projection, stage, sources, model, state.manifest)
            following = [entry for entry in rebuilt if entry in before or (entry == MODEL and stage == "embeddings")]
            verdict = stage_verdict(name, stage, inputs, state, following)
            verdicts.append(verdict)
            if verdict.status != "fresh":
                rebuilt.append(stage)
    return verdicts


def built_from_others(projection: str, manifest: Manifest, stage: str) -> str | None:
    """Return an upstream stage whose own upstream has since been rebuilt otherwise, or None.

    Building `stage` on it would mix two builds: vectors of old items with the contexts of new ones.
    """
    before = upstream_of(projection)
    for upstream in before[stage]:
        for origin in before[upstream] if upstream in manifest else ():
            used = manifest[upstream].inputs.get(origin)
            if origin in manifest and (used is None or used.value != manifest[origin].digest):
                return upstream
    return None


def differences(old: Inputs, new: Inputs) -> list[str]:
    """Return in words what differs between two sets of inputs, such as `epochs 10 -> 20`."""
    words = []
    for name in [*new, *(name for name in old if name not in new)]:
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            words.append(f"{name} {'no longer used' if after is None else 'newly used'}")
        elif before.value != after.value:
            words += _part_differences(name, before, after) or [_difference(name, before, after)]
    return words


def stale_stages(verdicts: Iterable[StageVerdict]) -> list[StageVerdict]:
    """Return the verdicts that ask for work."""
    return [verdict for verdict in verdicts if verdict.status != "fresh"]


def _difference(name: str, before: StageInput, after: StageInput) -> str:
    if before.rows is not None and after.rows is not None:
        added = after.rows - before.rows
        if added > 0:
            return f"{name}: {added} new row{'s' if added > 1 else ''}"
        return f"{name}: {-added} row{'s' if added < -1 else ''} fewer" if added else f"{name}: rows changed"
    if _is_digest(before.value) or _is_digest(after.value):
        return f"{name} changed"
    return f"{name} {before.value} -> {after.value}"


def _part_differences(name: str, before: StageInput, after: StageInput) -> list[str]:
    """Return what differs between models side by side, each by its name; nothing where they are not the same models."""
    if before.parts.keys() != after.parts.keys():
        return []
    old, new = (
        {f"{name} {part}": StageInput(value) for part, value in entry.parts.items()} for entry in (before, after)
    )
    return differences(old, new)


def _is_digest(value: str) -> bool:
    return value == "" or re.fullmatch(r"[0-9a-f]{64}", value) is not None
