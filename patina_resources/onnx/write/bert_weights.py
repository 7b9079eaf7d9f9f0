"""The way back from `bert_onnx`: the weights of an encoder that it wrote, named as transformers names them.

The cache keeps only the graph of a model. Its constants are the original tensors, transposed where a graph wants them
so, and query, key and value side by side; int8 constants are scaled back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from patina_resources.errors import PatinaError
from patina_resources.onnx.write.bert import OUTPUT
from patina_resources.onnx.write.layers import QUANTIZED, SCALE

Tensors = Mapping[str, NDArray[np.float32]]
ATTENTION_NODES = frozenset({"Attention", "QAttention", "MultiHeadAttention"})
TABLES = ("position_embeddings", "token_type_embeddings", "word_embeddings")
PROJECTED = ("query", "key", "value")
LINEAR = ("attention.output.dense", "intermediate.dense", "output.dense")


@dataclass(frozen=True)
class BertFiles:
    """What transformers needs of an encoder.

    Attributes:
        config: Content of `config.json`.
        tensors: float32 tensors of `model.safetensors` by name.
    """

    config: Mapping[str, Any]
    tensors: Tensors


def recover_bert(path: Path) -> BertFiles | None:
    """Return config and weights of the encoder in an ONNX file, or None where `bert_onnx` did not write it.

    Args:
        path: A verified fp32 or int8 graph.

    Raises:
        PatinaError: The file cannot be read.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror or error})") from error
    constants = _constants(model.graph)
    heads = [_attribute(node, "num_heads") for node in model.graph.node if node.op_type in ATTENTION_NODES]
    wanted = {*TABLES, "encoder.layer.0.attention.bias"}
    if not heads or not wanted <= constants.keys() or model.graph.output[0].name != OUTPUT:
        return None
    tensors = {f"embeddings.{name}.weight": constants[name] for name in TABLES}
    tensors |= _both("embeddings.LayerNorm", constants)
    for layer in range(len(heads)):
        tensors |= _layer(f"encoder.layer.{layer}", constants)
    return BertFiles(_config(model.graph, constants, len(heads), int(heads[0])), tensors)


def _layer(name: str, constants: Tensors) -> dict[str, NDArray[np.float32]]:
    tensors = {}
    for part, columns, entries in zip(
        PROJECTED,
        _projections(f"{name}.attention", constants),
        np.split(constants[f"{name}.attention.bias"], 3),
        strict=True,
    ):
        tensors[f"{name}.attention.self.{part}.weight"] = np.ascontiguousarray(columns.T)
        tensors[f"{name}.attention.self.{part}.bias"] = entries
    for linear in LINEAR:
        tensors[f"{name}.{linear}.weight"] = np.ascontiguousarray(constants[f"{name}.{linear}.weight"].T)
        tensors[f"{name}.{linear}.bias"] = constants[f"{name}.{linear}.bias"]
    for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
        tensors |= _both(f"{name}.{norm}", constants)
    return tensors


def _projections(name: str, constants: Tensors) -> list[NDArray[np.float32]]:
    """Return the weights of query, key and value: side by side in fp32, one by one in int8."""
    together = constants.get(f"{name}.weight")
    if together is None:
        return [constants[f"{name}.{part}.weight"] for part in PROJECTED]
    return np.split(together, 3, axis=1)


def _both(name: str, constants: Tensors) -> dict[str, NDArray[np.float32]]:
    return {f"{name}.{part}": constants[f"{name}.{part}"] for part in ("weight", "bias")}


def _config(graph: onnx.GraphProto, constants: Tensors, layers: int, heads: int) -> dict[str, Any]:
    """Return config.json; positions that begin after a padding id tell the RoBERTa family from BERT."""
    norm = next(node for node in graph.node if node.op_type == "LayerNormalization")
    padding = constants.get("padding_id")
    family, architecture = ("bert", "BertModel") if padding is None else ("roberta", "RobertaModel")
    return {
        "model_type": family,
        "architectures": [architecture],
        "hidden_act": "gelu",
        "hidden_size": constants["word_embeddings"].shape[1],
        "intermediate_size": constants["encoder.layer.0.intermediate.dense.bias"].shape[0],
        "layer_norm_eps": round(float(_attribute(norm, "epsilon")), 15),
        "max_position_embeddings": constants["position_embeddings"].shape[0],
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "pad_token_id": 0 if padding is None else int(padding),
        "type_vocab_size": constants["token_type_embeddings"].shape[0],
        "vocab_size": constants["word_embeddings"].shape[0],
    }


def _constants(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Return all constants as float32; one that was quantized, scaled back under its own name."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants = {name: values.astype(np.float32) for name, values in stored.items()}
    for name in stored:
        whole = name.removesuffix(QUANTIZED)
        if whole != name and whole + SCALE in stored:
            # Only graphs that onnxruntime quantized have a zero point.
            shift = constants.get(f"{whole}_zero_point", np.float32(0))
            constants[whole] = ((constants[name] - shift) * stored[whole + SCALE]).astype(np.float32)
    return constants


def _attribute(node: onnx.NodeProto, name: str) -> Any:  # noqa: ANN401 - an attribute may be of any type
    return next(onnx.helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name)
