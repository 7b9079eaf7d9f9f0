"""`embedding_model: a+b`: what `patina model`, `patina init` and an export say and do."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from refusals import refused
from side_by_side_helpers import NAME, add, swap
from small_project import patina, workspace_of

from patina_assets.export.export_side_by_side import part_folders
from patina_assets.learning.projection import from_safetensors
from patina_assets.pairs.relations import unique_texts
from patina_assets.pipeline.formats import decode_embeddings, decode_items
from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.embedding.side_by_side import side_by_side
from patina_resources.models.registry import ModelFiles
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import read_outputs


def test_status_and_remove_know_each_part(built: Project, tmp_path: Path) -> None:
    assert patina("oxidize").code == 0  # makes the project known
    ready = patina("model", "status")
    assert ready.code == 0
    assert NAME in ready.out
    swap(built, "small+corpus-static")
    refused(patina("model", "remove", "tiny"), f"used by {built.root}", "--yes")
    removed = patina("model", "remove", "tiny", "--yes")
    assert "must add it again" in removed.out
    lacking = patina("model", "status")
    assert lacking.code == 1
    assert "patina model add tiny" in lacking.out
    swap(built, "tiny+other")
    assert "patina model add tiny && patina model add other" in patina("model", "status").out
    add("other", tmp_path / "other", 3)
    assert "missing  patina model add tiny\n" in f"{patina('model', 'status').out}\n"


@pytest.mark.usefixtures("project")
def test_commands_for_one_model_refuse_several() -> None:
    for command in ("add", "remove"):
        refused(patina("model", command, NAME), "'+' joins models", "name one of them")


def test_init_takes_several_and_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(patina("init", "--no-build", "--model", "bge-small+bge-smal"), "bge-smal", "did you mean")
    refused(patina("init", "--no-build", "--model", "bge-small+"), "empty part")
    ran = patina("init", "--no-build", "--model", "bge-small+corpus-static+gte-base")
    assert ran.code == 0
    assert "patina model add bge-small`" in ran.err
    assert "patina model add gte-base`" in ran.err
    assert "corpus-static is not" not in ran.err
    assert 'model = "bge-small+corpus-static+gte-base"' in find_project(tmp_path).config_file.read_text()


def test_an_export_holds_each_model_and_the_projection(built: Project, tmp_path: Path) -> None:
    ran = patina("export", "temporal", "--to", str(tmp_path / "out"))
    assert ran.code == 0, ran
    assert "SentenceTransformer cannot load it" in ran.out
    workspace = workspace_of(built)
    facts = json.loads((tmp_path / "out" / "patina.json").read_text())
    assert [model["folder"] for model in facts["models"]] == part_folders(workspace.spec)
    texts, expected = projected(built)
    # As patina.json says, and no other file of the project is used.
    vectors = []
    for part, told in zip(workspace.spec.parts, facts["models"], strict=True):
        folder = tmp_path / "out" / told["folder"]
        files = ModelFiles(folder / "model.onnx", folder / "tokenizer.json", "")
        vectors.append(OnnxEmbedder(replace(part, pooling="model"), files).embed_passages(texts))
        assert (told["passage_prefix"], told["dimensions"]) == (part.passage_prefix, part.dims)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "projection.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"vectors": side_by_side(vectors)})
    assert np.abs(found - expected).max() < 1e-4
    weights = from_safetensors((tmp_path / "out" / "projection.safetensors").read_bytes(), "projection.safetensors")
    assert np.abs(weights.apply(side_by_side(vectors)) - expected).max() < 1e-4


@pytest.mark.usefixtures("built")
def test_an_export_refuses_the_weights_of_one_model(tmp_path: Path) -> None:
    refused(
        patina("export", "temporal", "--to", str(tmp_path / "out"), "--weights", str(tmp_path / "tiny")),
        "--weights: belongs to a single base model",
    )
    assert not (tmp_path / "out").exists()


def test_an_export_after_another_model_came_asks_for_a_build(built: Project, tmp_path: Path) -> None:
    add("tiny", tmp_path / "again", 2)
    refused(patina("export", "temporal", "--to", str(built.root / "out")), f"other bytes of {NAME}", "patina oxidize")


def projected(project: Project) -> tuple[list[str], np.ndarray]:
    """Return the texts of the projection and their projected vectors, from what is built."""
    paths = workspace_of(project).paths("temporal")
    items = read_outputs(paths, "pairs", ("items.jsonl",))[1][0]
    embeddings = read_outputs(paths, "embeddings", ("embeddings.safetensors",))[1][0]
    weights = read_outputs(paths, "weights", ("safetensors",))[1][0]
    projection = from_safetensors(weights, "weights")
    return unique_texts(decode_items(items))[0], projection.apply(decode_embeddings(embeddings))
