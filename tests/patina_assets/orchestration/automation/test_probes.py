"""What a tick looks at, how long it waits after a failure, and what it starts from."""

import os
from pathlib import Path

import pytest

from patina_assets.orchestration.automation.decisions import (
    Memory,
    Probe,
    decide,
    definitions_digest,
    look_for_changes,
    unreadable,
)
from patina_assets.pipeline.reasons import Reason, ReasonKind
from patina_assets.pipeline.staleness import StageVerdict
from patina_assets.pipeline.workspace import open_workspace
from patina_resources.project.project import Project
from patina_resources.store.mothership import Mothership

NOW = 1_800_000_000.0
STALE = [StageVerdict("a", "weights", "stale", (Reason(ReasonKind.NEVER_BUILT),))]


def test_the_first_run_has_a_key() -> None:
    assert Memory().run_key == "0.000-0"
    assert Memory(seen_at=1.5, requests=2).run_key == "1.500-2"


def test_a_projection_that_fails_is_tried_after_half_a_minute_two_ten_and_sixty_and_then_left_alone() -> None:
    memory, waits = Memory(), []
    now = NOW
    for _ in range(5):
        decision = decide(memory, Probe("x", 0), STALE, {"a": "1"}, now)
        assert [verdict.projection for verdict in decision.verdicts] == ["a"]
        # The run has ended, and the projection is as stale as before.
        memory = decide(decision.memory, Probe("x", 0), STALE, {"a": "1"}, now).memory
        retry_at = memory.attempts["a"].retry_at
        assert retry_at is not None
        waits.append(retry_at - now)
        now = retry_at
    assert waits == [30, 120, 600, 3600, float("inf")]


def test_an_eventlog_that_cannot_be_read_is_looked_at_again_after_a_minute() -> None:
    decision = unreadable(Memory(handled="before"), Probe("x", 0), "it cannot be read", NOW)
    assert (decision.memory.due, decision.memory.handled) == (NOW + 60, "x")
    assert (decision.verdicts, decision.reason) == ((), "it cannot be read")


def write(path: Path, content: str, time: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (time, time))


@pytest.mark.parametrize("last", ["eventlog", "eventlog-wal", "recipe", "lock", "built"])
def test_the_newest_of_all_files_says_when_something_was_written(project: Project, last: str) -> None:
    workspace = open_workspace(project)
    eventlog = workspace.eventlog.path
    files = {
        "eventlog": eventlog,
        "eventlog-wal": eventlog.with_name(f"{eventlog.name}-wal"),
        "recipe": project.recipe,
        "lock": project.lock,
        "built": project.embeddings_folder("corpus-static") / "projections" / "temporal.json",
    }
    for path in files.values():
        write(path, "", NOW) if not path.exists() else os.utime(path, (NOW, NOW))
    before = look_for_changes(workspace)
    os.utime(files[last], (NOW + 50, NOW + 50))
    after = look_for_changes(workspace)
    assert (before.newest, after.newest) == (NOW, NOW + 50)
    # An empty write-ahead log comes and goes with every reader.
    assert (before.text != after.text) == (last != "eventlog-wal")


def test_a_project_without_files_was_never_written(project: Project) -> None:
    workspace = open_workspace(project)
    workspace.eventlog.path.unlink()
    project.recipe.unlink()
    assert look_for_changes(workspace).newest <= max(
        (path.stat().st_mtime for path in (workspace.home.registry, workspace.home.models_lock) if path.is_file()),
        default=0.0,
    )


def test_what_moves_from_one_file_of_the_definitions_to_the_next_is_a_change(tmp_path: Path) -> None:
    home = Mothership(tmp_path / "home")
    write(tmp_path / ".patina" / "oxidize.yaml", "ab", NOW)
    write(tmp_path / ".patina" / "config.toml", "", NOW)
    before = definitions_digest(tmp_path, home)
    write(tmp_path / ".patina" / "oxidize.yaml", "a", NOW)
    write(tmp_path / ".patina" / "config.toml", "b", NOW)
    assert definitions_digest(tmp_path, home) != before
