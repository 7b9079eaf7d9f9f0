"""Small projects before and after a change, and what must hold of their artifacts."""

import json
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from commands import Commands, Ended
from eventlog_builder import TOPICS, Event, call, commit, function, note, project_history
from materialize_helpers import GitFolder
from small_project import add_events, make_project, small_recipe

from patina_assets.pipeline.workspace import open_workspace
from patina_assets.search.base_model import corpus_model_paths
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import damages
from patina_resources.store.manifests import Manifest, StageRecord, read_manifest
from patina_resources.store.paths import ProjectionPaths

QUESTION = "recipe validation of a field"
ONE_PROJECTION = small_recipe("temporal")
SOURCE = """def read_{word}(path):
    return check_{other}(path, {number})


def check_{word}(value, limit):
    return read_{word}(value) < limit
"""
NOTE = """# Session: First steps
**Started**: 2024-01-02T03:04:05Z

## Goals
- [ ] add a parser of tokens

**Key Decisions:**
- keep the grammar small
"""
# A stage as it is on disk: fingerprint, digest, and the digests of its files.
State = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Change:
    """A project before a change, the same with the change not built yet, and as an undisturbed build leaves it.

    Attributes:
        before: Built.
        changed: Every stage of it is stale.
        old: The artifacts of `before`.
        new: The artifacts after an undisturbed build.
        lock: The lock after an undisturbed build, without its time.
        operations: How many file operations that build did.
        seconds: How long it took.
    """

    before: Path
    changed: Path
    old: Mapping[str, State]
    new: Mapping[str, State]
    lock: str
    operations: int
    seconds: float


def make_change(folder: Path, commands: Commands, recipe: str) -> None:
    """Build a project, change everything that it is built from, and build a copy of it again, for `read_change`."""
    before, changed, after = (folder / name for name in ("before", "changed", "after"))
    make_project(before, recipe)
    succeed(commands, before, "oxidize")
    copy(before, changed)
    change_everything(find_project(changed))
    copy(changed, after)
    _build_undisturbed(commands, folder, "--full")
    old, new = states(before), states(after)
    assert old.keys() == new.keys()
    assert [name for name, state in old.items() if new[name] == state] == []


def make_drift(folder: Path, commands: Commands, kind: str) -> None:
    """Build a project, append commits by which its weights drift, and build a copy again, for `read_change`.

    Args:
        folder: Where the projects are made.
        commands: What runs `patina`.
        kind: `kept`, where its indexes are large enough to be extended, or `continued`.
    """
    before, changed, after = (folder / name for name in ("before", "changed", "after"))
    wide = [_of_the_parser(number, "wide") for number in range(240)] if kind == "kept" else []
    make_project(before, ONE_PROJECTION, [*project_history(), *wide])
    succeed(commands, before, "oxidize")
    copy(before, changed)
    add_events(find_project(changed), [_of_the_parser(700 + number, "file") for number in range(2 if wide else 24)])
    copy(changed, after)
    _build_undisturbed(commands, folder)


def _build_undisturbed(commands: Commands, folder: Path, *options: str) -> None:
    started = time.monotonic()
    built = commands.run(folder / "after", "oxidize", *options)
    assert built.code == 0, built
    figures = {"operations": built.operations, "seconds": time.monotonic() - started}
    (folder / "figures.json").write_text(json.dumps(figures))


def read_change(folder: Path) -> Change:
    """Return what was made in a folder."""
    before, changed, after = (folder / name for name in ("before", "changed", "after"))
    figures = json.loads((folder / "figures.json").read_text())
    return Change(before, changed, states(before), states(after), lock_text(after), **figures)


def _of_the_parser(number: int, name: str) -> Event:
    return commit(f"{number:040x}", f"src/parser/{name}_{number}.py", "src/parser/grammar.py", hour=number)


def make_repository(folder: Path) -> Path:
    """Return a new git repository of 40 commits over 20 files, with two session notes, a recipe and no eventlog."""
    made = GitFolder(folder)
    made.write(".gitignore", ".patina/data/\n")
    made.write("layer/sessions/20240102-030405.md", NOTE)
    rng = random.Random(5)
    for number in range(40):
        module = TOPICS[number % 4].split()
        for word in rng.sample(module[1:6], 2):
            made.write(f"src/{module[0]}/{word}.py", SOURCE.format(word=word, other=rng.choice(module), number=number))
        made.commit(f"Change {module[0]} {number}")
    (folder / ".patina").mkdir()
    (folder / ".patina" / "oxidize.yaml").write_text(ONE_PROJECTION)
    return folder


