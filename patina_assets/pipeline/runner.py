"""Builds one stage at a time, unless it is fresh. Dagster and the CLI both stand on it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from patina_assets.learning.parts import blas_on_one_thread
from patina_assets.pipeline.corpus import (
    base_model_state,
    build_model,
    damage_reasons,
    state_of_files,
)
from patina_assets.pipeline.lock import compose_lock
from patina_assets.pipeline.progress import Progress, Report
from patina_assets.pipeline.reasons import FORCED, Reason, reasons_text
from patina_assets.pipeline.sharing.stage_cache import fetched, offer
from patina_assets.pipeline.stages.lineage import adopt, basis_on_disk, drift_on_disk, keep, lacks_lineage, with_lineage
from patina_assets.pipeline.stages.stage import CheckResult, Stage, Work
from patina_assets.pipeline.staleness import (
    BaseModelState,
    StageVerdict,
    built_from_others,
    fingerprint,
    renewed,
    stage_inputs,
    stage_verdict,
)
from patina_assets.pipeline.workspace import Workspace, look_at_sources, manifest_state
from patina_assets.search.base_model import base_files, corpus_model_paths
from patina_resources.embedding.side_by_side import BaseFiles
from patina_resources.errors import PatinaError
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.store.artifacts import MUTEX_WAIT_SECONDS, BuiltProjection, of_one_build, publish_stage, settle
from patina_resources.store.files import remove_leftovers, write_if_changed
from patina_resources.store.manifests import StageRecord, read_manifest
from patina_resources.store.mutex import exclusive, shared
from patina_resources.store.paths import ProjectionPaths

NO_FILES = BaseFiles(())


@dataclass(frozen=True)
class StageOutcome:
    """What became of one stage.

    Attributes:
        stage: The stage.
        built: It and the stages before it, all of one moment: its checks and its page are made from this.
        reused: Nothing had changed, nothing was built.
        reasons: Why it was built.
        seconds: How long that took.
        checked: The results of its checks, where it was published now: they were asked before that.
    """

    stage: Stage
    built: BuiltProjection
    reused: bool
    reasons: tuple[Reason, ...]
    seconds: float
    checked: tuple[CheckResult, ...] = ()

    @property
    def record(self) -> StageRecord:
        """Its manifest entry."""
        return self.built.stage(self.stage.name).record

    def checks(self) -> Sequence[CheckResult]:
        """Return the results of its checks; where it was not published now, what is on disk is checked.

        Raises:
            FailedCheckError: One failed that holds back what follows.
            PatinaError: A file of it, or of a stage before it, is missing or damaged.
        """
        return self.checked or of_one_build(self.built, self.stage.passed_checks)


@dataclass(frozen=True)
class ModelOutcome:
    """What became of the model; the fields mean what they mean in `StageOutcome`."""

    state: BaseModelState
    reused: bool
    reasons: tuple[Reason, ...]
    seconds: float


def run_model(workspace: Workspace, report: Report, *, full: bool = False, renew: bool = False) -> ModelOutcome:
    """Make sure that the model is ready: build the corpus model where it must be, verify any other.

    Args:
        workspace: The project.
        report: Told how far it is.
        full: Build it even if it is fresh.
        renew: Build it if it has not seen all that there is.

    Raises:
        PatinaError: The model is missing or damaged, or the eventlog has no text to build it from.
    """
    started = time.monotonic()
    workspace.project.refuse_irregular()  # the repository may have changed since it was opened
    state = _model(workspace, renew=renew)
    built_here = any(part.name == CORPUS_STATIC for part in workspace.spec.parts)
    if built_here and (state.reasons or full):
        with _building(workspace, corpus_model_paths(workspace.project), "building the model"):
            latest = _model(workspace, renew=renew)
            if latest.reasons or full:
                with blas_on_one_thread():
                    build_model(workspace.project, workspace.eventlog, report)
                reasons = latest.reasons or FORCED
                state = replace(_model(workspace, renew=False), reasons=())
                return ModelOutcome(state, False, reasons, time.monotonic() - started)
            state = latest
    return ModelOutcome(state, True, (), time.monotonic() - started)


def run_stage(
    workspace: Workspace,
    name: str,
    stage: str,
    report: Report,
    *,
    full: bool = False,
    renew: bool = False,
    writes_lock: bool = True,
) -> StageOutcome:
    """Build one stage of a projection (or of `base`) unless it is fresh; what is fresh or kept returns at once.

    Args:
        workspace: The project.
        name: The projection.
        stage: Its stage.
        report: Told how far it is.
        full: Build it even if it is fresh.
        renew: Train anew what was not trained from the start on exactly what there is.
        writes_lock: Write the lock after the last stage of a projection; else the caller does, at the end.

    Raises:
        FailedCheckError: A check failed that holds it back. What was built before stays.
        PatinaError: An input is missing or damaged, or the eventlog holds no signal. What was built before stays.
    """
    started = time.monotonic()
    workspace.project.refuse_irregular()
    projection = workspace.projection(name)
    chosen = projection.stage(stage)
    if chosen.embeds:
        _ensure_model(workspace, report)
    found, verdict = _decide(workspace, chosen, renew=renew)
    if verdict.status == "fresh" and not full and not lacks_lineage(chosen, found.manifest):
        return StageOutcome(chosen, found, True, verdict.reasons, time.monotonic() - started)
    with _building(workspace, found.paths, f"building {chosen.place}"):
        settle(found.paths)
        for folder in (workspace.project.data, workspace.project.corpus_model_folder(), found.paths.folder):
            remove_leftovers(folder)
        found, verdict = _decide(workspace, chosen, renew=renew)  # another process may have built it meanwhile
        if verdict.stays and not full:
            kept = _keep(chosen, found, verdict, report)
            return StageOutcome(chosen, kept, True, verdict.reasons, time.monotonic() - started)
        taken = None if full else fetched(workspace, chosen, found, report)
        if taken is None:
            with blas_on_one_thread():
                epochs = 0 if full else verdict.epochs
                built, checked = _build(workspace, chosen, found, report, epochs, clean=full or renew)
            offer(workspace, chosen, built, report)
        else:
            built, checked = taken
            report(Progress(chosen.place, 0, 0, "", "taken from the team's cache"))
        if writes_lock and chosen is projection.last:
            publish_lock(workspace)
    reasons = FORCED if verdict.stays else verdict.reasons
    return StageOutcome(chosen, built, False, reasons, time.monotonic() - started, tuple(checked))


@contextmanager
def _building(workspace: Workspace, paths: ProjectionPaths, doing: str) -> Iterator[None]:
    """Let nobody else build these files meanwhile; other projections may be built at once."""
    with (
        shared(workspace.project.mutex, MUTEX_WAIT_SECONDS, doing),
        exclusive(paths.mutex, MUTEX_WAIT_SECONDS, doing),
    ):
        yield


def _ensure_model(workspace: Workspace, report: Report) -> None:
    """Build the corpus model where there is none: one group of assets may be asked for without the model's own.

    Raises:
        PatinaError: The model is missing or damaged, and not built here.
    """
    try:
        base_files(workspace.project, workspace.home, workspace.spec)
    except PatinaError:
        run_model(workspace, report)


def publish_lock(workspace: Workspace) -> bool:
    """Write oxidize.lock from the manifests, unless it says the same already; return whether it was written."""
    lock = workspace.project.lock
    # Of several builders, the last one to write has seen what all of them published.
    with exclusive(lock.with_name(f"{lock.name}.mutex"), MUTEX_WAIT_SECONDS, "writing the lock"):
        remove_leftovers(workspace.project.data)
        manifests = {name: manifest_state(workspace.paths(name)).manifest for name in workspace.names()}
        return write_if_changed(lock, compose_lock(workspace.recipe, workspace.spec.name, manifests))


def _model(workspace: Workspace, *, renew: bool) -> BaseModelState:
    look = look_at_sources(workspace)
    state = base_model_state(workspace.project, workspace.home, workspace.spec, workspace.eventlog, look)
    return renewed(state) if renew else state


def _decide(workspace: Workspace, stage: Stage, *, renew: bool) -> tuple[BuiltProjection, StageVerdict]:
    """Return what is built of a projection, and whether a stage must be built. Only this stage's files are hashed."""
    paths = workspace.paths(stage.projection)
    state = manifest_state(paths)
    built = BuiltProjection(paths, state.manifest)
    record = state.manifest.get(stage.name)
    if record is None:
        return built, stage_verdict(stage, {}, state)
    sources = look_at_sources(workspace).digests if stage.sources else {}
    inputs = stage_inputs(stage, sources, _model_on_disk(workspace, _model_files(workspace, stage)), state.manifest)
    state = replace(state, damages={stage.name: damage_reasons(paths, record)}, drift=drift_on_disk(stage, built))
    return built, stage_verdict(stage, inputs, state, basis=basis_on_disk(stage, state.manifest), renew=renew)


