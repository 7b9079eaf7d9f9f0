"""Writes the files of the model, and prints their digests: an ONNX graph with a vector for each letter."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

FOLDER = Path(__file__).parent / "patina_letters"
SIGNS = ["[PAD]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz0123456789"]
DIMENSIONS = 32


def main() -> None:
    """Write both files."""
    tokenizer = Tokenizer(models.WordLevel({sign: row for row, sign in enumerate(SIGNS)}, unk_token=SIGNS[1]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.save(str(FOLDER / "tokenizer.json"))
    rows = np.random.default_rng(0).normal(size=(len(SIGNS), DIMENSIONS)).astype(np.float32)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", "sequence", DIMENSIONS])
    node = helper.make_node("Gather", ["rows", "input_ids"], ["output"])
    graph = helper.make_graph([node], "letters", inputs, [output], [numpy_helper.from_array(rows, "rows")])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), FOLDER / "model.onnx"
    )
    for name in ("model.onnx", "tokenizer.json"):
        print(name, hashlib.sha256((FOLDER / name).read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
