"""A sentence-transformers folder of the BERT family (safetensors) as ONNX, fp32 and int8.

The graph is the encoder of Devlin et al. 2019 (arXiv:1810.04805), written with `onnx.helper`: token ids in, token
vectors out; pooling stays with the embedder. Self-attention is onnxruntime's fused `com.microsoft.Attention`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors import SafetensorError, safe_open

from patina_resources.errors import PatinaError

# model_type -> whether positions are counted from the padding id on (Liu et al. 2019, arXiv:1907.11692, fairseq's way)
FAMILIES: Mapping[str, bool] = {"bert": False, "roberta": True, "xlm-roberta": True}
OPSET = 17  # the first with LayerNormalization
IR_VERSION = 9
LARGEST_ONNX_BYTES = 2_000_000_000  # protobuf's limit is 2^31
LARGEST_SETTING = 10_000_000
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "last_hidden_state"

Array = NDArray[Any]


@dataclass(frozen=True)
class BertShape:
    """The sizes of an encoder, from its config.json."""

    family: str
    layers: int
    heads: int
    hidden: int
    intermediate: int
    positions: int
    token_types: int
    vocabulary: int
    padding_id: int
    epsilon: float


def read_bert_shape(config: Path) -> BertShape:
    """Return the sizes that a transformers `config.json` names.

    Raises:
        PatinaError: It cannot be read, is of another family, or a size is missing or impossible.
    """
    try:
        values = json.loads(config.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise PatinaError(f"{config}: cannot be read as JSON ({error})") from error
    if not isinstance(values, dict) or values.get("model_type") not in FAMILIES:
        found = values.get("model_type") if isinstance(values, dict) else values
        raise PatinaError(
            f"{config}: model_type is {found!r}, expected one of {', '.join(FAMILIES)}: for other kinds, "
            "export ONNX elsewhere and add the folder that holds it and tokenizer.json"
        )
    if values.get("hidden_act", "gelu") != "gelu" or values.get("position_embedding_type", "absolute") != "absolute":
        raise PatinaError(f"{config}: expected hidden_act gelu and absolute positions")
    shape = BertShape(
        family=values["model_type"],
        layers=_size(values, "num_hidden_layers", config),
        heads=_size(values, "num_attention_heads", config),
        hidden=_size(values, "hidden_size", config),
        intermediate=_size(values, "intermediate_size", config),
        positions=_size(values, "max_position_embeddings", config),
        token_types=_size(values, "type_vocab_size", config),
        vocabulary=_size(values, "vocab_size", config),
        padding_id=_size({"pad_token_id": 0, **values}, "pad_token_id", config, smallest=0),
        epsilon=float(values.get("layer_norm_eps", 1e-12)),
    )
    if shape.hidden % shape.heads:
        raise PatinaError(f"{config}: hidden_size {shape.hidden} is not a multiple of {shape.heads} heads")
    return shape


def write_bert_onnx(folder: Path, target: Path) -> BertShape:
    """Write the encoder in `folder` (config.json, model.safetensors) to `target` as fp32 ONNX; return its sizes.

    Inputs are `input_ids`, `attention_mask`, `token_type_ids`, int64 `[batch, sequence]`; the output is
    `last_hidden_state`, float32 `[batch, sequence, hidden]`. Same folder, same bytes.

    Raises:
        PatinaError: A file is missing or damaged, a tensor is missing or of another shape than config.json says, or
            the model is too large for one ONNX file.
    """
    shape = read_bert_shape(folder / "config.json")
    weights = folder / "model.safetensors"
    try:
        with safe_open(weights, framework="np") as tensors:
            graph = _bert_graph(shape, _Weights(weights, tensors))
    except (OSError, SafetensorError) as error:
        raise PatinaError(f"{weights}: cannot be read as safetensors ({error})") from error
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)],
        ir_version=IR_VERSION,
        producer_name="patina",
    )
    # The graph is written as quantization wants it; without this mark it advises a preparing pass on every run.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    if model.ByteSize() > LARGEST_ONNX_BYTES:
        raise PatinaError(f"{weights}: too large for one ONNX file (2 GB)")
    target.write_bytes(model.SerializeToString())
    return shape


class _Weights:
    """The tensors of a safetensors file, read one at a time as float32 and checked for shape."""

    def __init__(self, path: Path, tensors: Any) -> None:  # noqa: ANN401 - safetensors has no public handle type
        self.path = path
        self.tensors = tensors
        names = tensors.keys()
        marker = "embeddings.word_embeddings.weight"
        found = [name for name in names if name.endswith(marker)]
        if not found:
            raise PatinaError(f"{path}: holds no {marker}: not a BERT encoder")
        self.prefix = min(found, key=len).removesuffix(marker)
        self.names = frozenset(names)

    def read(self, name: str, *shape: int) -> Array:
        full = self.prefix + name
        if full not in self.names:
            raise PatinaError(f"{self.path}: lacks the tensor {full}")
        found = tuple(self.tensors.get_slice(full).get_shape())
        if found != shape:
            raise PatinaError(f"{self.path}: {full} has shape {found}, config.json says {shape}")
        return np.asarray(self.tensors.get_tensor(full), dtype=np.float32)


class _Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:  # noqa: ANN401
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output or name], name=name, **attributes))
        return output or name

    def linear(self, x: str, name: str, weight: Array, bias: Array) -> str:
        product = self.add("MatMul", x, self.constant(f"{name}.weight", weight.T))
        return self.add("Add", product, self.constant(f"{name}.bias", bias))


def _bert_graph(shape: BertShape, weights: _Weights) -> onnx.GraphProto:
    graph = _Graph()
    for name, value in (("half", 0.5), ("one", 1.0), ("root_two", 2.0**0.5)):
        graph.constant(name, np.array(value, dtype=np.float32))
    x = _embeddings(graph, shape, weights)
    mask = graph.add("Cast", "attention_mask", to=TensorProto.INT32)
    for layer in range(shape.layers):
        output = OUTPUT if layer == shape.layers - 1 else None
        x = _encoder_layer(graph, shape, weights, f"encoder.layer.{layer}", x, mask, output)
    axes: Sequence[str] = ("batch", "sequence")
    return helper.make_graph(
        graph.nodes,
        "encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in INPUTS],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [*axes, shape.hidden])],
        graph.constants,
    )


def _embeddings(graph: _Graph, shape: BertShape, weights: _Weights) -> str:
    word = _rows(graph, weights, "word_embeddings", (shape.vocabulary, shape.hidden), "input_ids")
    token_type = _rows(graph, weights, "token_type_embeddings", (shape.token_types, shape.hidden), "token_type_ids")
    table = weights.read("embeddings.position_embeddings.weight", shape.positions, shape.hidden)
    position = _positions(graph, shape, graph.constant("position_embeddings", table))
    total = graph.add("Add", graph.add("Add", word, token_type), position)
    return _layer_norm(graph, shape, weights, "embeddings.LayerNorm", total, None)


def _rows(graph: _Graph, weights: _Weights, name: str, size: tuple[int, int], ids: str) -> str:
    return graph.add("Gather", graph.constant(name, weights.read(f"embeddings.{name}.weight", *size)), ids)


def _positions(graph: _Graph, shape: BertShape, table: str) -> str:
    """Add the rows 0, 1, 2, ... of `table`; in the RoBERTa family, real tokens count up from the padding id."""
    if FAMILIES[shape.family]:
        padding = graph.constant("padding_id", np.array(shape.padding_id, dtype=np.int64))
        real = graph.add("Cast", graph.add("Not", graph.add("Equal", "input_ids", padding)), to=TensorProto.INT64)
        count = graph.add("CumSum", real, graph.constant("sequence_axis", np.array(1, dtype=np.int64)))
        return graph.add("Gather", table, graph.add("Add", graph.add("Mul", count, real), padding))
    start = graph.constant("first_position", np.array([0], dtype=np.int64))
    return graph.add("Slice", table, start, graph.add("Shape", "input_ids", start=1, end=2), start)


def _encoder_layer(
    graph: _Graph, shape: BertShape, weights: _Weights, name: str, x: str, mask: str, output: str | None
) -> str:
    width, inner = shape.hidden, shape.intermediate
    parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
    projection = np.concatenate([weights.read(f"{part}.weight", width, width).T for part in parts], axis=1)
    bias = np.concatenate([weights.read(f"{part}.bias", width) for part in parts])
    attended = graph.add(
        "Attention",
        x,
        graph.constant(f"{name}.attention.weight", projection),
        graph.constant(f"{name}.attention.bias", bias),
        mask,
        domain="com.microsoft",
        num_heads=shape.heads,
    )
    attended = _dense(graph, weights, f"{name}.attention.output.dense", attended, width, width)
    x = _layer_norm(graph, shape, weights, f"{name}.attention.output.LayerNorm", graph.add("Add", attended, x), None)
    widened = _gelu(graph, _dense(graph, weights, f"{name}.intermediate.dense", x, width, inner))
    narrowed = _dense(graph, weights, f"{name}.output.dense", widened, inner, width)
    return _layer_norm(graph, shape, weights, f"{name}.output.LayerNorm", graph.add("Add", narrowed, x), output)


def _dense(graph: _Graph, weights: _Weights, name: str, x: str, inputs: int, outputs: int) -> str:
    return graph.linear(x, name, weights.read(f"{name}.weight", outputs, inputs), weights.read(f"{name}.bias", outputs))


def _gelu(graph: _Graph, x: str) -> str:
    """Add x * (1 + erf(x / sqrt 2)) / 2 in the form that onnxruntime fuses (Hendrycks & Gimpel, arXiv:1606.08415)."""
    erf = graph.add("Erf", graph.add("Div", x, "root_two"))
    return graph.add("Mul", graph.add("Mul", x, graph.add("Add", erf, "one")), "half")


def _layer_norm(graph: _Graph, shape: BertShape, weights: _Weights, name: str, x: str, output: str | None) -> str:
    scale = graph.constant(f"{name}.weight", weights.read(f"{name}.weight", shape.hidden))
    shift = graph.constant(f"{name}.bias", weights.read(f"{name}.bias", shape.hidden))
    return graph.add("LayerNormalization", x, scale, shift, output=output, axis=-1, epsilon=shape.epsilon)


def _size(values: Mapping[str, Any], key: str, config: Path, smallest: int = 1) -> int:
    value = values.get(key)
    if type(value) is int and smallest <= value <= LARGEST_SETTING:
        return value
    raise PatinaError(f"{config}: {key} is {value!r}, expected a whole number from {smallest}")
