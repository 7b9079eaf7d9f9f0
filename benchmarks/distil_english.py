"""Makes `english-static`, the model of general English that Patina ships, from all-MiniLM-L6-v2.

    patina model add all-minilm-l6-v2
    python benchmarks/distil_english.py patina_resources/models/shipped/english-static PROJECT ...

Each word piece of the vocabulary is embedded alone. The principal components of these vectors are kept. Frequent pieces
weigh less: the vocabulary is in the order of frequency. After Tulkens and van Dongen 2024 (Model2Vec). The vector of a
text is the sum of its pieces' vectors, scaled to unit length. A text is split as `corpus-static` splits it:
`readRecipe` is *read* and *recipe*.

Then the pieces learn from the passages of projects, which are built with all-MiniLM-L6-v2: the vector of a passage
shall be near the principal components of what all-MiniLM-L6-v2 makes of it. After Minish 2024 (Tokenlearn). The vectors
are kept as directions in int8, and lengths.

It prints the digests for registry.toml. The bytes depend on the processor's arithmetic.
"""

import argparse
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

from patina_assets.search.built import BASE
from patina_assets.search.searcher import Searcher
from patina_resources.corpus.word_pieces import SPECIAL, piece_tokenizer
from patina_resources.models.cache import cached_model
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import find_project
from patina_resources.store.mothership import mothership

DIMENSIONS = 128
TEACHER = "all-minilm-l6-v2"
BATCH = 256
STARTS, ENDS = "[CLS]", "[SEP]"
# Adam (Kingma and Ba 2015), whose step falls to zero; what a piece has learned is held back towards its start.
EPOCHS, TEXTS, STEP, HELD_BACK = 4, 1_024, 0.02, 1e-4
MOMENTUM, SCALE_MOMENTUM = 0.9, 0.99
FEWEST_PIECES = 3
Floats = NDArray[Any]