def _keep(stage: Stage, before: BuiltProjection, verdict: StageVerdict, report: Report) -> BuiltProjection:
    """Note of a stage that stays what it was trained on. The caller holds the mutex."""
    if lacks_lineage(stage, before.manifest):
        return adopt(stage, before)
    if verdict.status == "fresh":
        return before
    report(Progress(stage.place, 0, 0, "", f"kept, {reasons_text(verdict.reasons)}"))
    return keep(stage, before)


def model_on_disk(workspace: Workspace) -> BaseModelState:
    """Return the model as it is on disk, without a digest where it is missing or damaged."""
    try:
        return _model_on_disk(workspace, base_files(workspace.project, workspace.home, workspace.spec))
    except PatinaError:
        return _model_on_disk(workspace, NO_FILES)


def _model_files(workspace: Workspace, stage: Stage) -> BaseFiles:
    """Return the base model's verified files for a stage that embeds, none for any other."""
    return base_files(workspace.project, workspace.home, workspace.spec) if stage.embeds else NO_FILES


def _model_on_disk(workspace: Workspace, files: BaseFiles) -> BaseModelState:
    """Return the model as it is on disk, whether or not it should be rebuilt; without files, without a digest."""
    if not files.parts:
        return BaseModelState(workspace.spec.name, None, workspace.model_settings)
    return state_of_files(workspace.spec, files)


