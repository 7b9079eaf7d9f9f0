"""What is built, in the programs that it is meant for: each test is skipped where its program is not installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_projects import PROJECTION, built_with_corpus_model, built_with_tiny_bert
from numpy.typing import NDArray
from small_project import patina
from test_export import indexed_vectors

from patina_assets.learning.projection import from_safetensors
from patina_assets.pipeline.workspace import Workspace


def peer(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed here")


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("PATINA_PROJECT", str(tmp_path / "project"))
    return built_with_corpus_model(tmp_path / "project")


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.sum(first * second, axis=1))


@pytest.mark.parametrize("base", ["corpus-static", "transformer"])
def test_sentence_transformers_encodes_to_our_vectors(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence_transformers = peer("sentence_transformers")
    monkeypatch.setenv("PATINA_PROJECT", str(tmp_path / "project"))
    if base == "transformer":
        workspace = built_with_tiny_bert(tmp_path / "project", tmp_path / "original")
    else:
        workspace = built_with_corpus_model(tmp_path / "project")
    ran = patina("export", PROJECTION, "--to", str(tmp_path / "out"))
    assert ran.code == 0, ran.err
    texts, expected = indexed_vectors(workspace)
    model = sentence_transformers.SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert cosines(model.encode(texts), expected).min() >= 0.999
    assert cosines(model.encode(texts, batch_size=1), expected).min() >= 0.999


def test_torch_computes_the_same_from_the_weights(corpus: Workspace) -> None:
    torch = peer("torch")
    from safetensors.torch import load_file

    weights = load_file(corpus.paths(PROJECTION).weights)
    vectors = np.random.default_rng(0).standard_normal((50, corpus.spec.dims)).astype(np.float32)
    hidden = torch.relu(torch.nn.functional.linear(torch.from_numpy(vectors), weights["w1.weight"], weights["w1.bias"]))
    outputs = torch.nn.functional.linear(hidden, weights["w2.weight"], weights["w2.bias"])
    found = torch.nn.functional.normalize(outputs, dim=1).numpy()
    assert np.abs(found - _ours(corpus, vectors)).max() < 1e-5


def test_mlx_computes_the_same_from_the_weights(corpus: Workspace) -> None:
    mx = peer("mlx.core")
    weights = mx.load(str(corpus.paths(PROJECTION).weights))
    vectors = np.random.default_rng(0).standard_normal((50, corpus.spec.dims)).astype(np.float32)
    hidden = mx.maximum(mx.array(vectors) @ weights["w1.weight"].T + weights["w1.bias"], 0)
    outputs = hidden @ weights["w2.weight"].T + weights["w2.bias"]
    found = np.array(outputs / mx.linalg.norm(outputs, axis=1, keepdims=True))
    assert np.abs(found - _ours(corpus, vectors)).max() < 1e-5


def test_the_pairs_train_a_sentence_transformer_as_they_are(corpus: Workspace, tmp_path: Path) -> None:
    sentence_transformers, datasets = peer("sentence_transformers"), peer("datasets")
    peer("accelerate")
    assert patina("export", PROJECTION, "--to", str(tmp_path / "out")).code == 0
    model = sentence_transformers.SentenceTransformer(str(tmp_path / "out"), device="cpu")
    pairs = datasets.load_dataset(
        "json", data_files=str(corpus.paths(PROJECTION).pairs), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert pairs.column_names == ["anchor", "positive", "negative"]
    before = model.encode(["File: src/cache/index.py"])
    arguments = sentence_transformers.SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "trained"), max_steps=2, per_device_train_batch_size=16, report_to=[], use_cpu=True
    )
    losses = peer("sentence_transformers.losses")
    trainer = sentence_transformers.SentenceTransformerTrainer(
        model, arguments, train_dataset=pairs, loss=losses.MultipleNegativesRankingLoss(model)
    )
    trained = trainer.train()
    assert np.isfinite(trained.training_loss)
    assert not np.array_equal(model.encode(["File: src/cache/index.py"]), before)


def _ours(workspace: Workspace, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    path = workspace.paths(PROJECTION).weights
    return from_safetensors(path.read_bytes(), path.name).apply(vectors)
