"""Builds one stage at a time, unless it is fresh. Dagster and the CLI both stand on it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from patina_assets.learning.parts import blas_on_one_thread
from patina_assets.pairs.relations import unique_texts
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.build import (
    Built,
    build_embeddings,
    build_items,
    build_pairs,
    build_search_index,
    build_weights,
)
from patina_assets.pipeline.corpus import build_model, model_state, state_on_disk
from patina_assets.pipeline.formats import decode_embeddings, decode_items, decode_relations
from patina_assets.pipeline.lock import compose_lock
from patina_assets.pipeline.progress import Pace
from patina_assets.pipeline.staleness import (
    BASE,
    ModelState,
    StageVerdict,
    built_from_others,
    fingerprint,
    pair_types_of,
    stage_inputs,
    stage_verdict,
)
from patina_assets.pipeline.workspace import Workspace, look_at_sources, manifest_state, projection_state
from patina_assets.search.base_model import base_files, embed_texts
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import SourceDigest
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.store.artifacts import MUTEX_WAIT_SECONDS, damages, publish_stage, read_outputs, settle
from patina_resources.store.files import exclusive, remove_leftovers, write_if_changed
from patina_resources.store.manifests import Manifest, StageInput, StageRecord, read_manifest
from patina_resources.store.paths import ProjectionPaths

Report = Callable[[str], None]


@dataclass(frozen=True)
class StageOutcome:
    """What became of one stage.

    Attributes:
        record: Its manifest entry.
        reused: Nothing had changed, nothing was built.
        reasons: Why it was built.
        seconds: How long that took.
    """

    record: StageRecord
    reused: bool
    reasons: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class ModelOutcome:
    """What became of the model; the fields mean what they mean in `StageOutcome`."""

    state: ModelState
    reused: bool
    reasons: tuple[str, ...]
    seconds: float


def run_model(workspace: Workspace, report: Report, *, full: bool = False) -> ModelOutcome:
    """Make sure that the model is ready: build the corpus model where it must be, verify any other.

    Raises:
        PatinaError: The model is missing or damaged, or the eventlog has no text to build it from.
    """
    started = time.monotonic()
    workspace.project.refuse_irregular()  # the repository may have changed since it was opened
    state = _model(workspace)
    built_here = any(part.name == CORPUS_STATIC for part in workspace.spec.parts)
    if built_here and (state.reasons or full):
        with exclusive(workspace.project.mutex, MUTEX_WAIT_SECONDS, "building the model"):
            latest = _model(workspace)
            if latest.reasons or full:
                with blas_on_one_thread():
                    build_model(workspace.project, workspace.eventlog, report)
                reasons = latest.reasons or ("--full",)
                state = replace(_model(workspace), reasons=())
                return ModelOutcome(state, False, reasons, time.monotonic() - started)
            state = latest
    return ModelOutcome(state, True, (), time.monotonic() - started)


def run_stage(workspace: Workspace, name: str, stage: str, report: Report, *, full: bool = False) -> StageOutcome:
    """Build one stage of a projection (or of `base`) unless it is fresh; what is fresh returns at once.

    Args:
        workspace: The project.
        name: The projection.
        stage: Its stage.
        report: Called with lines of progress.
        full: Build it even if it is fresh.

    Raises:
        PatinaError: An input is missing or damaged, or the eventlog holds no signal. What was built before stays.
    """
    started = time.monotonic()
    workspace.project.refuse_irregular()
    record, verdict = _decide(workspace, name, stage)
    if record is not None and verdict.status == "fresh" and not full:
        return StageOutcome(record, reused=True, reasons=(), seconds=time.monotonic() - started)
    with exclusive(workspace.project.mutex, MUTEX_WAIT_SECONDS, f"building {name}/{stage}"):
        settle(workspace.paths(name))
        remove_leftovers(workspace.project.data)
        record, verdict = _decide(workspace, name, stage)  # another process may have built it meanwhile
        if record is not None and verdict.status == "fresh" and not full:
            return StageOutcome(record, reused=True, reasons=(), seconds=time.monotonic() - started)
        with blas_on_one_thread():
            record = _build(workspace, name, stage, report)
        if stage == "index":
            publish_lock(workspace)
    return StageOutcome(record, False, verdict.reasons or ("--full",), time.monotonic() - started)


def publish_lock(workspace: Workspace) -> bool:
    """Write oxidize.lock from the manifests, unless it says the same already; return whether it was written."""
    manifests = {name: projection_state(workspace.paths(name)).manifest for name in workspace.names()}
    return write_if_changed(workspace.project.lock, compose_lock(workspace.recipe, workspace.spec.name, manifests))


def _model(workspace: Workspace) -> ModelState:
    look = look_at_sources(workspace)
    return model_state(workspace.project, workspace.home, workspace.spec, workspace.eventlog, look)


def _decide(workspace: Workspace, name: str, stage: str) -> tuple[StageRecord | None, StageVerdict]:
    """Return what is built of a stage, and whether it must be built again. Only this stage's files are hashed."""
    paths = workspace.paths(name)
    state = manifest_state(paths)
    record = state.manifest.get(stage)
    if record is None:
        return None, stage_verdict(name, stage, {}, state)
    sources = look_at_sources(workspace).digests if stage in {"pairs", "items"} else {}
    inputs = _inputs(workspace, name, stage, sources, state.manifest)
    return record, stage_verdict(name, stage, inputs, replace(state, damages={stage: damages(paths, record)}))


