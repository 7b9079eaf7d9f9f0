"""The models that a process has loaded."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

from patina_assets.search.base_model import embedder
from patina_resources.corpus.model import CORPUS_SPEC, build_corpus_model
from patina_resources.models.registry import ModelFiles

TEXTS = ["read the token of the stream", "write the header of the stream", "close the socket of the proxy"] * 4
SPEC = replace(CORPUS_SPEC, dims=16)


def written(folder: Path) -> ModelFiles:
    """Return the files of a small model in a new folder."""
    folder.mkdir()
    built = build_corpus_model(TEXTS, dims=SPEC.dims)
    (folder / "model.onnx").write_bytes(built.onnx)
    (folder / "tokenizer.json").write_bytes(built.tokenizer)
    return ModelFiles(folder / "model.onnx", folder / "tokenizer.json", "first")


def test_a_model_is_loaded_once_and_let_go_when_a_build_has_replaced_it(tmp_path: Path) -> None:
    files, others = written(tmp_path / "one"), written(tmp_path / "other")
    former, other = weakref.ref(embedder(SPEC, files)), embedder(SPEC, others)
    assert former() is not None
    assert former() is embedder(SPEC, files)
    assert embedder(SPEC, replace(files, digest="second")) is not former()
    gc.collect()
    assert former() is None
    assert embedder(SPEC, others) is other
