"""`patina model ...` as a user types it, and what a build does with a model that is missing, swapped or damaged."""

import json
from pathlib import Path

import pytest
from small_project import Ran, make_project_with_models, patina
from tiny_models import write_model

from patina_resources.project.project import Project
from patina_resources.store.mothership import mothership

RECIPE = """version: 2
embedding_model: tiny
projections:
  temporal:
    layers: [16, 8]
    training: {source: git.co_changes, pair_type: co_changed, epochs: 1, pairs: 200}
"""
REGISTRY = """[models.tiny]
dims = 16
max_tokens = 32
pooling = "mean"

[models.other]
dims = 16
max_tokens = 32
pooling = "mean"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project whose recipe names a model that its user defined and has not added yet, and stand in it."""
    made = make_project_with_models(tmp_path / "project", REGISTRY, RECIPE)
    monkeypatch.chdir(made.root)
    return made


def refused(ran: Ran, *words: str) -> None:
    """Assert exit code 2 and one line on stderr with the words."""
    assert ran.code == 2, ran
    assert ran.err.strip().count("\n") == 0, ran.err
    for word in words:
        assert word in ran.err


def add(name: str, folder: Path, seed: int) -> Ran:
    """Add a tiny seeded model from a folder."""
    folder.mkdir()
    return patina("model", "add", name, "--from", str(write_model(folder, seed=seed)))


def test_a_build_with_a_missing_model_stops_before_any_work(project: Project) -> None:
    refused(patina("oxidize"), "tiny", "patina model add tiny")
    assert not project.embeddings_folder("tiny").exists()


def test_added_models_build_and_switching_back_reuses_every_vector(project: Project, tmp_path: Path) -> None:
    assert add("tiny", tmp_path / "a", 1).code == 0
    assert add("other", tmp_path / "b", 2).code == 0
    assert patina("oxidize").code == 0
    recipe = project.recipe.read_text()
    project.recipe.write_text(recipe.replace("embedding_model: tiny", "embedding_model: other"))
    assert patina("oxidize").code == 0
    project.recipe.write_text(recipe)
    back = patina("oxidize", "--full")
    assert back.code == 0
    row = next(line.split() for line in back.out.splitlines() if line.startswith("temporal"))
    header = next(line for line in back.out.splitlines() if line.startswith("projection"))
    assert header.split()[:4] == ["projection", "pairs", "texts", "new"]
    assert (row[2], row[3]) == ("60", "0")


def test_other_bytes_of_a_model_make_embeddings_and_what_follows_stale(project: Project, tmp_path: Path) -> None:
    add("tiny", tmp_path / "a", 1)
    patina("oxidize")
    add("tiny", tmp_path / "b", 2)
    verdicts = {line.split()[0]: line.split()[1] for line in patina("oxidize", "--dry-run").out.splitlines()}
    assert verdicts["temporal/pairs"] == "fresh"
    assert verdicts["temporal/embeddings"] == verdicts["temporal/index"] == verdicts["base/embeddings"] == "stale"
    assert verdicts["base/items"] == "fresh"
    refused(patina("scry", "cache"), "tiny", "patina oxidize")
    assert project.lock.exists()


def test_a_corrupted_model_of_the_same_size_is_found_before_it_is_loaded(project: Project, tmp_path: Path) -> None:
    add("tiny", tmp_path / "a", 1)
    assert patina("oxidize").code == 0
    model = next(mothership().model_folder("tiny").glob("*.onnx"))
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 0xFF
    model.write_bytes(content)
    for command in (["scry", "cache"], ["oxidize"]):
        refused(patina(*command), "tiny", "damaged", "patina model add tiny")
    verified = patina("model", "verify")
    assert verified.code == 1
    assert "damaged" in verified.out
    assert project.lock.exists()


@pytest.mark.usefixtures("project")
def test_list_status_and_remove(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in json.loads(patina("model", "list", "--json").out)}
    assert {"all-minilm-l6-v2", "corpus-static", "tiny"} <= set(rows)
    assert rows["all-minilm-l6-v2"]["dims"] == 384
    assert rows["tiny"]["state"] == "not added"
    patina("oxidize")  # makes the project known
    before = patina("model", "status")
    assert before.code == 1
    assert "patina model add tiny" in before.out
    add("tiny", tmp_path / "a", 1)
    assert patina("model", "status").code == 0
    refused(patina("model", "remove", "tiny"), "not removed", "--yes")
    removed = patina("model", "remove", "tiny", "--yes")
    assert removed.code == 0
    assert "must add it again" in removed.out
    assert "[tiny]" in mothership().models_lock.read_text()
    assert patina("model", "status").code == 1


@pytest.mark.usefixtures("project")
def test_wrong_names_are_refused() -> None:
    for name in ("../x", "/etc/passwd", "a/../../b", "hf:../x", "hf:one", ""):
        refused(patina("model", "add", name))
    refused(patina("model", "add", "all-minilm-l6-v3"), "did you mean 'all-minilm-l6-v2'")
    refused(patina("model", "add", "corpus-static"), "patina oxidize")
    refused(patina("model", "remove", "tiny"), "not in the cache")


def test_a_model_beside_the_sources_of_an_old_project_is_taken_by_its_users_word_only(project: Project) -> None:
    old = project.root / "resources" / "models" / "tiny"
    old.mkdir(parents=True)
    write_model(old)
    ran = patina("oxidize")
    assert ran.code == 2, ran.err
    assert f"{old} comes with the repository, so it is not used as tiny without your word" in ran.err
    assert not mothership().models.exists()
    assert patina("model", "add", "tiny", "--from", str(old)).code == 0
    assert "comes with the repository" not in patina("oxidize").err


def test_init_names_the_command_for_a_missing_model_and_never_asks_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = patina("init", "--model", "bge-small")
    assert ran.code == 0
    assert "patina model add bge-small" in ran.err
    assert 'model = "bge-small"' in (tmp_path / ".patina" / "config.toml").read_text()
    refused(patina("init", "--model", "gte-base"), "bge-small", "config.toml")
    (tmp_path / ".patina" / "config.toml").unlink()
    refused(patina("init", "--model", "no-such-model"), "no-such-model")
