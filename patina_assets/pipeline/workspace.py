"""Looks at a project: what there is, and what of it is stale. Changes nothing but the memory of the last look."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from patina_assets.pairs.types import pair_types_by_source
from patina_assets.pipeline.corpus import base_model_state, corpus_sources, damage_reasons
from patina_assets.pipeline.lock import compose_lock
from patina_assets.pipeline.reasons import Reason, ReasonKind
from patina_assets.pipeline.stages import ProjectionStages, projections_of
from patina_assets.pipeline.stages.lineage import NO_MODEL, drift_on_disk
from patina_assets.pipeline.stages.pairs import PairsStage
from patina_assets.pipeline.stages.stage import TrainedStage
from patina_assets.pipeline.staleness import (
    LOCK,
    BaseModelState,
    ProjectionState,
    StageVerdict,
    plan,
    stage_inputs,
    stage_verdict,
)
from patina_assets.recipe.model import Recipe, check_input_dimensions
from patina_assets.recipe.reader import read_recipe
from patina_assets.search.base_model import base_model, base_settings
from patina_assets.search.built import BASE
from patina_resources.embedding.side_by_side import BaseSpec
from patina_resources.errors import PatinaError
from patina_resources.eventlog.looks.memory import Look
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import Project
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.files import write_if_changed
from patina_resources.store.manifests import BuiltElsewhereError, read_manifest
from patina_resources.store.mothership import Mothership, mothership
from patina_resources.store.paths import ProjectionPaths


@dataclass(frozen=True)
class Workspace:
    """All that a build needs from outside, read once.

    Attributes:
        project: The project.
        recipe: Its recipe.
        spec: The base model's description: one model, or several side by side.
        eventlog: Its eventlog.
        home: The user's mothership.
    """

    project: Project
    recipe: Recipe
    spec: BaseSpec
    eventlog: Eventlog
    home: Mothership

    @property
    def model_settings(self) -> str:
        """What beside the model's bytes decides a vector."""
        return base_settings(self.spec)

    @cached_property
    def projections(self) -> tuple[ProjectionStages, ...]:
        """The recipe's projections in its order, and behind them `base`."""
        return projections_of(self.recipe)

    def projection(self, name: str) -> ProjectionStages:
        """Return a projection of the recipe, or `base`.

        Raises:
            PatinaError: There is none of this name.
        """
        found = next((entry for entry in self.projections if entry.name == name), None)
        if found is None:
            raise PatinaError(f"{name}: not a projection of {self.project.recipe}")
        return found

    def paths(self, name: str) -> ProjectionPaths:
        """Return the files of a projection, or of `base`."""
        if name == BASE:
            return self.project.base_paths(self.spec.name)
        return self.project.projection_paths(self.spec.name, name)

    def names(self) -> list[str]:
        """Return the names of all projections, and `base`."""
        return [entry.name for entry in self.projections]


@dataclass(frozen=True)
class Survey:
    """What a look at the whole project found."""

    look: Look
    model: BaseModelState
    verdicts: list[StageVerdict]


def open_workspace(project: Project, recipe_file: Path | None = None) -> Workspace:
    """Return the workspace of a project.

    Args:
        project: The project.
        recipe_file: Its recipe; None for the one that is there.

    Raises:
        PatinaError: Git tracks what is derived, or the recipe cannot be read, names an unknown model, or disagrees
            with the model's dimensions.
    """
    refuse_tracked(project.root)
    recipe = read_recipe(recipe_file or project.recipe, pair_types_by_source())
    home = mothership()
    registry = load_registry(home, project)
    spec = base_model(recipe, project, registry)
    check_input_dimensions(recipe, spec.name, spec.dims)
    return Workspace(project, recipe, spec, Eventlog(project.eventlog()), home)


