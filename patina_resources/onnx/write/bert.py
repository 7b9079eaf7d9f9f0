"""A sentence-transformers folder of the BERT family (safetensors) as ONNX, fp32 and int8.

The graph is the encoder of Devlin et al. 2019 (arXiv:1810.04805), written with `onnx.helper`: token ids in, token
vectors out; pooling stays with the embedder. Self-attention is onnxruntime's own, fused (`com.microsoft`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from safetensors import SafetensorError, safe_open

from patina_resources.documents.json_value import json_value
from patina_resources.errors import PatinaError
from patina_resources.models.registry import Precision
from patina_resources.onnx.session import SCALED_BY_ROW
from patina_resources.onnx.write.layers import MICROSOFT, Array, Dense, Int8Layers, Layers

# model_type -> whether positions are counted from the padding id on (Liu et al. 2019, arXiv:1907.11692, fairseq's way)
FAMILIES: Mapping[str, bool] = {"bert": False, "roberta": True, "xlm-roberta": True}
OPSET = 17  # the first with LayerNormalization
IR_VERSION = 9
NUMBER_FORMATS = ("F64", "F32", "F16", "BF16")
LARGEST_ONNX_BYTES = 2_000_000_000  # protobuf's limit is 2^31
LARGEST_SETTING = 10_000_000
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "last_hidden_state"


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
    if config.exists() and not config.is_file():  # opening a pipe would wait
        raise PatinaError(f"{config}: not a regular file: expected the encoder's settings")
    try:
        values = json_value(config.read_bytes())
    except (OSError, ValueError) as error:
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


def write_bert_onnx(folder: Path, target: Path, precision: Precision = "fp32") -> BertShape:
    """Write the encoder in `folder` (config.json, model.safetensors) to `target` as ONNX; return its sizes.

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
            layers = (Int8Layers if precision == "int8" else Layers)(INPUTS[0])
            graph = _bert_graph(layers, shape, _Weights(weights, tensors))
    except (OSError, SafetensorError) as error:
        raise PatinaError(f"{weights}: cannot be read as safetensors ({error})") from error
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=IR_VERSION,
        producer_name="patina",
    )
    if precision == "int8":
        helper.set_model_props(model, {SCALED_BY_ROW: "true"})
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
        stored = self.tensors.get_slice(full)
        found = tuple(stored.get_shape())
        if found != shape:
            raise PatinaError(f"{self.path}: {full} has shape {found}, config.json says {shape}")
        if stored.get_dtype() not in NUMBER_FORMATS:  # such as F8_E4M3, which has its scales elsewhere
            formats = ", ".join(NUMBER_FORMATS)
            raise PatinaError(f"{self.path}: {full} is stored as {stored.get_dtype()}: expected one of {formats}")
        return np.asarray(self.tensors.get_tensor(full), dtype=np.float32)

    def dense(self, name: str, outputs: int, inputs: int) -> Dense:
        return self.read(f"{name}.weight", outputs, inputs), self.read(f"{name}.bias", outputs)


def _bert_graph(graph: Layers, shape: BertShape, weights: _Weights) -> onnx.GraphProto:
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


def _embeddings(graph: Layers, shape: BertShape, weights: _Weights) -> str:
    word = _rows(graph, weights, "word_embeddings", (shape.vocabulary, shape.hidden), "input_ids")
    token_type = _rows(graph, weights, "token_type_embeddings", (shape.token_types, shape.hidden), "token_type_ids")
    table = weights.read("embeddings.position_embeddings.weight", shape.positions, shape.hidden)
    position = _positions(graph, shape, graph.constant("position_embeddings", table))
    total = graph.add("Add", graph.add("Add", word, token_type), position)
    return _layer_norm(graph, shape, weights, "embeddings.LayerNorm", total, None)


def _rows(graph: Layers, weights: _Weights, name: str, size: tuple[int, int], ids: str) -> str:
    return graph.rows(name, weights.read(f"embeddings.{name}.weight", *size), ids)


def _positions(graph: Layers, shape: BertShape, table: str) -> str:
    """Add the rows 0, 1, 2, ... of `table`; in the RoBERTa family, real tokens count up from the padding id."""
    if FAMILIES[shape.family]:
        padding = graph.constant("padding_id", np.array(shape.padding_id, dtype=np.int64))
        real = graph.add("Cast", graph.add("Not", graph.add("Equal", "input_ids", padding)), to=TensorProto.INT64)
        count = graph.add("CumSum", real, graph.constant("sequence_axis", np.array(1, dtype=np.int64)))
        return graph.add("Gather", table, graph.add("Add", graph.add("Mul", count, real), padding))
    start = graph.constant("first_position", np.array([0], dtype=np.int64))
    return graph.add("Slice", table, start, graph.add("Shape", "input_ids", start=1, end=2), start)


def _encoder_layer(
    graph: Layers, shape: BertShape, weights: _Weights, name: str, x: str, mask: str, output: str | None
) -> str:
    width, inner = shape.hidden, shape.intermediate
    parts = [weights.dense(f"{name}.attention.self.{part}", width, width) for part in ("query", "key", "value")]
    attended = graph.attention(x, f"{name}.attention", parts, mask, shape.heads)
    joined = weights.dense(f"{name}.attention.output.dense", width, width)
    attended = graph.linear(attended, f"{name}.attention.output.dense", joined)
    x = _layer_norm(graph, shape, weights, f"{name}.attention.output.LayerNorm", graph.add("Add", attended, x), None)
    widening = weights.dense(f"{name}.intermediate.dense", inner, width)
    narrowing = weights.dense(f"{name}.output.dense", width, inner)
    total = graph.add("Add", graph.feed_forward(x, name, widening, narrowing), x)
    return _layer_norm(graph, shape, weights, f"{name}.output.LayerNorm", total, output)


def _layer_norm(graph: Layers, shape: BertShape, weights: _Weights, name: str, x: str, output: str | None) -> str:
    scale = graph.constant(f"{name}.weight", weights.read(f"{name}.weight", shape.hidden))
    shift = graph.constant(f"{name}.bias", weights.read(f"{name}.bias", shape.hidden))
    return graph.add("LayerNormalization", x, scale, shift, output=output, axis=-1, epsilon=shape.epsilon)


def _size(values: Mapping[str, Any], key: str, config: Path, smallest: int = 1) -> int:
    value = values.get(key)
    if type(value) is int and smallest <= value <= LARGEST_SETTING:
        return value
    raise PatinaError(f"{config}: {key} is {value!r}, expected a whole number from {smallest}")
