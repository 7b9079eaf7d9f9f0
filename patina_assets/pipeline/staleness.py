"""The one place that decides what is stale, and why. Pure: values in, verdicts out."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from patina_assets.pairs.hash_sample import Drift
from patina_assets.pipeline.reasons import Reason, ReasonKind
from patina_assets.pipeline.stages import projections_of
from patina_assets.pipeline.stages.embeddings import MODEL_INPUT, SETTINGS_INPUT
from patina_assets.pipeline.stages.refresh import decide_refresh
from patina_assets.pipeline.stages.stage import Stage, TrainedStage
from patina_assets.recipe.model import Recipe, Refresh
from patina_resources.embedding.side_by_side import joint_digest, joint_settings
from patina_resources.eventlog.looks.memory import SourceDigest
from patina_resources.models.references import JOINT
from patina_resources.store.manifests import EXTENDED, Manifest, StageInput, StageRecord

Status = Literal["fresh", "kept", "stale", "missing"]
MODEL = "model"
LOCK = "oxidize_lock"

Inputs = Mapping[str, StageInput]


@dataclass(frozen=True)
class StageVerdict:
    """Whether a stage of a projection must be built, and why.

    Attributes:
        projection: The projection.
        stage: Its stage.
        status: `kept` where its inputs changed so little that its files stay, and only that is still to be noted.
        reasons: Why; of what is fresh or kept, what it was trained on, where that is not exactly what there is.
        epochs: Where it is continued: by so many epochs.
    """

    projection: str
    stage: str
    status: Status
    reasons: tuple[Reason, ...] = ()
    epochs: int = 0

    @property
    def stays(self) -> bool:
        """Whether the files that there are stay."""
        return self.status in ("fresh", "kept")


@dataclass(frozen=True)
class BaseModelState:
    """The base model as it is on this machine.

    Attributes:
        name: The model's name.
        digest: Its digest, or None where it is not here.
        settings: Prefixes, pooling and token limit: what else decides a vector.
        reasons: Why it must be built first; empty where it is ready.
        drift: What it has not seen of what it would be built from now; empty where it has seen all.
        parts: The models that stand side by side in it; empty for a single model.
    """

    name: str
    digest: str | None
    settings: str
    reasons: tuple[Reason, ...] = ()
    drift: tuple[Reason, ...] = ()
    parts: tuple["BaseModelState", ...] = ()


def joint_state(parts: Sequence[BaseModelState]) -> BaseModelState:
    """Return the state of models side by side, in their order; reasons name the model. A single one stays as it is."""
    if len(parts) == 1:
        return parts[0]
    digests = [part.digest for part in parts if part.digest is not None]
    return BaseModelState(
        name=JOINT.join(part.name for part in parts),
        digest=joint_digest(digests) if len(digests) == len(parts) else None,
        settings=joint_settings({part.name: part.settings for part in parts}),
        reasons=tuple(replace(reason, model=part.name) for part in parts for reason in part.reasons),
        drift=tuple(replace(reason, model=part.name) for part in parts for reason in part.drift),
        parts=tuple(parts),
    )


def renewed(model: BaseModelState) -> BaseModelState:
    """Return the state of a model that is built anew if it has not seen all that there is."""
    return model if model.reasons else replace(model, reasons=model.drift)


@dataclass(frozen=True)
class ProjectionState:
    """What is on disk of one projection.

    Attributes:
        manifest: Its manifest; empty where there is none, a damaged one, or one of another installation.
        damages: Per stage, what is wrong with its files.
        unreadable: Why the manifest is not used; None where it is, or there is none.
        drift: How far what its weights were trained on is from what there is; None where that is not known yet.
    """

    manifest: Manifest = field(default_factory=dict)
    damages: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    unreadable: Reason | None = None
    drift: Drift | None = None


def recipe_inputs(stage: Stage) -> dict[str, StageInput]:
    """Return what the program and the recipe put into a stage: its version and the recipe's values."""
    values = {"stage version": stage.version, **stage.inputs()}
    return {name: StageInput(str(value)) for name, value in values.items()}


