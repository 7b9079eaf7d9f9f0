"""Projects to benchmark: an eventlog of some size, a recipe, and what is built of them."""

import shutil
import sys
from pathlib import Path

from eventlogs import original, scaled
from measure import Setting

from patina_resources.models.registry import CORPUS_STATIC

# All eight kinds of projection, with the layers and epochs of the issue that asked for them.
PROJECTIONS = {
    "semantic": ("sessions.observations", "same_session"),
    "temporal": ("git.co_changes", "co_changed"),
    "dependency": ("code.call_graph", "caller_callee"),
    "syntactic": ("code.functions", "ast_similar"),
    "architectural": ("code.functions", "same_module"),
    "social": ("git.authors", "same_author"),
    "state-encoder": ("git.transitions", "state_similarity"),
    "action-encoder": ("git.commits", "effect_similarity"),
}


def patina(*arguments: str) -> list[str]:
    """Return the command line of `patina`."""
    return [sys.executable, "-m", "patina_assets.cli", *arguments]


def make_project(
    setting: Setting, name: str, events: int, *, epochs: int, model: str = CORPUS_STATIC, linked: bool = False
) -> Path:
    """Return the folder of a new project with about `events` events and eight projections; the eventlog is made once.

    Args:
        setting: Where to put it.
        name: Of the folder.
        events: How many.
        epochs: Of every projection.
        model: The base model.
        linked: Do not copy the eventlog: nothing will be appended to it.
    """
    root = setting.scratch / "projects" / name
    shutil.rmtree(root, ignore_errors=True)
    (root / ".patina" / "data").mkdir(parents=True)
    lines = ["version: 2", f"embedding_model: {model}", "projections:"]
    for projection, (source, pair_type) in PROJECTIONS.items():
        training = f"{{source: {source}, pair_type: {pair_type}, epochs: {epochs}}}"
        lines.append(f"  {projection}: {{layers: [1024, 256], training: {training}}}")
    (root / ".patina" / "oxidize.yaml").write_text("\n".join(lines) + "\n")
    eventlog = root / ".patina" / "data" / "patina.db"
    if linked:
        eventlog.hardlink_to(eventlog_of(setting, events))
    else:
        shutil.copy(eventlog_of(setting, events), eventlog)
    return root


def eventlog_of(setting: Setting, events: int) -> Path:
    """Return an eventlog of about `events` events, made once."""
    path = setting.scratch / f"events-{events}.db"
    if not path.is_file():
        scaled(original(setting.scratch, setting.eventlogs)[0], path, events)
    return path


def folder_bytes(root: Path) -> int:
    """Return the size of all files below a folder but the eventlog."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and path.name != "patina.db")
