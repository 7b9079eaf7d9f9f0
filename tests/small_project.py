"""A small project with its own eventlog and recipe, on which the real pipeline runs."""

import io
import sqlite3
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from eventlog_builder import append, build_eventlog, project_history

from patina_assets.cli import main
from patina_assets.pipeline.staleness import BASE, upstream_of
from patina_assets.pipeline.workspace import Workspace, open_workspace
from patina_resources.project.project import Project, find_project
from patina_resources.store.mothership import mothership

RECIPE = """version: 2
projections:
  semantic:
    layers: [32, 16]
    training: {source: sessions.observations, pair_type: same_session, epochs: 2, pairs: 400, batch_size: 64}
  temporal:
    layers: [32, 16]
    training: {source: git.co_changes, pair_type: co_changed, epochs: 2, pairs: 400, batch_size: 64}
  dependency:
    layers: [32, 16]
    training: {source: code.call_graph, pair_type: caller_callee, epochs: 2, pairs: 400, batch_size: 64}
"""


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str


def make_project(root: Path, recipe: str = RECIPE, events: list | None = None) -> Project:
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


def add_events(project: Project, events: list) -> None:
    """Append events, as a later materialize would."""
    append(project.eventlog(), events)


def delete_events(project: Project, pattern: str) -> None:
    """Take events of a type out of the eventlog."""
    with closing(sqlite3.connect(project.eventlog())) as connection, connection:
        connection.execute("DELETE FROM eventlog WHERE event_type LIKE ?", (pattern,))


def workspace_of(project: Project) -> Workspace:
    """Return the workspace, read anew."""
    return open_workspace(project)


def all_stages(workspace: Workspace) -> list[tuple[str, str]]:
    """Return (projection, stage) for every stage in the order of building."""
    return [(name, stage) for name in [*workspace.names()[:-1], BASE] for stage in upstream_of(name)]


def patina(*arguments: str) -> Ran:
    """Run a command of the CLI in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(list(arguments))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())
