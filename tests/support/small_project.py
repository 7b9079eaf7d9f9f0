"""A small project with its own eventlog and recipe, on which the real pipeline runs."""

import io
import os
import sqlite3
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from eventlog_builder import Event, append, build_eventlog, project_history

from patina_assets.cli import main
from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.pipeline.workspace import Workspace, open_workspace
from patina_resources.project.project import Project, find_project
from patina_resources.store.files import write_atomic
from patina_resources.store.manifests import manifest_document, read_manifest
from patina_resources.store.mothership import mothership

LEARNS_FROM = {
    "semantic": ("sessions.observations", "same_session"),
    "temporal": ("git.co_changes", "co_changed"),
    "dependency": ("code.call_graph", "caller_callee"),
}


def small_recipe(*names: str, layers: str = "[32, 16]", epochs: int = 2, pairs: int = 400) -> str:
    """Return a recipe of some of these projections, each trained in a moment."""
    text = "version: 2\nprojections:\n"
    for name in names:
        source, pair_type = LEARNS_FROM[name]
        text += (
            f"  {name}:\n    layers: {layers}\n    training: {{source: {source}, pair_type: {pair_type}, "
            f"epochs: {epochs}, pairs: {pairs}, batch_size: 64}}\n"
        )
    return text


RECIPE = small_recipe(*LEARNS_FROM)


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str


def make_project(root: Path, recipe: str = RECIPE, events: list[Event] | None = None) -> Project:
    """Return a project with an eventlog of `events` (default: the synthetic history)."""
    (root / ".patina").mkdir(parents=True)
    (root / ".patina" / "oxidize.yaml").write_text(recipe)
    build_eventlog(root / ".patina" / "data" / "patina.db", project_history() if events is None else events)
    return find_project(root)


def make_project_with_models(root: Path, registry: str, recipe: str) -> Project:
    """Return such a project beside a mothership whose registry knows more models."""
    mothership().home.mkdir(parents=True, exist_ok=True)
    mothership().registry.write_text(registry)
    return make_project(root, recipe)


def edit_recipe(project: Project, old: str, new: str) -> None:
    """Replace the one occurrence of `old` in the recipe."""
    text = project.recipe.read_text()
    assert text.count(old) == 1, text
    project.recipe.write_text(text.replace(old, new))


def add_events(project: Project, events: list[Event]) -> None:
    """Append events, as a later materialize would."""
    append(project.eventlog(), events)


def delete_events(project: Project, pattern: str) -> None:
    """Take events of a type out of the eventlog."""
    with closing(sqlite3.connect(project.eventlog())) as connection, connection:
        connection.execute("DELETE FROM eventlog WHERE event_type LIKE ?", (pattern,))


def workspace_of(project: Project) -> Workspace:
    """Return the workspace, read anew."""
    return open_workspace(project)


def set_validation_gain(project: Project, low: float, high: float, *names: str) -> None:
    """Let the manifests of projections say that validation found a gain within an interval, over 50 queries."""
    for name in names:
        paths = workspace_of(project).paths(name)
        manifest = read_manifest(paths.manifest)
        facts = manifest["weights"].facts
        gain = {"validation_gain": (low + high) / 2, "validation_gain_low": low, "validation_gain_high": high}
        metrics = {**facts["metrics"], **gain, "validation_queries": 50}
        weights = replace(manifest["weights"], facts={**facts, "metrics": metrics})
        write_atomic(paths.manifest, manifest_document(paths.name, {**manifest, "weights": weights}))


def all_stages(workspace: Workspace) -> list[tuple[str, str]]:
    """Return (projection, stage) for every stage in the order of building."""
    return [(stage.projection, stage.name) for projection in workspace.projections for stage in projection.stages]


def build(project: Project, *only: str, full: bool = False) -> None:
    """Run the stages of some projections, or of all, without Dagster: that takes a third of the time.

    Args:
        project: It is found again, as a new command does.
        only: Names of projections; none for all.
        full: Build what is fresh, too.
    """
    workspace = workspace_of(find_project(project.root))
    run_model(workspace, lambda _: None, full=full)
    for name, stage in all_stages(workspace):
        if not only or name in only:
            run_stage(workspace, name, stage, lambda _: None, full=full)
    publish_lock(workspace)


def patina(*arguments: str) -> Ran:
    """Run a command of the CLI in this process; what it sets in the environment ends with it."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.dict(os.environ):
        try:
            code = main(list(arguments))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())
