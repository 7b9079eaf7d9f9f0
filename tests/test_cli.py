"""The commands as a user types them, on real input and on wrong input."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from eventlog_builder import Event, build_eventlog, project_history
from installations import give_key
from small_project import RECIPE, Ran, delete_events, make_project, patina

from patina_resources.project.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project that is not built, and stand in it."""
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project that the real command has built once for this module."""
    made = make_project(tmp_path_factory.mktemp("built") / "project")
    home = give_key(tmp_path_factory.mktemp("mothership"))
    environment = {"PATH": "/usr/bin:/bin", "PATINA_HOME": str(home), "HOME": str(home)}
    command = [sys.executable, "-m", "patina_assets.cli", "oxidize"]
    repository = str(Path(__file__).parent.parent)
    done = subprocess.run(
        command,
        cwd=made.root,
        env=environment | {"PYTHONPATH": repository},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "semantic" in done.stdout
    return made.root


def refused(ran: Ran, *words: str) -> None:
    """Assert that a command refused wrong input as promised: exit code 2, one line on stderr that has the words."""
    assert ran.code == 2, ran
    assert ran.err.count("\n") == 1, ran.err
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err


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
    refused(patina("scry", "anything"), "nothing is built yet", "patina oxidize")


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


def test_what_a_killed_build_left_goes_when_nothing_is_stale(
    built_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built_root, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    folder = tmp_path / "copy" / ".patina" / "data" / "embeddings" / "corpus-static" / "projections"
    left = folder / "temporal.temporal.usearch.0123456789abcdef.pending"
    left.write_bytes(b"of a recipe that was set back")
    assert patina("oxidize").out.startswith("nothing is stale")
    assert not left.exists()


def test_nothing_stale_launches_nothing(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    command = [sys.executable, "-X", "importtime", "-m", "patina_assets.cli", "oxidize"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(command, cwd=built_root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "nothing is stale" in done.stdout
    assert "| dagster\n" not in done.stderr


def test_a_note_finds_itself_first(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    items = (built_root / ".patina/data/embeddings/corpus-static/projections/semantic.items.jsonl").read_text()
    for line in items.splitlines()[::40]:
        text = json.loads(line)["text"]
        ran = patina("scry", text, "--projection", "semantic", "-k", "1", "--json")
        assert json.loads(ran.out)[0]["text"] == text


def test_results_say_where_they_come_from(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    hits = json.loads(patina("scry", "cache", "-k", "20", "--json").out)
    assert [hit["rank"] for hit in hits] == list(range(1, 21))
    assert all(hit["file"] or hit["session"] or hit["commit"] for hit in hits)
    assert all(hit["seq"] > 0 for hit in hits)
    shown = patina("scry", "cache", "-k", "3").out
    assert shown.startswith("  1. ")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("projections/temporal.usearch", ("temporal.usearch", "damaged", "patina oxidize")),
        ("projections/temporal.search.db", ("temporal.search.db", "damaged", "patina oxidize")),
        ("projections/temporal.manifest.json", ("temporal.manifest.json", "damaged", "patina oxidize")),
        ("../../models/corpus-static/model.onnx", ("model.onnx", "damaged", "patina oxidize")),
        ("../../models/corpus-static/tokenizer.json", ("tokenizer.json", "damaged", "patina oxidize")),
    ],
)
def test_search_refuses_damaged_files(
    built_root: Path, monkeypatch: pytest.MonkeyPatch, file: str, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(built_root)
    path = built_root / ".patina/data/embeddings/corpus-static" / file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    try:
        ran = patina("scry", "cache", "--projection", "temporal")
    finally:
        path.write_bytes(content)
    refused(ran, *words)


def test_wrong_queries(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    refused(patina("scry", "   "), "query is empty")
    refused(patina("scry", "x", "--projection", "temporl"), "temporl", "did you mean 'temporal'")
    assert patina("scry", "x", "-k", "0").code == 2


def test_init_writes_what_is_missing_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "deeper").mkdir()
    (tmp_path / ".gitignore").write_text("*.pyc")
    monkeypatch.chdir(tmp_path / "deeper")
    first = patina("init")
    assert first.code == 0
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n.patina/data/\n.patina/local/\n"
    recipe = (tmp_path / ".patina/oxidize.yaml").read_text()
    assert "\n  temporal:" in recipe
    assert "\n  semantic:" not in recipe
    again = patina("init")
    assert again.out.count("kept") == 3
    assert (tmp_path / ".patina/oxidize.yaml").read_text() == recipe


def test_init_suggests_what_the_eventlog_has_signal_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    build_eventlog(tmp_path / ".patina/data/patina.db", project_history())
    patina("init")
    recipe = (tmp_path / ".patina/oxidize.yaml").read_text()
    dimensions = ["semantic", "temporal", "dependency", "syntactic", "architectural", "social"]
    world_models = ["state-encoder", "action-encoder"]
    projections = yaml.safe_load(recipe)["projections"]
    assert list(projections) == [*dimensions, *world_models]
    assert [name for name in projections if projections[name].get("type") == "world-model"] == world_models
    assert projections["semantic"]["training"]["source"] == "sessions.observations"
    assert patina("oxidize", "--dry-run").code == 0


def test_init_without_sessions_suggests_to_learn_from_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commits = [event for event in project_history() if event.kind == "git.commit" and isinstance(event.data, dict)]
    commits = [replace(event, data={**event.data, "author_email": "ada@example.org"}) for event in commits]
    build_eventlog(tmp_path / ".patina/data/patina.db", commits)
    patina("init")
    recipe = (tmp_path / ".patina/oxidize.yaml").read_text()
    projections = yaml.safe_load(recipe)["projections"]
    assert list(projections) == ["semantic", "temporal", "state-encoder", "action-encoder"]
    assert projections["semantic"]["training"]["pair_type"] == "commit_touches"
    assert "\n  # social needs two authors" in recipe
    assert "\n  # syntactic needs functions" in recipe
    assert patina("oxidize", "--dry-run").code == 0


def test_search_refuses_a_damaged_lock(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    lock = built_root / ".patina/data/oxidize.lock"
    content = lock.read_bytes()
    lock.write_bytes(b"projections: [")
    try:
        ran = patina("scry", "cache")
    finally:
        lock.write_bytes(content)
    refused(ran, "oxidize.lock", "damaged", "patina oxidize")
