"""Looks at a project: what there is, and what of it is stale. Changes nothing but the memory of the last look."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from patina_assets.pairs.types import pair_types_by_source
from patina_assets.pipeline.corpus import corpus_sources, model_state
from patina_assets.pipeline.lock import compose_lock
from patina_assets.pipeline.staleness import (
    BASE,
    LOCK,
    ModelState,
    ProjectionState,
    StageVerdict,
    pair_types_of,
    plan,
)
from patina_assets.recipe.model import ProjectionRecipe, Recipe, check_input_dimensions
from patina_assets.recipe.reader import read_recipe
from patina_assets.search.base_model import base_model, base_settings
from patina_resources.embedding.side_by_side import BaseSpec
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog, Look
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import Project
from patina_resources.store.artifacts import damages
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

    def paths(self, name: str) -> ProjectionPaths:
        """Return the files of a projection, or of `base`."""
        if name == BASE:
            return self.project.base_paths(self.spec.name)
        return self.project.projection_paths(self.spec.name, name)

    def projection(self, name: str) -> ProjectionRecipe | None:
        """Return a projection of the recipe; None for `base`."""
        return next((entry for entry in self.recipe.projections if entry.name == name), None)

    def names(self) -> list[str]:
        """Return the names of all projections, and `base`."""
        return [*(entry.name for entry in self.recipe.projections), BASE]


@dataclass(frozen=True)
class Survey:
    """What a look at the whole project found."""

    look: Look
    model: ModelState
    verdicts: list[StageVerdict]


def open_workspace(project: Project) -> Workspace:
    """Return the workspace of a project.

    Raises:
        PatinaError: Git tracks what is derived, or the recipe cannot be read, names an unknown model, or disagrees
            with the model's dimensions.
    """
    refuse_tracked(project.root)
    recipe = read_recipe(project.recipe, pair_types_by_source())
    home = mothership()
    registry = load_registry(home, project)
    spec = base_model(recipe, project, registry)
    check_input_dimensions(recipe, spec.name, spec.dims)
    return Workspace(project, recipe, spec, Eventlog(project.eventlog()), home)


def survey(workspace: Workspace) -> Survey:
    """Look at the eventlog, the model and everything built, and say what is stale.

    Raises:
        PatinaError: The eventlog or the model cannot be read.
    """
    look = look_at_sources(workspace)
    model = model_state(workspace.project, workspace.home, workspace.spec, workspace.eventlog, look)
    states = {name: projection_state(workspace.paths(name)) for name in workspace.names()}
    verdicts = plan(workspace.recipe, look.digests, model, states)
    return Survey(look, model, [*verdicts, _lock_verdict(workspace, states, verdicts)])


def look_at_sources(workspace: Workspace) -> Look:
    """Return the digests of all sources, remembered from the last look where the eventlog has not changed."""
    used = [source for pair_type in pair_types_of(workspace.recipe) for source in pair_type.sources]
    everything = {source.name: source for source in [*used, *corpus_sources()]}
    memory = workspace.project.source_digests
    remembered = memory.read_bytes() if memory.is_file() else b""
    look = workspace.eventlog.look(list(everything.values()), remembered)
    with suppress(PatinaError):  # what cannot be remembered is looked at again
        write_if_changed(memory, look.document)
    return look


def projection_state(paths: ProjectionPaths) -> ProjectionState:
    """Return what is on disk of a projection, every file's digest checked."""
    state = manifest_state(paths)
    return replace(state, damages={stage: damages(paths, record) for stage, record in state.manifest.items()})


def manifest_state(paths: ProjectionPaths) -> ProjectionState:
    """Return what a projection's manifest says; its files are not looked at."""
    try:
        return ProjectionState(read_manifest(paths.manifest))
    except BuiltElsewhereError:
        return ProjectionState(built_elsewhere=True)
    except PatinaError:
        return ProjectionState(manifest_damage=f"{paths.manifest.name} is damaged")


def _lock_verdict(
    workspace: Workspace, states: Mapping[str, ProjectionState], verdicts: Sequence[StageVerdict]
) -> StageVerdict:
    path = workspace.project.lock
    if not path.is_file():
        return StageVerdict(LOCK, LOCK, "missing", ("never written",))
    if any(verdict.status != "fresh" for verdict in verdicts):
        return StageVerdict(LOCK, LOCK, "stale", ("follows what is rebuilt",))
    manifests = {name: state.manifest for name, state in states.items()}
    if path.read_bytes() != compose_lock(workspace.recipe, workspace.spec.name, manifests):
        return StageVerdict(LOCK, LOCK, "stale", ("says something else than the manifests",))
    return StageVerdict(LOCK, LOCK, "fresh")
