"""What trained weights were trained on: compared with what there is, and noted in their manifest entry."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeGuard

from patina_assets.pairs.entities import EntityRelations
from patina_assets.pairs.hash_sample import Drift
from patina_assets.pipeline.stages.embeddings import MODEL_INPUT, SETTINGS_INPUT
from patina_assets.pipeline.stages.stage import Stage, TrainedStage
from patina_assets.pipeline.stages.weights_page import DRIFTS, MOST_TOLD
from patina_assets.pipeline.staleness import BaseModelState, fingerprint, stage_inputs, training_basis
from patina_resources.errors import PatinaError
from patina_resources.store.artifacts import BuiltProjection, publish_record, publish_stage
from patina_resources.store.files import sha256
from patina_resources.store.lineage import Lineage
from patina_resources.store.manifests import Manifest, StageRecord

# What is trained reads no source and does not embed: neither decides its inputs.
NO_MODEL = BaseModelState("", None, "")


def drift_on_disk(stage: Stage, built: BuiltProjection, today: EntityRelations | None = None) -> Drift | None:
    """Return how far what a stage was trained on is from what there is; None where nobody knows, or it trains nothing.

    Args:
        stage: The stage.
        built: The projection.
        today: What there is; None for what is on disk.
    """
    if isinstance(stage, TrainedStage):
        with suppress(PatinaError):  # not built, damaged, or of an older version
            return stage.drift(built, today)
    return None


def basis_on_disk(stage: Stage, manifest: Manifest) -> str:
    """Return the `training_basis` of a stage, with the model that the vectors on disk were made by."""
    records = [manifest[entry.name] for entry in stage.upstream if entry.embeds and entry.name in manifest]
    inputs = records[0].inputs if records else {}
    digest, settings = (inputs[name].value if name in inputs else "" for name in (MODEL_INPUT, SETTINGS_INPUT))
    return training_basis(stage, BaseModelState("", digest, settings))


def with_lineage(stage: Stage, record: StageRecord, before: BuiltProjection, epochs: int) -> StageRecord:
    """Return the manifest entry of what was just built, with what it was trained on.

    Args:
        stage: The stage; one that trains nothing has no lineage.
        record: The entry.
        before: The projection before.
        epochs: By how many epochs it was continued; 0 where it was trained from the start.
    """
    if not isinstance(stage, TrainedStage):
        return record
    used = record.fingerprint
    lineage = Lineage(basis_on_disk(stage, before.manifest), used, used)
    previous = before.manifest.get(stage.name)
    drift = None if previous is None else drift_on_disk(stage, before)
    last = previous.lineage if previous is not None and epochs else None
    if last is not None:
        lineage = replace(
            lineage,
            began_with=last.began_with,
            continued=last.continued + 1,
            drift_before=last.drift_before + (drift.share if drift else 0.0),
        )
    drifts = _drifts(previous, drift, trained=True)
    return replace(record, lineage=lineage, facts={**record.facts, "drift": 0.0, DRIFTS: drifts})


def _drifts(previous: StageRecord | None, found: Drift | None, *, trained: bool) -> Sequence[dict[str, Any]]:
    """Return what the builds before found, and this one; drift that nobody can tell counts as none."""
    earlier = [] if previous is None else previous.facts.get(DRIFTS, [])
    own = {"drift": round(found.share, 4) if found is not None else 0.0, "trained": int(trained)}
    return [*earlier, own][-MOST_TOLD:]


def keep(stage: Stage, before: BuiltProjection) -> BuiltProjection:
    """Note that a trained stage stays as it is with the inputs that there are now. The caller holds the mutex.

    Raises:
        PatinaError: Something cannot be read or written.
    """
    record, drift = before.manifest[stage.name], drift_on_disk(stage, before)
    if record.lineage is None or drift is None:
        return before
    inputs = stage_inputs(stage, {}, NO_MODEL, before.manifest)
    kept = replace(
        record,
        fingerprint=fingerprint(inputs),
        inputs=inputs,
        lineage=replace(record.lineage, drift=drift.share, known=drift.known),
        facts={**record.facts, "drift": round(drift.share, 4), DRIFTS: _drifts(record, drift, trained=False)},
    )
    return before.replaced(stage.name, publish_record(before.paths, stage.name, kept), {})


def lacks_lineage(stage: Stage, manifest: Manifest) -> TypeGuard[TrainedStage]:
    """Return whether an older version trained a stage, and did not note on what: on exactly its inputs."""
    record = manifest.get(stage.name)
    return isinstance(stage, TrainedStage) and record is not None and record.lineage is None


def adopt(stage: TrainedStage, before: BuiltProjection) -> BuiltProjection:
    """Note what an older version trained a fresh stage on, if that can be told. The caller holds the mutex.

    Raises:
        PatinaError: Something cannot be written.
    """
    record, own = before.manifest[stage.name], before.stage(stage.name)
    try:
        contents = {role: own.read(role) for role in record.outputs} | stage.trained_on(before)
    except PatinaError:  # the stages before it are of the older version, too
        return before
    place_of = {role: before.paths.folder / f"{before.paths.name}.{role}" for role in contents}
    adopted = with_lineage(stage, record, before, epochs=0)
    published = publish_stage(
        before.paths,
        stage.name,
        adopted,
        {place_of[role]: data for role, data in contents.items()},
        {place_of[role]: sha256(data) for role, data in contents.items()},
    )
    return before.replaced(stage.name, published, contents)