def stage_inputs(
    stage: Stage, sources: Mapping[str, SourceDigest], model: BaseModelState, manifest: Manifest
) -> dict[str, StageInput]:
    """Return all that goes into a stage now, and nothing more; what is not built yet has the value "".

    Args:
        stage: The stage.
        sources: Digests of at least the stage's sources.
        model: The base model.
        manifest: What is built of the projection.
    """
    inputs = recipe_inputs(stage)
    for source in stage.sources:
        inputs[source.name] = StageInput(sources[source.name].digest, sources[source.name].rows)
    if stage.embeds:
        digests = {part.name: part.digest or "" for part in model.parts}
        settings = {part.name: part.settings for part in model.parts}
        inputs[MODEL_INPUT] = StageInput(model.digest or "", parts=digests)
        inputs[SETTINGS_INPUT] = StageInput(model.settings, parts=settings)
    for upstream in stage.upstream:
        inputs[upstream.name] = StageInput(manifest[upstream.name].digest if upstream.name in manifest else "")
    return inputs


def fingerprint(inputs: Inputs) -> str:
    """Return the SHA-256 (hex) of all inputs' names and values."""
    document = json.dumps({name: entry.value for name, entry in inputs.items()}, sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()


def training_basis(stage: Stage, model: BaseModelState) -> str:
    """Return the SHA-256 (hex) of what must be the same for a trained stage to be kept or continued.

    Args:
        stage: The stage.
        model: The base model that its vectors come from.
    """
    values = {entry.name: recipe_inputs(entry) for entry in (*stage.upstream, stage)}
    document = [{name: {key: own.value for key, own in inputs.items()} for name, inputs in values.items()}]
    return hashlib.sha256(json.dumps([document, model.digest, model.settings], sort_keys=True).encode()).hexdigest()


def stage_verdict(
    stage: Stage,
    inputs: Inputs,
    state: ProjectionState,
    following: Sequence[str] = (),
    *,
    basis: str = "",
    renew: bool = False,
) -> StageVerdict:
    """Return whether one stage must be built.

    Args:
        stage: The stage.
        inputs: What goes into it now.
        state: What is on disk of its projection.
        following: Names of what will be built before it and goes into it: stages, or the model.
        basis: Of a trained stage, its `training_basis` now.
        renew: Train anew what was not trained from the start on exactly what there is.
    """
    record = state.manifest.get(stage.name)
    if record is None:
        reason = state.unreadable or Reason(ReasonKind.NEVER_BUILT)
        status: Status = "stale" if reason.kind is ReasonKind.BUILT_ELSEWHERE else "missing"
        return StageVerdict(stage.projection, stage.name, status, (reason,))
    reasons = list(state.damages.get(stage.name, ()))
    if following:
        # Its own changes, beside those of what it follows, which are not known before that is built.
        others = {*(entry.name for entry in stage.upstream), *following}
        own = {name: entry for name, entry in inputs.items() if name not in others}
        reasons += differences({name: entry for name, entry in record.inputs.items() if name in own}, own)
        reasons += [Reason(ReasonKind.FOLLOWS, name) for name in following]
    elif record.fingerprint != fingerprint(inputs):
        reasons += differences(record.inputs, inputs) or [Reason(ReasonKind.FINGERPRINT)]
    if isinstance(stage, TrainedStage) and not state.damages.get(stage.name):
        changed = StageVerdict(stage.projection, stage.name, "stale" if reasons else "fresh", tuple(reasons))
        return _trained_verdict(changed, stage.refresh, record, state.drift, basis, renew=renew)
    if renew and not reasons and not record.is_clean:
        reasons.append(Reason(ReasonKind.EXTENDED, str(record.facts[EXTENDED])))
    return StageVerdict(stage.projection, stage.name, "stale" if reasons else "fresh", tuple(reasons))


def _trained_verdict(
    verdict: StageVerdict, policy: Refresh, record: StageRecord, drift: Drift | None, basis: str, *, renew: bool
) -> StageVerdict:
    """Return whether a trained stage is kept, continued or trained anew.

    Args:
        verdict: What its inputs say.
        policy: The recipe's limits.
        record: Its manifest entry, which says what it was trained on.
        drift: How far that is from what there is; None where that is not known yet.
        basis: Its `training_basis` now.
        renew: As in `stage_verdict`.
    """
    lineage, changed = record.lineage, verdict.status == "stale"
    if lineage is None or (record.is_clean and not changed):
        return verdict
    if not changed:
        share, known = lineage.drift, lineage.known
    elif policy.always or lineage.basis != basis or drift is None:
        return verdict
    else:
        share, known = drift.share, drift.known
    if renew:
        reason = Reason(ReasonKind.DRIFTED, str(lineage.continued), after=known)
        return replace(verdict, status="stale", reasons=(reason,))
    decision = decide_refresh(policy, lineage, share, known, has_learned=bool(record.facts.get("best_epoch")))
    if decision.kept:
        return replace(verdict, status="kept" if changed else "fresh", reasons=(decision.reason,))
    return replace(verdict, status="stale", reasons=(decision.reason,), epochs=decision.epochs)


def plan(
    recipe: Recipe,
    sources: Mapping[str, SourceDigest],
    model: BaseModelState,
    states: Mapping[str, ProjectionState],
    *,
    renew: bool = False,
) -> list[StageVerdict]:
    """Return a verdict for the model, for each stage of each projection, and for `base`.

    A stage is stale where one of its inputs changed, where one of its files is damaged, or where a stage before it
    is stale; whether that one really comes out different is known only when it has been built. Trained weights are kept
    or continued where the recipe's policy says so, as soon as their drift is known.

    Args:
        recipe: The recipe.
        sources: Digests of all its sources.
        model: Its base model.
        states: What is on disk, by projection name and for `base`.
        renew: Build anew what was not made from exactly what there is: the model, and weights.
    """
    if renew:
        model = renewed(model)
    known_model = replace(model, digest=None) if model.reasons else model
    verdicts = [_model_verdict(model)]
    for projection in projections_of(recipe):
        state = states.get(projection.name, ProjectionState())
        rebuilt: list[str] = [MODEL] if model.reasons else []
        for stage in projection.stages:
            before = {entry.name for entry in stage.upstream} | ({MODEL} if stage.embeds else set())
            inputs = stage_inputs(stage, sources, model, state.manifest)
            following = [name for name in rebuilt if name in before]
            basis = training_basis(stage, known_model)
            verdict = stage_verdict(stage, inputs, state, following, basis=basis, renew=renew)
            verdicts.append(verdict)
            if not verdict.stays:
                rebuilt.append(stage.name)
    return verdicts


def _model_verdict(model: BaseModelState) -> StageVerdict:
    status: Status = "stale" if model.reasons else "fresh"
    if model.digest is None and not any(reason.kind is ReasonKind.BUILT_ELSEWHERE for reason in model.reasons):
        status = "missing"
    return StageVerdict(MODEL, model.name, status, model.reasons or model.drift)


def built_from_others(stage: Stage, manifest: Manifest) -> str | None:
    """Return an upstream stage whose own upstream has since been rebuilt otherwise, or None.

    Building `stage` on it would mix two builds: vectors of old items with the contexts of new ones.
    """
    for upstream in stage.upstream:
        for origin in upstream.upstream if upstream.name in manifest else ():
            used = manifest[upstream.name].inputs.get(origin.name)
            if origin.name in manifest and (used is None or used.value != manifest[origin.name].digest):
                return upstream.name
    return None


def differences(old: Inputs, new: Inputs) -> list[Reason]:
    """Return what differs between two sets of inputs."""
    reasons = []
    for name in [*new, *(name for name in old if name not in new)]:
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            reasons.append(Reason(ReasonKind.REMOVED if after is None else ReasonKind.ADDED, name))
        elif before.value != after.value:
            reasons += _part_differences(name, before, after) or [_difference(name, before, after)]
    return reasons


def stale_stages(verdicts: Iterable[StageVerdict]) -> list[StageVerdict]:
    """Return the verdicts that ask for work."""
    return [verdict for verdict in verdicts if verdict.status != "fresh"]


def _difference(name: str, before: StageInput, after: StageInput) -> Reason:
    if before.rows is not None and after.rows is not None:
        return Reason(ReasonKind.ROWS, name, before.rows, after.rows)
    return Reason(ReasonKind.CHANGED, name, before.value, after.value)


def _part_differences(name: str, before: StageInput, after: StageInput) -> list[Reason]:
    """Return what differs between models side by side, each by its name; nothing where they are not the same models."""
    if before.parts.keys() != after.parts.keys():
        return []
    old, new = (
        {f"{name} {part}": StageInput(value) for part, value in entry.parts.items()} for entry in (before, after)
    )
    return differences(old, new)