def survey(workspace: Workspace, *, ahead: bool = False, renew: bool = False, anew: bool = False) -> Survey:
    """Look at the eventlog, the model and everything built, and say what is stale.

    Args:
        workspace: The project.
        ahead: Where pairs are stale, count the drift that they will show: it takes about as long as deriving them.
        renew: Plan to build anew what was not made from exactly what there is.
        anew: Believe nothing that is remembered of the eventlog.

    Raises:
        PatinaError: The eventlog or the model cannot be read.
    """
    look = look_at_sources(workspace, anew=anew or renew, may_presume=True)
    model = base_model_state(workspace.project, workspace.home, workspace.spec, workspace.eventlog, look)
    states = {name: projection_state(workspace.paths(name)) for name in workspace.names()}
    for entry in workspace.projections:
        states[entry.name] = _with_drift(workspace, entry, states[entry.name], look, ahead=ahead)
    verdicts = plan(workspace.recipe, look.digests, model, states, renew=renew)
    return Survey(look, model, [*verdicts, lock_verdict(workspace, states, verdicts)])


def look_at_sources(workspace: Workspace, *, anew: bool = False, may_presume: bool = False) -> Look:
    """Return the digests of all sources, remembered from the last look as far as the eventlog has not changed.

    Args:
        workspace: The project.
        anew: Believe nothing that is remembered.
        may_presume: Do not read much only to know whether rows that may have changed did: see `Eventlog.look`.
    """
    used = [source for projection in workspace.projections for source in projection.sources]
    everything = {source.name: source for source in [*used, *corpus_sources()]}
    memory = workspace.project.source_digests
    remembered = memory.read_bytes() if memory.is_file() and not anew else b""
    look = workspace.eventlog.look(list(everything.values()), remembered, may_presume=may_presume)
    with suppress(PatinaError):  # what cannot be remembered is looked at again
        write_if_changed(memory, look.document)
    return look


def projection_state(paths: ProjectionPaths) -> ProjectionState:
    """Return what is on disk of a projection, every file's digest checked."""
    state = manifest_state(paths)
    return replace(state, damages={stage: damage_reasons(paths, record) for stage, record in state.manifest.items()})


def manifest_state(paths: ProjectionPaths) -> ProjectionState:
    """Return what a projection's manifest says; its files are not looked at."""
    try:
        return ProjectionState(read_manifest(paths.manifest))
    except BuiltElsewhereError:
        return ProjectionState(unreadable=Reason(ReasonKind.BUILT_ELSEWHERE))
    except PatinaError:
        return ProjectionState(unreadable=Reason(ReasonKind.DAMAGED, paths.manifest.name))


def _with_drift(
    workspace: Workspace, projection: ProjectionStages, state: ProjectionState, look: Look, *, ahead: bool
) -> ProjectionState:
    """Return a state with the drift of its weights, where that can be known and decides something."""
    weights = next((stage for stage in projection.stages if isinstance(stage, TrainedStage)), None)
    record = state.manifest.get(weights.name) if weights is not None else None
    if weights is None or record is None or record.lineage is None:
        return state
    built, today = BuiltProjection(workspace.paths(projection.name), state.manifest), None
    pairs = next(stage for stage in projection.stages if isinstance(stage, PairsStage))
    inputs = stage_inputs(pairs, look.digests, NO_MODEL, state.manifest)
    if not stage_verdict(pairs, inputs, state).stays:
        if not ahead:
            return state
        today = pairs.known_now(workspace.eventlog)
    return replace(state, drift=drift_on_disk(weights, built, today))


def lock_verdict(
    workspace: Workspace, states: Mapping[str, ProjectionState], verdicts: Iterable[StageVerdict]
) -> StageVerdict:
    """Return whether the lock is to be written.

    Args:
        workspace: The project.
        states: What is on disk of every projection.
        verdicts: Of the stages that will be built, as far as they are not fresh.
    """
    path = workspace.project.lock
    if not path.is_file():
        return StageVerdict(LOCK, LOCK, "missing", (Reason(ReasonKind.NEVER_WRITTEN),))
    if any(verdict.status != "fresh" for verdict in verdicts):
        return StageVerdict(LOCK, LOCK, "stale", (Reason(ReasonKind.FOLLOWS, "what is rebuilt"),))
    manifests = {name: state.manifest for name, state in states.items()}
    if path.read_bytes() != compose_lock(workspace.recipe, workspace.spec.name, manifests):
        return StageVerdict(LOCK, LOCK, "stale", (Reason(ReasonKind.OTHER_PROVENANCE),))
    return StageVerdict(LOCK, LOCK, "fresh")
