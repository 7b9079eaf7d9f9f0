"""What an ONNX file asks for and gives, read without running it; files that reach beyond themselves are refused."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from patina_resources.errors import PatinaError, shown
from patina_resources.onnx.session import SCALED_BY_ROW

KNOWN_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
# Nodes that `onnx_layers` writes, and that onnxruntime's dynamic quantization leaves behind.
INT8_NODES = frozenset(
    {"MatMulIntegerToFloat", "MatMulInteger", "DynamicQuantizeLinear", "QAttention", "DynamicQuantizeMatMul", "QGemm"}
)
# A compiled graph in another file, which an execution provider would open.
EXTERNAL_NODE = "EPContext"


@dataclass(frozen=True)
class OnnxFacts:
    """The outside of a model.

    Attributes:
        inputs: Names of its inputs.
        outputs: Names of its outputs.
        dims: Length of the vectors in its first output, where the file states it.
        pooled: Whether its first output is one vector per text (two axes), where the file states it.
        quantized: Whether it computes in int8.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dims: int | None
    pooled: bool
    quantized: bool


def inspect_onnx(path: Path) -> OnnxFacts:
    """Return what a text encoder in one self-contained ONNX file takes and gives.

    Raises:
        PatinaError: It is not ONNX, keeps data in other files, or is not a text encoder.
    """
    model = _load(path)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = tuple(value.name for value in graph.input if value.name not in constants)
    outputs = tuple(value.name for value in graph.output)
    if "input_ids" not in inputs or not KNOWN_INPUTS.issuperset(inputs) or not outputs:
        raise PatinaError(
            f"{path}: not a text encoder: it takes {', '.join(inputs) or 'nothing'}, expected input_ids and "
            "perhaps attention_mask, token_type_ids and position_ids"
        )
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise PatinaError(f"{path}: keeps its weights in another file, expected one self-contained ONNX file")
    kinds = {node.op_type for node in _nodes(model)}
    if EXTERNAL_NODE in kinds:
        raise PatinaError(f"{path}: refers to a compiled graph in another file, expected a plain ONNX graph")
    shape = graph.output[0].type.tensor_type.shape.dim
    dims = shape[-1].dim_value if shape else 0
    return OnnxFacts(inputs, outputs, dims or None, len(shape) == 2, bool(kinds & INT8_NODES))


def computes_in_int8(path: Path) -> bool:
    """Return whether an ONNX file is quantized.

    Raises:
        PatinaError: It is not ONNX.
    """
    return bool({node.op_type for node in _nodes(_load(path))} & INT8_NODES)


def scales_by_row(path: Path) -> bool:
    """Return whether an ONNX file says that its int8 activations have one scale per token.

    Raises:
        PatinaError: It is not ONNX.
    """
    return any(entry.key == SCALED_BY_ROW for entry in _load(path).metadata_props)


def write_self_contained(source: Path, target: Path) -> None:
    """Copy an ONNX file to `target`, taking in weights that it keeps in files of its own folder.

    Raises:
        PatinaError: It is not ONNX, is too large for one file, or names a file that is missing, a link, or outside
            of its folder.
    """
    model = _load(source)
    names = {
        entry.value
        for tensor in _tensors(model)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    folder = source.resolve().parent
    for name in names:
        outside = Path(name).is_absolute() or ".." in Path(name).parts
        if outside or (folder / name).resolve() != folder / name or not (folder / name).is_file():
            raise PatinaError(
                f"{source}: refused: it keeps weights in {shown(name)}, expected a plain file in its own folder"
            )
    try:
        if names:
            onnx.load_external_data_for_model(model, str(folder))
            target.write_bytes(model.SerializeToString())
        else:
            target.write_bytes(source.read_bytes())
    except OSError as error:
        raise PatinaError(
            f"{target}: cannot be written ({error.strerror or error}): free some space there and run it again"
        ) from error
    except (ValueError, onnx.checker.ValidationError) as error:
        raise PatinaError(f"{source}: its weights cannot be put into one file ({error})") from error


def _load(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(str(path), format="protobuf", load_external_data=False)
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (DecodeError, ValueError) as error:
        raise PatinaError(f"{path}: not an ONNX file ({error})") from error


def _graphs(model: onnx.ModelProto) -> list[onnx.GraphProto]:
    found = [model.graph]
    for training in model.training_info:
        found += (training.initialization, training.algorithm)
    for part in (*found, *model.functions):
        found += _inner_graphs(part.node)
    return found


def _inner_graphs(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    for node in nodes:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer or inner.sparse_initializer:
                    yield inner
                    yield from _inner_graphs(inner.node)


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for part in (*_graphs(model), *model.functions):
        yield from part.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    sparse = [tensor for graph in _graphs(model) for tensor in graph.sparse_initializer]
    for graph in _graphs(model):
        yield from graph.initializer
    for attribute in _attributes(model):
        yield from (attribute.t, *attribute.tensors)
        sparse += (attribute.sparse_tensor, *attribute.sparse_tensors)
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)


def _attributes(model: onnx.ModelProto) -> Iterator[onnx.AttributeProto]:
    for node in _nodes(model):
        yield from node.attribute
    for function in model.functions:
        yield from function.attribute_proto
