from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from refusals import refusal
from tiny_models import TEXTS, write_encoder, write_tokenizer

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.registry import ModelFiles, ModelSpec
from patina_resources.onnx.graph import computes_in_int8, inspect_onnx, write_self_contained
from patina_resources.store.files import file_sha256


def with_external_weights(path: Path, location: str = "weights.bin") -> Path:
    """Write an encoder whose table is in another file, and let the graph call it `location`."""
    write_encoder(path)
    model = onnx.load(path)
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("inputs", [("input_ids",), ("input_ids", "attention_mask"), ("input_ids", "token_type_ids")])
def test_what_a_file_takes_and_gives(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    facts = inspect_onnx(write_encoder(tmp_path / "m.onnx", dims=24, inputs=inputs))
    assert (facts.inputs, facts.outputs, facts.dims, facts.pooled) == (inputs, ("output",), 24, False)
    assert inspect_onnx(write_encoder(tmp_path / "p.onnx", pooled=True)).pooled
    assert computes_in_int8(write_encoder(tmp_path / "q.onnx", quantized=True))
    assert not computes_in_int8(tmp_path / "m.onnx")


def test_weights_in_the_same_folder_are_taken_in(tmp_path: Path) -> None:
    path = with_external_weights(tmp_path / "here" / "m.onnx")
    assert "keeps its weights in another file" in refusal(lambda: inspect_onnx(path))
    whole = tmp_path / "whole.onnx"
    write_self_contained(path, whole)
    spec, tokenizer = ModelSpec("tiny", 16, 32, "mean"), write_tokenizer(tmp_path / "tokenizer.json")
    expected = write_encoder(tmp_path / "expected.onnx")
    found, wanted = (
        OnnxEmbedder(spec, ModelFiles(file, tokenizer, "")).embed_passages(TEXTS) for file in (whole, expected)
    )
    assert np.array_equal(found, wanted)


def test_a_self_contained_file_is_copied_as_it_is(tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "m.onnx")
    write_self_contained(path, tmp_path / "copy.onnx")
    assert file_sha256(path) == file_sha256(tmp_path / "copy.onnx")


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "sub/../../weights.bin", "absent.bin", "", "."])
def test_weights_outside_of_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    path = with_external_weights(tmp_path / "here" / "m.onnx", location)
    (tmp_path / "weights.bin").write_bytes((tmp_path / "here" / "weights.bin").read_bytes())
    assert "expected a plain file in its own folder" in refusal(lambda: write_self_contained(path, tmp_path / "w.onnx"))
    assert not (tmp_path / "w.onnx").exists()


def test_weights_behind_a_link_are_refused(tmp_path: Path) -> None:
    path = with_external_weights(tmp_path / "here" / "m.onnx")
    (tmp_path / "here" / "weights.bin").rename(tmp_path / "elsewhere.bin")
    (tmp_path / "here" / "weights.bin").symlink_to(tmp_path / "elsewhere.bin")
    assert "expected a plain file" in refusal(lambda: write_self_contained(path, tmp_path / "w.onnx"))


def test_external_data_hidden_in_a_subgraph_or_a_function_is_found(tmp_path: Path) -> None:
    hidden = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    hidden.external_data.add(key="location", value="/etc/passwd")
    constant = helper.make_node("Constant", [], ["c"], value=hidden)
    inner = helper.make_graph([constant], "inner", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])])
    branching = helper.make_node("If", ["flag"], ["r"], then_branch=inner, else_branch=inner)
    for place in ("subgraph", "function"):
        path = write_encoder(tmp_path / "m.onnx")
        model = onnx.load(path)
        if place == "subgraph":
            model.graph.node.append(branching)
        else:
            opsets = [helper.make_opsetid("", 18)]
            model.functions.append(helper.make_function("own", "F", ["flag"], ["r"], [branching], opsets))
        path.write_bytes(model.SerializeToString())
        assert "keeps its weights in another file" in refusal(lambda: inspect_onnx(path))  # noqa: B023
        assert "'/etc/passwd'" in refusal(lambda: write_self_contained(path, tmp_path / "w.onnx"))  # noqa: B023


def test_a_compiled_graph_in_another_file_is_refused(tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "m.onnx")
    model = onnx.load(path)
    node = helper.make_node("EPContext", [], ["x"], domain="com.microsoft", ep_cache_context="../other.bin")
    model.graph.node.append(node)
    path.write_bytes(model.SerializeToString())
    assert "compiled graph in another file" in refusal(lambda: inspect_onnx(path))


def test_what_is_not_a_text_encoder_is_refused(tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "m.onnx", inputs=("input_ids", "pixels"))
    assert "it takes input_ids, pixels" in refusal(lambda: inspect_onnx(path))
    for data in (b"", b"\x00", b"not onnx at all", path.read_bytes()[: path.stat().st_size // 2]):
        (tmp_path / "bad.onnx").write_bytes(data)
        refusal(lambda: inspect_onnx(tmp_path / "bad.onnx"))
    assert "cannot be read" in refusal(lambda: inspect_onnx(tmp_path / "absent.onnx"))