def _build(
    workspace: Workspace, stage: Stage, before: BuiltProjection, report: Report, epochs: int, *, clean: bool
) -> tuple[BuiltProjection, list[CheckResult]]:
    """Compute a stage, or continue it by some epochs, and publish it if its checks pass. The caller holds the mutex."""
    if stage.upstream:
        read_manifest(before.paths.manifest)  # one that cannot be used is refused by its own sentence
    mixed = built_from_others(stage, before.manifest)
    if mixed is not None:
        place = f"{stage.projection}/{mixed}"
        raise PatinaError(f"{place} was built from other inputs than there are now: build {place} first")
    files = _model_files(workspace, stage)
    made = stage.build(
        Work(workspace.project, workspace.spec, files, workspace.eventlog, before, report, epochs, clean)
    )
    inputs = stage_inputs(stage, made.sources, _model_on_disk(workspace, files), before.manifest)
    previous = before.manifest.get(stage.name)
    facts = made.facts if previous is None else stage.facts_after(made.facts, previous)
    record = StageRecord(fingerprint(inputs), inputs, made.digest, {}, facts)
    record = with_lineage(stage, record, before, epochs)
    tried = before.replaced(stage.name, record, made.contents)
    checked = stage.passed_checks(tried)
    place_of = {role: before.paths.folder / f"{before.paths.name}.{role}" for role in made.contents}
    contents = {place_of[role]: data for role, data in made.contents.items()}
    digests = {place_of[role]: digest for role, digest in made.digests.items()}
    published = publish_stage(before.paths, stage.name, record, contents, digests)
    return tried.replaced(stage.name, published, made.contents), checked
