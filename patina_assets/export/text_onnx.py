"""Base model, pooling and projection as one ONNX graph: token ids in, projected vectors out."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from patina_assets.learning.projection import SMALLEST_LENGTH, Projection
from patina_resources.models.registry import Pooling

OUTPUT = "projected"
VECTOR = "vector"
MASK = "attention_mask"
# Names of what is added; no exporter of base models uses it.
PREFIX = "patina."


def text_onnx(base: onnx.ModelProto, pooling: Pooling, projection: Projection) -> bytes:
    """Return an ONNX model that computes what the embedder and `Projection.apply` compute one after the other.

    Inputs are the base model's (`input_ids`, `attention_mask`, perhaps `token_type_ids`), int64 [texts, tokens]; the
    output is `projected`, float32 [texts, output], rows of unit length (or zeros for a text without tokens).
    Only operators are added that mean the same in every opset from 11 on, so that the base model's own opset stays.

    Args:
        base: The base model's graph; its first output is pooled. It is left as it is.
        pooling: How token vectors become one vector.
        projection: What is put behind.
    """
    model = onnx.ModelProto()
    model.CopyFrom(base)
    added = _Added(model.graph)
    vectors = added.pooled(model.graph.output[0].name, pooling, projection.input_dims)
    unit = added.unit(vectors, projection.input_dims)
    hidden = added.linear(unit, "w1", projection.w1, projection.b1)
    outputs = added.linear(added.node("Relu", hidden), "w2", projection.w2, projection.b2)
    # A text without tokens has no direction, whatever the biases are.
    lengths = added.lengths(vectors, projection.input_dims)
    directed = added.node("Where", added.node("Greater", lengths, added.zero), outputs, added.zero)
    added.unit(directed, projection.output_dims, name=OUTPUT)
    return _with_output(model, OUTPUT, projection.output_dims)


def vector_onnx(base: onnx.ModelProto, pooling: Pooling, dims: int) -> bytes:
    """Return an ONNX model that computes what the embedder does: as `text_onnx`, without a projection behind.

    The output is `vector`, float32 [texts, dims], rows of unit length (or zeros for a text without tokens).
    """
    model = onnx.ModelProto()
    model.CopyFrom(base)
    added = _Added(model.graph)
    added.unit(added.pooled(model.graph.output[0].name, pooling, dims), dims, name=VECTOR)
    return _with_output(model, VECTOR, dims)


def _with_output(model: onnx.ModelProto, name: str, dims: int) -> bytes:
    """Return the model with that single output."""
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["texts", dims]))
    model.producer_name = "patina-assets"
    return bytes(model.SerializeToString(deterministic=True))


class _Added:
    """Nodes and constants put behind a graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.zero = self.constant("zero", np.zeros((), np.float32))
        self.smallest = self.constant("smallest", np.array(SMALLEST_LENGTH, np.float32))

    def constant(self, name: str, values: np.ndarray) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values, order="C"), PREFIX + name))
        return PREFIX + name

    def node(self, kind: str, *inputs: str, name: str | None = None, **attributes: int) -> str:
        output = name or f"{PREFIX}{kind}_{len(self.graph.node)}"
        node = helper.make_node(kind, inputs, [output], name=f"{PREFIX}{len(self.graph.node)}")
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.graph.node.append(node)
        return output

    def linear(self, x: str, name: str, weight: np.ndarray, bias: np.ndarray) -> str:
        inputs = (x, self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias))
        return self.node("Gemm", *inputs, transB=1)

    def pooled(self, output: str, pooling: Pooling, dims: int) -> str:
        """Add the pooling of [texts, tokens, dims]; the sum stands for the mean, whose length does not matter."""
        if pooling == "model":
            return output
        if pooling == "cls":
            return self.node("Gather", output, self.constant("first", np.array(0, np.int64)), axis=1)
        if all(entry.name != MASK for entry in self.graph.input):
            self.graph.input.append(helper.make_tensor_value_info(MASK, TensorProto.INT64, ["texts", "tokens"]))
        kept = self.node("Cast", MASK, to=TensorProto.FLOAT)
        row = self.node("Reshape", kept, self.constant("row", np.array([0, 1, -1], np.int64)))
        summed = self.node("MatMul", row, output)
        return self.node("Reshape", summed, self.constant("pooled", np.array([0, dims], np.int64)))

    def lengths(self, x: str, dims: int) -> str:
        name = f"ones_{dims}"
        if all(tensor.name != PREFIX + name for tensor in self.graph.initializer):
            self.constant(name, np.ones((dims, 1), np.float32))
        return self.node("Sqrt", self.node("MatMul", self.node("Mul", x, x), PREFIX + name))

    def unit(self, x: str, dims: int, name: str | None = None) -> str:
        return self.node("Div", x, self.node("Max", self.lengths(x, dims), self.smallest), name=name)
