"""Builders, readers and a writer on one project at once: each ends well or says `busy`, and nothing is mixed."""

import shutil
from pathlib import Path

import pytest
from amounts import SOAK, amount
from commands import Commands, Ended
from faulty_projects import (
    QUESTION,
    Change,
    change_repository,
    check_answer,
    copy,
    copy_eventlog,
    leftovers,
    lock_text,
    states,
    succeed,
)
from ui_server import running_ui

from patina_assets.orchestration.instance import prepare_home
from patina_assets.orchestration.records import opened_instance
from patina_resources.project.project import find_project


def check_builder(ended: Ended) -> None:
    assert ended.code in (0, 1, 2), ended
    assert "Traceback" not in ended.err, ended
    if ended.code:
        assert ended.sentences, ended
        assert all("busy" in sentence for sentence in ended.sentences), ended


@pytest.mark.parametrize("builders", [2, 4] if SOAK else [2])
def test_all_at_once(commands: Commands, repository: Path, folder: Path, builders: int) -> None:
    project = copy(repository, folder / "project")
    change_repository(project, 60, 6)
    succeed(commands, project, "materialize")
    recipe = find_project(project).recipe
    recipe.write_text(recipe.read_text().replace("epochs: 2", "epochs: 3"))
    change_repository(project, 70, 6)
    before = copy(project, folder / "before")
    searching = [commands.start(project, *[["scry", QUESTION]] * amount(8, 40)) for _ in range(2)]
    building = [commands.start(project, ["oxidize"]) for _ in range(builders)]
    writing = commands.start(project, ["materialize"])
    for running in searching:
        for ended in running.wait_for_all():
            check_answer(ended)
    for running in building:
        check_builder(running.wait())
    written = writing.wait()
    assert written.code == 0, written
    succeed(commands, project, "oxidize")
    assert leftovers(project) == []
    found = states(project)
    # The same events, built by one process alone.
    copy_eventlog(project, before)
    succeed(commands, before, "oxidize")
    assert states(before) == found
    assert lock_text(before) == lock_text(project)


@pytest.mark.parametrize("builders", [2, 4] if SOAK else [2])
def test_builders_of_what_drifted(commands: Commands, drift: Change, folder: Path, builders: int) -> None:
    project = copy(drift.changed, folder / "project")
    # Of two processes that make Dagster's home at one moment, one may be refused.
    with opened_instance(prepare_home(find_project(project)), keeps_output=False):
        pass
    for running in [commands.start(project, ["oxidize"]) for _ in range(builders)]:
        check_builder(running.wait())
    succeed(commands, project, "oxidize")
    assert states(project) == drift.new
    assert lock_text(project) == drift.lock
    assert leftovers(project) == []


@pytest.mark.skipif(not SOAK, reason="a web UI and its daemon: in the long form only")
def test_a_daemon_beside_builders(commands: Commands, repository: Path, folder: Path) -> None:
    project = copy(repository, folder / "project")
    (project / ".patina" / "config.toml").write_text("[automation]\ninterval_seconds = 2\nsettle_seconds = 1\n")
    with running_ui(project, log=folder / "ui.log") as ui:
        for number in range(4):
            change_repository(project, 60 + 10 * number, 4)
            building = [commands.start(project, ["materialize"], ["oxidize"]) for _ in range(2)]
            searching = commands.start(project, *[["scry", QUESTION]] * 20)
            for running in building:
                written, built = running.wait_for_all()
                assert written.code == 0, written
                check_builder(built)
            for ended in searching.wait_for_all():
                check_answer(ended)
        fresh = "nothing is stale"
        ui.wait_for(lambda: commands.run(project, "oxidize").out.startswith(fresh), "a project at rest")
        ui.wait_for(ui.at_rest, "runs to end")
    failures = find_project(project).failures_log
    said = failures.read_text().splitlines() if failures.exists() else []
    assert all("busy" in line for line in said), said
    states(project)
    # The same events and files, built by one process alone. What was kept or extended depends on when builds ran.
    alone = copy(project, folder / "alone")
    for built in (find_project(alone).data / place for place in ("embeddings", "models")):
        shutil.rmtree(built, ignore_errors=True)
    succeed(commands, alone, "oxidize")
    succeed(commands, project, "oxidize", "--full")
    assert states(alone) == states(project)
    assert lock_text(alone) == lock_text(project)