def change_repository(folder: Path, first: int, count: int) -> None:
    """Commit some more changes to a repository."""
    made = GitFolder.__new__(GitFolder)
    made.path, made._commits = folder, first
    for number in range(first, first + count):
        module = TOPICS[number % 4].split()
        for word in module[1:3]:
            made.write(f"src/{module[0]}/{word}.py", SOURCE.format(word=word, other=module[3], number=number))
        made.commit(f"Change {module[0]} {number}")


def change_everything(project: Project) -> None:
    """Append events of every kind, and edit the recipe, so that each stage of it comes out otherwise."""
    events = []
    for number in range(12):
        events.append(note(f"parser token later again number {number}", f"new-{number // 4}"))
        events.append(commit(f"{900 + number:040x}", "src/parser/token.py", f"src/new/{number}.py", hour=200 + number))
        events.append(function(f"src/new/{number}.py", f"begin_{number}", ["path"], "Result"))
        events.append(call(f"src/new/{number}.py", f"begin_{number}", f"begin_{(number + 1) % 12}"))
    add_events(project, events)
    text = project.recipe.read_text()
    project.recipe.write_text(text.replace("epochs: 2", "epochs: 3"))


def copy(source: Path, target: Path) -> Path:
    """Copy a project."""
    shutil.copytree(source, target)
    return target


def copy_eventlog(source: Path, target: Path) -> None:
    """Replace the eventlog of one project by that of another, with all that is still in its write-ahead log."""
    place = find_project(target).eventlog()
    for ending in ("", "-wal", "-shm"):
        place.with_name(f"{place.name}{ending}").unlink(missing_ok=True)
    with closing(sqlite3.connect(find_project(source).eventlog())) as original, closing(sqlite3.connect(place)) as made:
        original.backup(made)


def succeed(commands: Commands, folder: Path, *arguments: str) -> None:
    """Run a command that must succeed."""
    ended = commands.run(folder, *arguments)
    assert ended.code == 0, ended


def places(folder: Path) -> dict[str, ProjectionPaths]:
    """Return the files of the corpus model, of each projection and of base."""
    project = find_project(folder)
    workspace = open_workspace(project)
    return {"model": corpus_model_paths(project), **{name: workspace.paths(name) for name in workspace.names()}}


def states(folder: Path) -> dict[str, State]:
    """Return the state of every stage; each of its files must be what its manifest says."""
    found = {}
    for name, paths in places(folder).items():
        for stage, record in intact(paths).items():
            found[f"{name}/{stage}"] = _state(record)
    return found


def intact(paths: ProjectionPaths) -> Manifest:
    """Return a manifest, all of whose files must be there and intact."""
    manifest = read_manifest(paths.manifest)
    for record in manifest.values():
        assert damages(paths, record) == ()
    return manifest


def lock_text(folder: Path) -> str:
    """Return the lock without the time of the build."""
    lines = find_project(folder).lock.read_text().splitlines()
    assert sum(line.startswith("built_at: ") for line in lines) == 1
    return "\n".join(line for line in lines if not line.startswith("built_at: "))


def leftovers(folder: Path) -> list[str]:
    """Return the names of files that only a writer in the midst of its work needs."""
    data = find_project(folder).data
    found = [path for pattern in ("**/.tmp-*", "**/*.pending") for path in data.glob(pattern)]
    return sorted(path.relative_to(data).as_posix() for path in found)


def age_leftovers(folder: Path) -> None:
    """Let what was left be of yesterday: the temporary file of a process that may still write is not touched."""
    yesterday = time.time() - 86_400
    for leftover in find_project(folder).data.rglob(".tmp-*"):
        os.utime(leftover, (yesterday, yesterday))


def check_answer(ended: Ended) -> bool:
    """Assert that a question was answered, or one sentence says what to run; return whether it was answered."""
    if ended.code == 0:
        assert "  1. " in ended.out, ended
        return True
    assert ended.code == 2, ended
    assert len(ended.err.splitlines()) == 1, ended
    assert "run `patina oxidize" in ended.err, ended
    return False


def _state(record: StageRecord) -> State:
    outputs = tuple(sorted((output.file, output.sha256) for output in record.outputs.values()))
    return record.fingerprint, record.digest, outputs
