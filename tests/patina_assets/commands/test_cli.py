"""The commands as a user types them, on real input and on wrong input."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from eventlog_builder import Event, build_eventlog, project_history
from refusals import refused
from root import ROOT
from small_project import RECIPE, delete_events, patina, workspace_of

from patina_assets.pipeline.progress import Progress
from patina_assets.pipeline.runner import run_stage
from patina_resources.project.project import Project


def test_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["oxidize"], ["scry", "x"], ["materialize"], ["ui"]):
        refused(patina(*command), "no .patina folder", "patina init")


def test_no_recipe(project: Project) -> None:
    project.recipe.unlink()
    refused(patina("oxidize"), "oxidize.yaml", "patina init")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("projections:", "projektions:", ("projektions", "did you mean 'projections'", ":2:")),
        ("version: 2", "version: 7", ("version", ":1:")),
        (
            "epochs: 2, pairs: 400, batch_size: 64}\n  temporal",
            "epoch: 2}\n  temporal",
            ("epoch", "did you mean 'epochs'"),
        ),
        ("same_session", "same_sesion", ("same_sesion", "did you mean 'same_session'")),
        ("git.co_changes", "git.cochanges", ("git.cochanges", "did you mean 'git.co_changes'")),
        ("  temporal:", "  semantic:", ("semantic",)),
        ("  temporal:", "  ../temporal:", ("../temporal",)),
        ("  temporal:", "  base:", ("base",)),
        ("[32, 16]\n    training: {source: git", "[32, sixteen]\n    training: {source: git", ("layers", "sixteen")),
        ("[32, 16]\n    training: {source: git", "[32]\n    training: {source: git", ("layers",)),
        ("co_changed, epochs: 2", "co_changed, epochs: 0", ("epochs", "0")),
        ("co_changed, epochs: 2", "co_changed, epochs: two", ("epochs", "two")),
        ("co_changed, epochs: 2", "co_changed, epochs: 2, loss: hinge", ("loss", "infonce")),
    ],
)
def test_recipe_typos(project: Project, old: str, new: str, words: tuple[str, ...]) -> None:
    text = project.recipe.read_text()
    assert old in text
    project.recipe.write_text(text.replace(old, new, 1))
    refused(patina("oxidize"), "oxidize.yaml:", *words)


def test_no_database(project: Project) -> None:
    project.eventlog().unlink()
    refused(patina("oxidize"), "no eventlog at", "patina materialize")


def test_a_text_file_as_database(project: Project) -> None:
    project.eventlog().write_text("this is not a database, whatever its name says " * 50)
    refused(patina("oxidize"), "not an SQLite database")


def test_a_database_without_eventlog(project: Project) -> None:
    project.eventlog().unlink()
    with closing(sqlite3.connect(project.eventlog())) as connection:
        connection.execute("CREATE TABLE other (x)")
    refused(patina("oxidize"), "no table `eventlog`")


def test_an_empty_eventlog(project: Project) -> None:
    project.eventlog().unlink()
    build_eventlog(project.eventlog(), [])
    refused(patina("oxidize"), "the eventlog is empty", "patina materialize")


@pytest.mark.usefixtures("project")
def test_unknown_projection() -> None:
    refused(patina("oxidize", "--only", "temporl"), "temporl", "did you mean 'temporal'", "semantic")


def test_unknown_model(project: Project) -> None:
    project.recipe.write_text("embedding_model: corpus-statik\n" + RECIPE)
    refused(patina("oxidize"), "corpus-statik", "corpus-static")


@pytest.mark.usefixtures("project")
def test_nothing_built_yet() -> None:
    refused(patina("scry", "anything"), "nothing is built yet", "run `patina oxidize`")


def test_nothing_read_and_nothing_built_yet(project: Project) -> None:
    project.eventlog().unlink()
    refused(patina("scry", "anything"), "nothing is built yet", "run `patina materialize --oxidize`")


def test_dry_run_builds_nothing_and_names_every_stage(project: Project) -> None:
    ran = patina("oxidize", "--dry-run")
    assert ran.code == 0
    assert ran.out.count("missing") == 17
    assert not project.embeddings_folder("corpus-static").exists()


def test_debug_shows_the_traceback(project: Project) -> None:
    project.recipe.unlink()
    assert "Traceback" in patina("--debug", "oxidize").err


def test_invalid_rows_are_named_and_left_out(project: Project) -> None:
    project.eventlog().unlink()
    broken = Event("session.decision", "{not json", source_id="s")
    build_eventlog(project.eventlog(), [*project_history(), broken], checked=False)
    ran = patina("oxidize", "--dry-run")
    assert ran.code == 0
    assert f"seq {len(project_history()) + 1} (session.decision)" in ran.err


def test_without_sessions_the_others_are_built(project: Project) -> None:
    delete_events(project, "session.%")
    ran = patina("oxidize")
    assert ran.code == 1
    assert "semantic: the eventlog holds 0 related pairs" in ran.err
    assert "Traceback" not in ran.err
    for projection in ("temporal", "dependency", "base"):
        found = patina("scry", "cache", "--projection", projection)
        assert found.code == 0, found.err
    refused(patina("scry", "cache", "--projection", "semantic"), "no projection 'semantic' is built")


def test_one_group_is_built_where_there_is_no_model(project: Project) -> None:
    workspace = workspace_of(project)
    told: list[Progress] = []
    for stage in ("pairs", "embeddings"):
        run_stage(workspace, "temporal", stage, told.append)
    assert [progress.stage for progress in told] == ["model/corpus-static", "temporal/embeddings"]
    before = (project.corpus_model_folder() / "model.onnx").stat()
    run_stage(workspace, "temporal", "embeddings", told.append, full=True)
    assert (project.corpus_model_folder() / "model.onnx").stat() == before  # it is frozen


def test_a_dry_run_changes_no_file(project: Project) -> None:
    def contents() -> dict[Path, bytes]:
        files = (path for path in project.root.rglob("*") if path.is_file() and path != project.source_digests)
        return {path: path.read_bytes() for path in files if not path.name.endswith(("-wal", "-shm"))}

    before = contents()
    assert patina("oxidize", "--dry-run", "--full").code == 0
    assert contents() == before


def test_ctrl_c_in_a_stage_is_one_line(project: Project) -> None:
    project.recipe.write_text(RECIPE.replace("co_changed, epochs: 2", "co_changed, epochs: 5000"))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "patina_assets.cli", "oxidize", "--only", "temporal"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=project.root, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith("temporal/weights: 0 of 5000 epochs") for line in process.stderr)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
        out, err = process.communicate()
    lines = [line for line in err.splitlines() if not line.startswith("temporal/weights: ")]
    assert lines == ["patina: interrupted; what is built is kept: `patina oxidize` goes on from there"]
    assert (process.returncode, out) == (130, "")
    stages = json.loads(patina("oxidize", "--dry-run", "--json", "--only", "temporal").out)["stages"]
    assert [stage["status"] for stage in stages] == ["fresh", "fresh", "fresh", "missing", "missing", "missing"]


@pytest.mark.usefixtures("project")
def test_a_part_of_a_recipe_is_built_once() -> None:
    assert patina("oxidize", "--only", "base").code == 0
    assert "nothing is stale" in patina("oxidize", "--only", "base").out
    assert patina("oxidize", "--dry-run").out.endswith("stale    follows what is rebuilt\n")