def _inputs(
    workspace: Workspace, name: str, stage: str, sources: Mapping[str, SourceDigest], manifest: Manifest
) -> dict[str, StageInput]:
    """Return a stage's inputs; the model counts as it is on disk, whether or not it should be rebuilt."""
    model = ModelState(workspace.spec.name, None, workspace.model_settings)
    if stage == "embeddings":
        model = state_on_disk(workspace.project, workspace.home, workspace.spec)
    return stage_inputs(workspace.recipe, workspace.projection(name), stage, sources, model, manifest)


def _build(workspace: Workspace, name: str, stage: str, report: Report) -> StageRecord:
    """Compute a stage and publish it. The caller holds the mutex."""
    paths = workspace.paths(name)
    manifest = read_manifest(paths.manifest) if paths.manifest.is_file() and stage not in {"pairs", "items"} else {}
    mixed = built_from_others(name, manifest, stage)
    if mixed is not None:
        raise PatinaError(f"{name}/{mixed} was built from other inputs than there are now: build {name}/{mixed} first")
    sources: Mapping[str, SourceDigest] = {}
    if stage in {"pairs", "items"}:
        built, sources = _from_events(workspace, name)
    elif stage == "embeddings":
        built = _embed(workspace, paths, report)
    elif stage == "weights":
        built = _train(workspace, name, paths, report)
    else:
        built = _index(workspace, name, paths)
    inputs = _inputs(workspace, name, stage, sources, manifest)
    record = StageRecord(fingerprint(inputs), inputs, built.digest, {}, built.facts)
    contents = {paths.folder / f"{paths.name}.{role}": data for role, data in built.contents.items()}
    return publish_stage(paths, stage, record, contents)


def _from_events(workspace: Workspace, name: str) -> tuple[Built, Mapping[str, SourceDigest]]:
    projection = workspace.projection(name)
    pair_types = pair_types_of(workspace.recipe) if projection is None else [PAIR_TYPES[projection.training.pair_type]]
    sources = {source.name: source for pair_type in pair_types for source in pair_type.sources}
    read = workspace.eventlog.read(list(sources.values()))
    digests = {source: SourceDigest(rows.digest, len(rows.rows)) for source, rows in read.items()}
    rows = {source: entry.rows for source, entry in read.items()}
    built = build_items(pair_types, rows) if projection is None else build_pairs(projection, rows)
    return built, digests


def _embed(workspace: Workspace, paths: ProjectionPaths, report: Report) -> Built:
    _, (items,) = read_outputs(paths, _items_stage(paths), ("items.jsonl",))
    texts, _ = unique_texts(decode_items(items))
    several = len(workspace.spec.parts) > 1

    def progress(model: str) -> Pace:
        return Pace(report, f"{paths.name}/embeddings", f"new texts of {model}" if several else "new texts")

    files = base_files(workspace.project, workspace.home, workspace.spec)
    embedded = embed_texts(
        workspace.project,
        workspace.spec,
        files,
        texts,
        progress,
        lambda text: report(f"{paths.name}/embeddings: {text}"),
    )
    return build_embeddings(embedded.vectors, embedded.new, embedded.seconds)


def _train(workspace: Workspace, name: str, paths: ProjectionPaths, report: Report) -> Built:
    projection = workspace.projection(name)
    if projection is None:
        raise PatinaError(f"{name}: not a projection of {workspace.project.recipe}")
    _, (relations,) = read_outputs(paths, "pairs", ("relations.safetensors",))
    _, (embeddings,) = read_outputs(paths, "embeddings", ("embeddings.safetensors",))
    return build_weights(projection, decode_relations(relations), decode_embeddings(embeddings), report)


def _index(workspace: Workspace, name: str, paths: ProjectionPaths) -> Built:
    _, (items,) = read_outputs(paths, _items_stage(paths), ("items.jsonl",))
    record, (embeddings,) = read_outputs(paths, "embeddings", ("embeddings.safetensors",))
    weights = None if name == BASE else read_outputs(paths, "weights", ("safetensors",))[1][0]
    facts = {
        "model": workspace.spec.name,
        "model_digest": record.inputs["model"].value,
        "model_settings": record.inputs["model settings"].value,
    }
    return build_search_index(name, items, decode_embeddings(embeddings), weights, facts)


def _items_stage(paths: ProjectionPaths) -> str:
    return "items" if paths.name == BASE else "pairs"
