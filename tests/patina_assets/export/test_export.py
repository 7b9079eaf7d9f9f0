"""`patina export`: one graph from token ids to projected vectors, and files that say the same to other programs."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from eventlog_builder import note
from exported_projects import PROJECTION, built_with_corpus_model, built_with_model_of, built_with_tiny_bert
from numpy.typing import NDArray
from refusals import refused
from safetensors.numpy import load_file
from small_project import add_events, make_project, patina
from tiny_models import TEXTS, write_encoder, write_model, write_sentence_folder, write_tokenizer
from tokenizers import Tokenizer

from patina_assets.export.text_onnx import text_onnx
from patina_assets.learning.projection import Projection, from_safetensors, random_network
from patina_assets.pairs.relations import unique_texts
from patina_assets.pipeline.formats import decode_embeddings, decode_items
from patina_assets.pipeline.runner import run_model
from patina_assets.pipeline.workspace import Workspace
from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import ModelFiles, ModelSpec, Pooling
from patina_resources.onnx.write.bert import write_bert_onnx
from patina_resources.project.project import find_project
from patina_resources.store.artifacts import read_outputs

ALL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATINA_PROJECT", str(tmp_path / "project"))
    return built_with_corpus_model(tmp_path / "project")


def indexed_vectors(workspace: Workspace) -> tuple[list[str], NDArray[np.float32]]:
    """Return the texts of a projection and its vectors, as they are indexed."""
    paths = workspace.paths(PROJECTION)
    items, embeddings, weights = (
        read_outputs(paths, stage, (role,))[1][0]
        for stage, role in (
            ("pairs", "items.jsonl"),
            ("embeddings", "embeddings.safetensors"),
            ("weights", "safetensors"),
        )
    )
    texts, _ = unique_texts(decode_items(items))
    return texts, from_safetensors(weights, "weights").apply(decode_embeddings(embeddings))


def dense_stack(folder: Path, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the modules after the base model's Normalize compute, as their files say."""
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules[[entry["type"].endswith("Normalize") for entry in modules].index(True) + 1 :]:
        if module["type"].endswith("Normalize"):
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            continue
        config = json.loads((folder / module["path"] / "config.json").read_text())
        tensors = load_file(folder / module["path"] / "model.safetensors")
        assert tensors["linear.weight"].shape == (config["out_features"], config["in_features"])
        vectors = vectors @ tensors["linear.weight"].T + tensors["linear.bias"]
        if config["activation_function"].endswith("ReLU"):
            vectors = np.maximum(vectors, 0)
    return vectors


# The graph


@pytest.mark.parametrize(
    ("pooling", "inputs"),
    [
        ("mean", ALL_INPUTS),
        ("mean", ALL_INPUTS[:2]),
        ("mean", ALL_INPUTS[:1]),
        ("cls", ALL_INPUTS),
        ("model", ALL_INPUTS),
    ],
)
def test_the_joined_graph_is_embedding_and_projection(
    pooling: Pooling, inputs: tuple[str, ...], tmp_path: Path
) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    base = write_encoder(tmp_path / "base.onnx", 16, 3, inputs, pooled=pooling == "model")
    spec = ModelSpec("tiny", 16, 32, pooling)
    projection = _with_biases(random_network(16, 24, 8, seed=1))
    # One text at a time where the graph itself takes the mean: it counts padding too.
    texts = TEXTS if pooling != "model" else TEXTS[:1]
    expected = projection.apply(OnnxEmbedder(spec, ModelFiles(base, tokenizer, "")).embed_passages(texts))

    joined = tmp_path / "joined.onnx"
    joined.write_bytes(text_onnx(onnx.load(base), pooling, projection))
    onnx.checker.check_model(onnx.load(joined))
    found = OnnxEmbedder(ModelSpec("joined", 8, 32, "model"), ModelFiles(joined, tokenizer, "")).embed_passages(texts)
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("opset", [11, 13, 17, 18])
def test_the_base_model_keeps_its_opset(opset: int, tmp_path: Path) -> None:
    base = onnx.load(write_encoder(tmp_path / "base.onnx", 16, 3))
    base.opset_import[0].version = opset
    before = base.SerializeToString()
    content = text_onnx(base, "mean", random_network(16, 24, 8, seed=1))
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    assert base.SerializeToString() == before
    assert text_onnx(base, "mean", random_network(16, 24, 8, seed=1)) == content


def _with_biases(projection: Projection) -> Projection:
    rng = np.random.default_rng(2)
    b1, b2 = (rng.normal(size=size).astype(np.float32) for size in (projection.hidden_dims, projection.output_dims))
    return Projection(projection.w1, b1, projection.w2, b2)


# The folder


