"""Projections that are built at once: the same bytes as one after another, and no process that stays behind."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from eventlog_builder import commit
from made_once import built_project
from refusals import refusal
from root import ROOT
from small_project import add_events, build, delete_events, edit_recipe, make_project, patina, workspace_of

from patina_assets.pipeline.workers import workers as module
from patina_assets.pipeline.workers.workers import Workers, assignments, build_all, most_at_once
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.store.manifests import read_manifest

TRAINED = ["semantic", "temporal", "dependency"]
WAIT_SECONDS = 120.0
# Another process that has work done, says by whom, and is killed in the middle of it.
ASKING = """
import os, signal, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from patina_assets.pipeline.workers import workers
from patina_assets.pipeline.workspace import open_workspace
from patina_resources.project.project import find_project

workspace = open_workspace(find_project(Path(sys.argv[1])))
wanted = {entry.name: [stage.name for stage in entry.stages] for entry in workspace.projections}
os.environ["PATINA_WORKERS"] = "4"
running = workers.Workers(workers.assignments(workspace, wanted, lambda _: True))
running.outcome("temporal", "pairs", print)  # it does not go on: the model is never ready
print(*(process.pid for process, _ in running._running.values()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def many_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have work done at once, whatever the machine."""
    monkeypatch.setenv("PATINA_WORKERS", "4")


def wanted(project: Project) -> Mapping[str, list[str]]:
    return {entry.name: [stage.name for stage in entry.stages] for entry in workspace_of(project).projections}


def outputs(project: Project) -> dict[str, str]:
    """Return the digests of all files that stages have published."""
    workspace = workspace_of(project)
    manifests = {name: read_manifest(workspace.paths(name).manifest) for name in workspace.names()}
    return {
        f"{name}/{stage}.{role}": output.sha256
        for name, manifest in manifests.items()
        for stage, record in manifest.items()
        for role, output in record.outputs.items()
    }


def chosen(project: Project, *, full: bool = False, renew: bool = False) -> list[str]:
    found = assignments(workspace_of(project), wanted(project), lambda _: full, renew=renew)
    return [entry.projection for entry in found]


def is_running(process: int) -> bool:
    """Return whether a process is there, and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.usefixtures("many_processors")
def test_what_is_built_at_once_is_the_same_to_the_last_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, at_once, by_dagster = (make_project(tmp_path / name) for name in ("alone", "at-once", "by-dagster"))
    build(alone)
    outcomes = build_all(workspace_of(at_once), lambda _: None)
    assert not any(outcome.reused for outcome in outcomes)
    assert outputs(at_once) == outputs(alone)
    assert all(outcome.reused for outcome in build_all(workspace_of(at_once), lambda _: None))
    monkeypatch.chdir(by_dagster.root)
    ran = patina("oxidize")
    assert ran.code == 0, ran
    assert outputs(by_dagster) == outputs(alone)
    assert by_dagster.lock.is_file()


def test_projections_that_are_trained_from_the_start_are_built_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    monkeypatch.delenv("PATINA_WORKERS")
    for processors, expected in ((3, []), (4, ["base", *TRAINED])):
        monkeypatch.setattr(module, "processor_count", lambda processors=processors: processors)
        assert chosen(project) == expected
    build(project)
    assert chosen(project) == chosen(project, renew=True) == []
    assert chosen(project, full=True) == ["base", *TRAINED]
    # One alone has the threads of its training.
    edit_recipe(project, "temporal:\n    layers: [32, 16]", "temporal:\n    layers: [48, 16]")
    assert chosen(project) == []
    edit_recipe(project, "dependency:\n    layers: [32, 16]", "dependency:\n    layers: [48, 16]")
    assert chosen(project) == ["base", "temporal", "dependency"]


@pytest.mark.usefixtures("many_processors")
def test_a_failure_is_that_of_its_stage_and_the_others_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    delete_events(project, "session.%")
    monkeypatch.chdir(project.root)
    ran = patina("oxidize")
    assert ran.code == 1
    assert "semantic: the eventlog holds 0 related pairs" in ran.err
    assert "Traceback" not in ran.err
    built = {name.split(".")[0] for name in outputs_of_built(project)}
    assert {"temporal/index", "dependency/index", "base/index"} <= built
    assert not any(name.startswith("semantic/") for name in built)


def outputs_of_built(project: Project) -> dict[str, str]:
    workspace = workspace_of(project)
    there = [name for name in workspace.names() if workspace.paths(name).manifest.is_file()]
    return {
        f"{name}/{stage}": record.digest
        for name in there
        for stage, record in read_manifest(workspace.paths(name).manifest).items()
    }


def test_the_user_says_how_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATINA_WORKERS", "3")
    assert most_at_once() == 3
    for wrong in ("many", "-1", "1.5", "1000"):
        monkeypatch.setenv("PATINA_WORKERS", wrong)
        assert refusal(most_at_once) == (
            f"PATINA_WORKERS={wrong!r}: expected a whole number, such as 1 to build one projection after another"
        )


def test_a_wrong_number_is_refused_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("PATINA_WORKERS", "many")
    ran = patina("oxidize")
    assert ran.code == 2, ran
    assert ran.err.startswith("patina: PATINA_WORKERS='many': expected a whole number")
    assert not list(project.data.glob("embeddings"))


@pytest.mark.usefixtures("many_processors")
def test_no_process_stays_when_it_is_stopped(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    found = assignments(workspace_of(project), wanted(project), lambda _: True)
    with Workers(found) as workers:
        first = workers.outcome("temporal", "pairs", lambda _: None)
        assert first is not None
        assert not first.reused
        processes = [process.pid for process, _ in workers._running.values()]
        assert processes
    assert not any(is_running(process) for process in processes)
    with pytest.raises(PatinaError, match="the process that built temporal ended"):
        workers.outcome("temporal", "embeddings", lambda _: None)
    assert workers.outcome("elsewhere", "pairs", lambda _: None) is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells processes from zombies by /proc")
def test_no_process_stays_when_the_one_that_asked_is_killed(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    command = [sys.executable, "-I", "-c", ASKING, str(project.root), str(ROOT)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ)
    assert asked.returncode == -9, asked.stderr
    processes = [int(word) for word in asked.stdout.splitlines()[-1].split()]
    assert processes
    deadline = time.monotonic() + WAIT_SECONDS
    while any(is_running(process) for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    build(project)  # what was left is settled
    assert "temporal/index.usearch" in outputs(project)


@pytest.mark.usefixtures("many_processors")
def test_what_drifted_is_brought_up_to_date_without_processes(tmp_path: Path) -> None:
    project = built_project(tmp_path / "project")
    add_events(project, [commit("f" * 40, "src/a.py", "src/b.py")])
    assert chosen(project) == []
