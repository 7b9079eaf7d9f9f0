"""Computing in int8: what the layers do, and that a text's vector depends on nothing but the text."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from tiny_models import VOCABULARY, write_sentence_folder

from patina_resources.arrays import Float32
from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.registry import ModelFiles, ModelSpec
from patina_resources.onnx import session as onnx_session
from patina_resources.onnx.session import PRODUCT_MODEL, load_session
from patina_resources.onnx.write.bert import IR_VERSION, OPSET, write_bert_onnx
from patina_resources.onnx.write.bert_weights import recover_bert
from patina_resources.onnx.write.layers import MICROSOFT, Int8Layers

SPEC = ModelSpec("tiny", dims=16, max_tokens=32, pooling="mean")
WIDTH = 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sentence_folder(tmp_path / "source", seed=3)


def many_texts(count: int) -> list[str]:
    rng = np.random.default_rng(5)
    words = VOCABULARY[4:]
    return [" ".join(rng.choice(words, size=rng.integers(1, 6))) for _ in range(count)]


def embedder_of(folder: Path, graph: Path, threads: int = 1) -> OnnxEmbedder:
    return OnnxEmbedder(SPEC, ModelFiles(graph, folder / "tokenizer.json", "digest", "int8"), threads=threads)


def embedded(embedder: OnnxEmbedder, texts: list[str]) -> tuple[Float32, int]:
    """Return the vectors, and in how many runs they were computed."""
    done: list[int] = []
    vectors = embedder.embed_passages(texts, lambda ready, _: done.append(ready))
    assert done[-1] == len(texts)
    return vectors, len(done)


def usual_int8(folder: Path, target: Path) -> Path:
    """Write what onnxruntime's dynamic quantization makes of the model: scales are taken over the whole batch."""
    write_bert_onnx(folder, target.with_suffix(".fp32"))
    quantize_dynamic(
        target.with_suffix(".fp32"),
        target,
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    return target


def computed(layers: Int8Layers, output: str, path: Path, x: Float32) -> Float32:
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "s"]),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "s", WIDTH]),
    ]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    graph = helper.make_graph(layers.nodes, "layers", inputs, outputs, layers.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION), path)
    [found] = load_session(path, int8=True).run(None, {"ids": np.zeros(x.shape[:2], np.int64), "x": x})
    return np.asarray(found)