def test_with_the_corpus_model(corpus: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "temporal"
    ran = patina("export", PROJECTION, "--to", str(folder))
    assert (ran.code, ran.err) == (0, "")
    assert "at least 1.0000" in ran.out
    texts, expected = indexed_vectors(corpus)

    spec = ModelSpec("exported", 16, 512, "model")
    found = OnnxEmbedder(spec, ModelFiles(folder / "model.onnx", folder / "tokenizer.json", "")).embed_passages(texts)
    assert np.abs(found - expected).max() < 1e-5

    table = load_file(folder / "model.safetensors")["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    means = np.array([table[tokenizer.encode(text, add_special_tokens=False).ids].mean(axis=0) for text in texts])
    assert np.abs(dense_stack(folder, means / np.linalg.norm(means, axis=1, keepdims=True)) - expected).max() < 1e-5
    kinds = [module["type"].rpartition(".")[2] for module in json.loads((folder / "modules.json").read_text())]
    assert kinds == ["StaticEmbedding", "Normalize", "Dense", "Dense", "Normalize"]


def test_with_a_transformer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, folder = tmp_path / "original", tmp_path / "out"
    workspace = built_with_tiny_bert(tmp_path / "project", original)
    monkeypatch.chdir(workspace.project.root)
    ran = patina("export", PROJECTION, "--to", str(folder))
    assert ran.code == 0, ran.err
    assert "encodes to the same vectors" in ran.out

    # The weights are the original ones, although the cache has only the graph.
    tensors, expected = load_file(folder / "model.safetensors"), load_file(original / "model.safetensors")
    assert tensors.keys() == expected.keys()
    assert all(np.array_equal(tensors[name], expected[name]) for name in expected)
    write_bert_onnx(folder, tmp_path / "again.onnx")
    (spec,) = workspace.spec.parts
    assert (tmp_path / "again.onnx").read_bytes() == cached_model(workspace.home, spec).onnx.read_bytes()

    texts, vectors = indexed_vectors(workspace)
    files = ModelFiles(tmp_path / "again.onnx", folder / "tokenizer.json", "")
    assert np.abs(dense_stack(folder, OnnxEmbedder(spec, files).embed_passages(texts)) - vectors).max() < 1e-5
    settings = json.loads((folder / "config_sentence_transformers.json").read_text())
    assert settings["prompts"] == {"query": "query : ", "document": "passage : "}
    assert settings["default_prompt_name"] == "document"
    assert json.loads((folder / "1_Pooling" / "config.json").read_text())["pooling_mode_mean_tokens"] is True
    assert json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"] == 24


def test_int8_weights_are_scaled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, folder = tmp_path / "original", tmp_path / "out"
    monkeypatch.chdir(built_with_tiny_bert(tmp_path / "project", original, "int8").project.root)
    ran = patina("export", PROJECTION, "--to", str(folder))
    assert ran.code == 0, ran.err
    assert "patina model add tiny --precision fp32" in ran.out
    tensors, expected = load_file(folder / "model.safetensors"), load_file(original / "model.safetensors")
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        assert np.abs(tensors[name] - values).max() <= np.abs(values).max() / 100, name


def test_a_foreign_graph_needs_the_original_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = built_with_model_of(tmp_path / "project", write_model(tmp_path / "foreign"))
    monkeypatch.chdir(workspace.project.root)
    original = write_sentence_folder(tmp_path / "original")
    ran = patina("export", PROJECTION, "--to", str(tmp_path / "graph"))
    assert ran.code == 0
    assert "--weights" in ran.out
    names = sorted(file.name for file in (tmp_path / "graph").iterdir())
    assert names == ["model.onnx", "patina.json", "tokenizer.json"]

    given = patina("export", PROJECTION, "--to", str(tmp_path / "out"), "--weights", str(original))
    assert given.code == 0
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (original / "model.safetensors").read_bytes()
    other = write_sentence_folder(tmp_path / "other", hidden_size=32)
    refused(
        patina("export", PROJECTION, "--to", str(tmp_path / "no"), "--weights", str(other)), "hidden_size is 32", "16"
    )
    refused(
        patina("export", PROJECTION, "--to", str(tmp_path / "no"), "--weights", str(tmp_path)),
        "--weights",
        "config.json",
        "model.safetensors",
    )
    assert not (tmp_path / "no").exists()


# What is refused


def test_wrong_names_and_places(corpus: Workspace, tmp_path: Path) -> None:
    refused(patina("export", "temporl", "--to", "out"), "temporl", "did you mean 'temporal'")
    refused(patina("export", "base", "--to", "out"), "unknown projection 'base'")
    refused(patina("export", "semantic", "--to", "out"), "semantic", "not built", "patina oxidize")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    refused(patina("export", PROJECTION, "--to", "full"), "full", "expected a new or an empty folder")
    refused(patina("export", PROJECTION, "--to", "full/mine.txt"), "mine.txt", "expected a new or an empty folder")
    refused(patina("export", PROJECTION, "--to", "full/mine.txt/out"), "cannot be written", "untouched")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "project"]
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    damaged = corpus.paths(PROJECTION).weights
    damaged.write_bytes(damaged.read_bytes()[:-1])
    refused(patina("export", PROJECTION, "--to", "out"), damaged.name, "damaged")


def test_a_rebuilt_model_asks_for_a_build_first(corpus: Workspace) -> None:
    add_events(corpus.project, [note("zebra quagga okapi wombat", "2026-session-1") for _ in range(3)])
    run_model(corpus, lambda _: None, full=True)
    refused(patina("export", PROJECTION, "--to", "out"), "built with other bytes of corpus-static", "patina oxidize")


def test_a_graph_that_computes_something_else_is_not_exported(
    corpus: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = random_network(corpus.spec.dims, 32, 16, seed=9)
    real = text_onnx
    monkeypatch.setattr("patina_assets.export.export.text_onnx", lambda base, pooling, _: real(base, pooling, wrong))
    refused(patina("export", PROJECTION, "--to", "out"), "other vectors than the index", "nothing was exported")
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_an_empty_folder_is_filled(corpus: Workspace, tmp_path: Path) -> None:
    assert find_project(tmp_path / "project") == corpus.project
    (tmp_path / "out").mkdir()
    assert patina("export", PROJECTION, "--to", "out").code == 0
    assert (tmp_path / "out" / "modules.json").is_file()


def test_nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project(tmp_path / "project").root)
    refused(patina("export", PROJECTION, "--to", "out"), "patina oxidize")