def teacher_vectors() -> tuple[list[str], np.ndarray]:
    """Return the pieces made of ASCII letters and digits, most frequent first, and their vectors, float32 [n, 384]."""
    files = cached_model(mothership(), load_registry(mothership()).resolve(TEACHER))
    vocabulary = Tokenizer.from_file(str(files.tokenizer)).get_vocab()
    pieces = [piece for piece in sorted(vocabulary, key=lambda piece: vocabulary[piece]) if is_word(piece)]
    ids = np.array([[vocabulary[STARTS], vocabulary[piece], vocabulary[ENDS]] for piece in pieces], np.int64)
    session = InferenceSession(str(files.onnx), providers=["CPUExecutionProvider"])
    named: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {
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


def directions(vectors: Floats) -> NDArray[np.int8]:
    """Return the principal components of each vector as a direction, int8 [n, DIMENSIONS]."""
    centred = vectors - vectors.mean(axis=0)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    kept = centred @ components[:DIMENSIONS].T
    return np.asarray(np.round(kept / np.abs(kept).max(axis=1, keepdims=True) * 127), np.int8)


def passages_of(folders: Sequence[Path]) -> tuple[list[str], Floats]:
    """Return the texts of projects' passages, each once, and the teacher's vectors, float32 [n, 384]."""
    known: dict[str, Floats] = {}
    for folder in folders:
        index = Searcher(find_project(folder)).indexes.opened(BASE)
        texts = index.file.texts()
        known |= dict(zip(texts, index.vectors(range(len(texts))), strict=True))
    return list(known), unit(np.stack(list(known.values())))


def unit(rows: Floats) -> Floats:
    """Return rows of unit length."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))


def sums(table: Floats, ids: Sequence[Floats]) -> Floats:
    """Return the sum of the rows of each text's pieces."""
    starts = np.cumsum([0, *map(len, ids[:-1])])
    return np.add.reduceat(table[np.concatenate(ids)], starts)


def learned(start: Floats, ids: Sequence[Floats], teacher: Floats) -> Floats:
    """Return what pieces learn from texts, float32 [n, DIMENSIONS].

    Args:
        start: A vector for each piece, float32 [n, any].
        ids: The pieces of each text.
        teacher: Unit vectors of the texts, float32 [texts, 384].
    """
    centred = teacher - teacher.mean(0)
    wanted = unit(centred @ np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :DIMENSIONS])
    known = unit(np.concatenate([sums(start, ids[at : at + TEXTS]) for at in range(0, len(ids), TEXTS)]))
    turn = np.linalg.solve(known.T @ known + np.eye(start.shape[1]), known.T @ wanted)
    table = (start @ turn).astype(np.float32)
    table /= np.linalg.norm(table, axis=1).mean()
    first, momentum, scale = table.copy(), np.zeros_like(table), np.zeros_like(table)
    random, steps, done = np.random.default_rng(0), EPOCHS * (len(ids) // TEXTS), 0
    for _ in range(EPOCHS):
        order = random.permutation(len(ids))
        for at in range(0, len(ids) - TEXTS + 1, TEXTS):
            batch = order[at : at + TEXTS]
            rows, slope = slope_of(table, [ids[text] for text in batch], wanted[batch])
            slope += HELD_BACK * (table[rows] - first[rows])
            momentum[rows] = MOMENTUM * momentum[rows] + (1 - MOMENTUM) * slope
            scale[rows] = SCALE_MOMENTUM * scale[rows] + (1 - SCALE_MOMENTUM) * slope * slope
            table[rows] -= STEP * (1 - done / steps) * momentum[rows] / (np.sqrt(scale[rows]) + 1e-6)
            done += 1
        found = unit(sums(table, [ids[text] for text in batch]))
        print(f"cosine with the teacher, last batch: {(found * wanted[batch]).sum(1).mean():.3f}")
    return table


def slope_of(table: Floats, ids: Sequence[Floats], wanted: Floats) -> tuple[Floats, Floats]:
    """Return which pieces the texts have, and the slope of 100 times their mean cosine's negative."""
    found = sums(table, ids)
    length = np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
    found /= length
    of_text = -(wanted - found * (found * wanted).sum(1, keepdims=True)) / length
    pieces = np.concatenate(ids)
    order = np.argsort(pieces, kind="stable")
    rows, starts = np.unique(pieces[order], return_index=True)
    text = np.repeat(np.arange(len(ids)), list(map(len, ids)))
    return rows, np.add.reduceat(of_text[text[order]], starts) * 100 / len(ids)


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
    parser.add_argument("projects", type=Path, nargs="+", help="built with all-minilm-l6-v2")
    options = parser.parse_args()
    pieces, vectors = teacher_vectors()
    rows = directions(vectors).astype(np.float32)
    nothing = np.zeros((len(SPECIAL), rows.shape[1]), np.float32)
    start = np.concatenate((nothing, unit(rows) * np.log1p(np.arange(1, len(pieces) + 1))[:, None]))
    write(options.folder, pieces, start, *passages_of(options.projects))


def write(folder: Path, pieces: Sequence[str], start: Floats, texts: Sequence[str], teacher: Floats) -> None:
    """Learn from texts, and write the model."""
    tokenizer = piece_tokenizer([*SPECIAL, *pieces])
    ids = [np.asarray(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(texts))]
    kept = [text for text, own in enumerate(ids) if len(own) >= FEWEST_PIECES]
    table = learned(start.astype(np.float32), [ids[text] for text in kept], teacher[kept])
    table[: len(SPECIAL)] = 0
    largest = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-9)
    contents = {
        "model.onnx": graph(np.round(table / largest * 127).astype(np.int8), (largest[:, 0] / 127).astype(np.float32)),
        "tokenizer.json": tokenizer.to_str().encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {name}  {len(data):,} bytes")


if __name__ == "__main__":
    main()