def rounded(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the values as int8 holds them, with one scale for all along the axis."""
    scale = np.abs(values).max(axis=axis, keepdims=True) / 127
    return np.rint(values / np.where(scale == 0, 1, scale)) * scale


def dense(rng: np.random.Generator, outputs: int, inputs: int) -> tuple[Float32, Float32]:
    return rng.normal(size=(outputs, inputs)).astype(np.float32), rng.normal(size=outputs).astype(np.float32)


def test_a_linear_layer_scales_each_row_and_each_output(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weight, bias = dense(rng, 24, WIDTH)
    weight[3] = 0
    x = (rng.normal(size=(2, 5, WIDTH)) * 10.0 ** rng.integers(-4, 4, (2, 5, 1))).astype(np.float32)
    x[1, 2] = 0
    layers = Int8Layers("ids")
    found = computed(layers, layers.linear("x", "layer", (weight, bias)), tmp_path / "layer.onnx", x)
    expected = rounded(x.astype(float), -1) @ rounded(weight.astype(float), 1).T + bias
    # A value halfway between two steps may be rounded to either.
    step = np.abs(x).max(axis=-1, keepdims=True) / 127 * np.abs(weight).max()
    assert (np.abs(found - expected) <= 1e-4 * np.abs(expected) + 1.01 * step).all()
    assert np.abs(found - expected).mean() < 1e-3 * np.abs(expected).mean()
    np.testing.assert_allclose(found[1, 2], bias, atol=1e-6)
    np.testing.assert_allclose(found[..., 3], bias[3], atol=1e-6)


def test_feed_forward_keeps_what_gelu_makes_small_and_negative(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    inner, outer = dense(rng, 48, WIDTH), dense(rng, WIDTH, 48)
    x = rng.normal(size=(1, 200, WIDTH)).astype(np.float32)
    x[0, 100:] *= 0.05
    inner[1][:] = -0.75  # near the lowest value of GELU
    layers = Int8Layers("ids")
    found = computed(layers, layers.feed_forward("x", "layer", inner, outer), tmp_path / "layer.onnx", x)
    hidden = x.astype(float) @ inner[0].T + inner[1]
    gelu = hidden / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
    expected = gelu @ outer[0].T + outer[1]
    assert gelu[0, 100:].min() < -0.169
    for rows in (slice(0, 100), slice(100, 200)):
        error = found[0, rows] - expected[0, rows]
        assert np.sqrt((error**2).mean()) < 0.02 * np.sqrt((expected[0, rows] ** 2).mean())


def test_a_text_has_the_same_vector_in_any_company(folder: Path, tmp_path: Path) -> None:
    write_bert_onnx(folder, tmp_path / "int8.onnx", "int8")
    embedder = embedder_of(folder, tmp_path / "int8.onnx")
    texts = many_texts(600)
    together, runs = embedded(embedder, texts)
    assert runs < len(texts) / 20
    alone = np.stack([embedder.embed_passages([text])[0] for text in texts])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(embedder.embed_passages(texts[::-1])[::-1], alone)
    np.testing.assert_array_equal(embedder_of(folder, tmp_path / "int8.onnx", 3).embed_passages(texts[7:]), alone[7:])


def test_a_graph_that_scales_over_the_batch_runs_each_text_alone(folder: Path, tmp_path: Path) -> None:
    embedder = embedder_of(folder, usual_int8(folder, tmp_path / "usual.onnx"))
    texts = many_texts(40)
    together, runs = embedded(embedder, texts)
    assert runs == len(texts)
    np.testing.assert_array_equal(together, np.stack([embedder.embed_passages([text])[0] for text in texts]))


def test_weights_come_back_from_either_int8_graph(folder: Path, tmp_path: Path) -> None:
    write_bert_onnx(folder, tmp_path / "int8.onnx", "int8")
    write_bert_onnx(folder, tmp_path / "fp32.onnx")
    original = recover_bert(tmp_path / "fp32.onnx")
    assert original is not None
    for graph in (tmp_path / "int8.onnx", usual_int8(folder, tmp_path / "usual.onnx")):
        found = recover_bert(graph)
        assert found is not None
        assert (found.config, found.tensors.keys()) == (original.config, original.tensors.keys())
        for name, values in original.tensors.items():
            assert np.abs(found.tensors[name] - values).max() <= np.abs(values).max() / 100, name


def test_the_model_that_tries_products_is_one_node() -> None:
    kinds = {"a": TensorProto.UINT8, "b": TensorProto.INT8, "c": TensorProto.INT32}
    a, b, c = (helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items())
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "p", [a, b], [c])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=9)
    assert model.SerializeToString(deterministic=True) == PRODUCT_MODEL


def test_products_are_exact_on_this_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = Int8Layers("ids")
    weight = np.full((16, WIDTH), -1, np.float32)
    output = layers.linear("x", "layer", (weight, np.zeros(16, np.float32)))
    x = np.ones((1, 40, WIDTH), np.float32)
    found = computed(layers, output, tmp_path / "layer.onnx", x)
    np.testing.assert_allclose(found, -WIDTH, rtol=1e-6)
    # Where the processor needs no help, asking for it changes nothing but the time.
    asked: list[str] = []
    options = onnxruntime.SessionOptions

    class Watched(options):  # type: ignore[misc, valid-type]
        def add_session_config_entry(self, key: str, value: str) -> None:
            asked.append(key)
            super().add_session_config_entry(key, value)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Watched)
    monkeypatch.setattr(onnx_session, "multiplies_int8_exactly", lambda: False)
    np.testing.assert_array_equal(computed(layers, output, tmp_path / "layer.onnx", x), found)
    assert asked == ["session.x64quantprecision"]
