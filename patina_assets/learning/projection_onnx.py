"""A trained projection as an ONNX graph, for other runtimes."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from patina_assets.learning.projection import SMALLEST_LENGTH, Projection

ONNX_OPSET = 18
ONNX_IR_VERSION = 10


def to_onnx(projection: Projection) -> bytes:
    """Return an ONNX model that computes the same as `Projection.apply`; equal input gives equal bytes.

    Input `vectors` float32 [n, input], output `projected` float32 [n, output] (opset 18).
    """
    constants = {
        "w1": projection.w1,
        "b1": projection.b1,
        "w2": projection.w2,
        "b2": projection.b2,
        "zero": np.zeros((), dtype=np.float32),
        "smallest_length": np.array(SMALLEST_LENGTH, dtype=np.float32),
        "last_axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gemm", ["vectors", "w1", "b1"], ["before_relu"], transB=1),
        helper.make_node("Relu", ["before_relu"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["outputs"], transB=1),
        # An all-zero vector stays all zero, whatever the biases are.
        helper.make_node("Abs", ["vectors"], ["magnitudes"]),
        helper.make_node("ReduceMax", ["magnitudes", "last_axis"], ["largest"], keepdims=1),
        helper.make_node("Greater", ["largest", "zero"], ["has_direction"]),
        helper.make_node("Where", ["has_direction", "outputs", "zero"], ["directed"]),
        helper.make_node("ReduceL2", ["directed", "last_axis"], ["lengths"], keepdims=1),
        helper.make_node("Max", ["lengths", "smallest_length"], ["divisors"]),
        helper.make_node("Div", ["directed", "divisors"], ["projected"]),
    ]
    graph = helper.make_graph(
        nodes,
        "patina_projection",
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", projection.input_dims])],
        [helper.make_tensor_value_info("projected", TensorProto.FLOAT, ["n", projection.output_dims])],
        [numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="patina-assets",
        ir_version=ONNX_IR_VERSION,
        opset_imports=[helper.make_opsetid("", ONNX_OPSET)],
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
