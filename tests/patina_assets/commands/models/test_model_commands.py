"""`patina model ...` as a user types it, and what a build does with a model that is missing, swapped or damaged."""

import json
from pathlib import Path

import pytest
from materialize_helpers import GitFolder
from refusals import refused
from small_project import Ran, build, make_project_with_models, patina, set_validation_gain
from tiny_models import write_model

from patina_assets.commands.models.model_commands import added_text
from patina_resources.models.add.add import Added
from patina_resources.models.add.sources import SourceKind
from patina_resources.models.lock import LockRecord, read_lock
from patina_resources.models.provenance import Pin
from patina_resources.models.registry import ModelSpec
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


def add(name: str, folder: Path, seed: int) -> Ran:
    """Add a tiny seeded model from a folder."""
    folder.mkdir()
    return patina("model", "add", name, "--from", str(write_model(folder, seed=seed)))


@pytest.mark.usefixtures("project")
def test_adding_says_source_size_check_and_place(tmp_path: Path) -> None:
    ran = add("tiny", tmp_path / "a", 1)
    record = read_lock(mothership().models_lock)["tiny"]
    assert ran.out.splitlines() == [
        "added tiny",
        f"  from      folder {tmp_path / 'a'}",
        f"  size      {record.size_bytes / 1000:.1f} kB, fp32, 16 dimensions",
        "  verified  the folder states no digests to compare with",
        f"  recorded  SHA-256 {record.sha256_model[:12]} (model), {record.sha256_tokenizer[:12]} (tokenizer), in "
        f"{mothership().models_lock}",
        f"  lies in   {mothership().model_folder('tiny')}",
    ]
    lines = {line.split()[0]: line for line in patina("model", "list").out.splitlines()}
    assert [name for name, line in lines.items() if "✓" in line] == ["corpus-static", "tiny"]
    assert "✓ ready" in lines["tiny"]


@pytest.mark.parametrize(
    ("kind", "pin", "expected"),
    [
        ("hub", "met", "SHA-256 of all files, against those that the registry pins"),
        ("package", "met", "SHA-256 of all files, against those that the registry pins"),
        ("hub", "not pinned", "digests of all files, against those that the hub states; the registry pins none"),
        ("folder", "not met", "no: these are not the bytes that the registry pins"),
    ],
)
def test_what_was_verified_is_said(kind: SourceKind, pin: Pin, expected: str) -> None:
    url = "https://hub/org/name/resolve/c0ffee/onnx/model.onnx"
    record = LockRecord("2026-01-02T03:04:05Z", url, url, "a" * 64, "b" * 64, 23_000_000, 384, "c0ffee", "int8")
    added = Added(ModelSpec("tiny", 384, 256, "mean"), record, kind, "any", Path("/cache/tiny"), pin)
    text = added_text(added, Path("/models.lock"))
    assert f"\n  verified  {expected}\n" in text
    assert "\n  from      hub org/name@c0ffee\n  size      23.0 MB, int8, 384 dimensions\n" in text


def test_a_build_with_a_missing_model_stops_before_any_work(project: Project) -> None:
    refused(patina("oxidize"), "tiny", "patina model add tiny")
    assert not project.embeddings_folder("tiny").exists()


def test_added_models_build_and_switching_back_reuses_every_vector(project: Project, tmp_path: Path) -> None:
    assert add("tiny", tmp_path / "a", 1).code == 0
    assert add("other", tmp_path / "b", 2).code == 0
    build(project)
    recipe = project.recipe.read_text()
    project.recipe.write_text(recipe.replace("embedding_model: tiny", "embedding_model: other"))
    build(project)
    project.recipe.write_text(recipe)
    back = patina("oxidize", "--full")
    assert back.code == 0
    row = next(line.split() for line in back.out.splitlines() if line.startswith("temporal"))
    header = next(line for line in back.out.splitlines() if line.startswith("projection"))
    assert header.split()[:4] == ["projection", "pairs", "texts", "new"]
    assert (row[2], row[3]) == ("60", "0")


def test_other_bytes_of_a_model_make_embeddings_and_what_follows_stale(project: Project, tmp_path: Path) -> None:
    add("tiny", tmp_path / "a", 1)
    build(project)
    set_validation_gain(project, 0.1, 0.2, "temporal")
    add("tiny", tmp_path / "b", 2)
    verdicts = {line.split()[0]: line.split()[1] for line in patina("oxidize", "--dry-run").out.splitlines()}
    assert verdicts["temporal/pairs"] == "fresh"
    assert verdicts["temporal/embeddings"] == verdicts["temporal/index"] == verdicts["base/embeddings"] == "stale"
    assert verdicts["base/items"] == "fresh"
    found = patina("scry", "src", "--explain")
    assert found.code == 0
    assert "lexical      #1" in found.out
    reason = "built with other bytes or settings of tiny: run `patina oxidize`"
    assert found.err == f"patina: not searched: base, temporal: {reason}\n"
    refused(patina("scry", "cache", "--projection", "temporal"), f"temporal: {reason}")
    assert project.lock.exists()


def test_a_corrupted_model_of_the_same_size_is_found_before_it_is_loaded(project: Project, tmp_path: Path) -> None:
    add("tiny", tmp_path / "a", 1)
    build(project)
    set_validation_gain(project, 0.1, 0.2, "temporal")
    model = next(mothership().model_folder("tiny").glob("*.onnx"))
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 0xFF
    model.write_bytes(content)
    found = patina("scry", "src")
    assert (found.code, found.err.count("\n")) == (0, 1)
    assert found.err.startswith("patina: not searched: base, temporal: model tiny")
    for command in (["scry", "cache", "--projection", "temporal"], ["oxidize"]):
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
    assert "comes with the repository" not in patina("oxidize", "--only", "base").err


def test_init_names_the_command_for_a_missing_model_and_never_asks_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = patina("init", "--no-build", "--model", "bge-small")
    assert ran.code == 0
    assert "patina model add bge-small" in ran.err
    assert 'model = "bge-small"' in (tmp_path / ".patina" / "config.toml").read_text()
    refused(patina("init", "--no-build", "--model", "gte-base"), "bge-small", "config.toml")
    (tmp_path / ".patina" / "config.toml").unlink()
    refused(patina("init", "--no-build", "--model", "no-such-model"), "no-such-model")


def test_init_stops_before_it_reads_where_the_model_is_missing_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("a.py", "x = 1\n")
    folder.commit("start")
    monkeypatch.chdir(folder.path)
    ran = patina("init", "--model", "bge-small+corpus-static")
    refused(ran, "bge-small is not in the cache: run `patina model add bge-small`, then `patina init`")
    assert ran.err.count("not in the cache") == 1
    assert not folder.eventlog.exists()
