"""Makes `english-static`, the model of general English that Patina ships, from all-MiniLM-L6-v2.

    patina model add all-minilm-l6-v2
    python benchmarks/distil_english.py patina_resources/models/shipped/english-static

Each word piece of the vocabulary is embedded alone. The principal components of these vectors are kept, as directions
in int8. Frequent pieces weigh less: the vocabulary is in the order of frequency. After Tulkens and van Dongen 2024
(Model2Vec). The vector of a text is the sum of its pieces' vectors, scaled to unit length. A text is split as
`corpus-static` splits it: `readRecipe` is *read* and *recipe*.

It prints the digests for registry.toml. The bytes depend on the processor's arithmetic.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

from patina_resources.corpus.word_pieces import SPECIAL, piece_tokenizer
from patina_resources.models.cache import cached_model
from patina_resources.models.registry_files import load_registry
from patina_resources.store.mothership import mothership

DIMENSIONS = 128
TEACHER = "all-minilm-l6-v2"
BATCH = 256
STARTS, ENDS = "[CLS]", "[SEP]"


def teacher_vectors() -> tuple[list[str], np.ndarray]:
    """Return the pieces made of ASCII letters and digits, most frequent first, and their vectors, float32 [n, 384]."""
    files = cached_model(mothership(), load_registry(mothership()).resolve(TEACHER))
    vocabulary = Tokenizer.from_file(str(files.tokenizer)).get_vocab()
    pieces = [piece for piece in sorted(vocabulary, key=lambda piece: vocabulary[piece]) if is_word(piece)]
    ids = np.array([[vocabulary[STARTS], vocabulary[piece], vocabulary[ENDS]] for piece in pieces], np.int64)
    session = InferenceSession(str(files.onnx), providers=["CPUExecutionProvider"])
    named = {
        "input_ids": lambda rows: rows,
        "attention_mask": np.ones_like,
        "token_type_ids": np.zeros_like,
    }
    inputs = [entry.name for entry in session.get_inputs()]
    batches = (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
    outputs = [session.run(None, {name: named[name](rows) for name in inputs})[0] for rows in batches]
    return pieces, np.concatenate([output.mean(axis=1) for output in outputs]).astype(np.float32)


def is_word(piece: str) -> bool:
    """Return whether a piece is made of ASCII letters and digits; `##` before it means that it continues a word."""
    return piece.isascii() and piece.removeprefix("##").isalnum()


def directions(vectors: np.ndarray) -> np.ndarray:
    """Return the principal components of each vector as a direction, int8 [n, DIMENSIONS]."""
    centred = vectors - vectors.mean(axis=0)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    kept = centred @ components[:DIMENSIONS].T
    return np.round(kept / np.abs(kept).max(axis=1, keepdims=True) * 127).astype(np.int8)


def graph(table: np.ndarray, weights: np.ndarray) -> bytes:
    """Return the model as ONNX: the weighted sum of the rows that the mask keeps, divided by its length."""
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["texts", "tokens"])
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["texts", table.shape[1]])
    constants = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.array([1], np.int64), "token_axis"),
        numpy_helper.from_array(np.array([1e-12], np.float32), "smallest"),
    ]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["bytes"]),
        helper.make_node("Cast", ["bytes"], ["pieces"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["weights", "input_ids"], ["weight"]),
        helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["weight", "kept"], ["counted"]),
        helper.make_node("Unsqueeze", ["counted", "token_axis"], ["row"]),
        helper.make_node("MatMul", ["row", "pieces"], ["sums"]),
        helper.make_node("Squeeze", ["sums", "token_axis"], ["sum"]),
        helper.make_node("ReduceL2", ["sum", "token_axis"], ["norm"], keepdims=1),
        helper.make_node("Max", ["norm", "smallest"], ["length"]),
        helper.make_node("Div", ["sum", "length"], ["sentence_embedding"]),
    ]
    made = helper.make_graph(nodes, "english-static", [ids, mask], [output], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def main() -> None:
    """Write the model into a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    pieces, vectors = teacher_vectors()
    rows = directions(vectors)
    weights = np.log1p(np.arange(1, len(pieces) + 1)) / np.linalg.norm(rows.astype(np.float32), axis=1)
    nothing = len(SPECIAL)
    table = np.concatenate((np.zeros((nothing, DIMENSIONS), np.int8), rows))
    weighted = np.concatenate((np.zeros(nothing), weights)).astype(np.float32)
    contents = {
        "model.onnx": graph(table, weighted),
        "tokenizer.json": piece_tokenizer([*SPECIAL, *pieces]).to_str().encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {name}  {len(data):,} bytes")


if __name__ == "__main__":
    main()
