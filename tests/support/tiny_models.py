"""Tiny seeded models of every kind that can be added, built in milliseconds."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = "the lock waits for a database file commit recipe validate search index where do we query passage : fix"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS.split()]
TEXTS = ["where do we validate the recipe", "fix the lock", "search index", "a database file waits for the commit"]


def write_tokenizer(path: Path) -> Path:
    """Write a word-level tokenizer with [CLS] and [SEP]."""
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return path


def write_encoder(
    path: Path,
    dims: int = 16,
    seed: int = 0,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"),
    pooled: bool = False,
    quantized: bool = False,
    rows: int = 4096,
) -> Path:
    """Write an ONNX encoder: one seeded row per token id, plus one per token type where it takes them."""
    rng = np.random.default_rng(seed)
    tables = {"rows": rng.normal(size=(rows, dims)), "kinds": rng.normal(size=(2, dims))}
    nodes = [helper.make_node("Gather", ["rows", "input_ids"], ["tokens"])]
    last = "tokens"
    if "token_type_ids" in inputs:
        nodes.append(helper.make_node("Gather", ["kinds", "token_type_ids"], ["types"]))
        nodes.append(helper.make_node("Add", [last, "types"], ["typed"]))
        last = "typed"
    if quantized:
        nodes.append(helper.make_node("DynamicQuantizeLinear", [last], ["whole", "scale", "zero"]))
        nodes.append(helper.make_node("DequantizeLinear", ["whole", "scale", "zero"], ["back"]))
        last = "back"
    shape: list[str | int] = ["batch", "sequence", dims]
    if pooled:
        nodes.append(helper.make_node("ReduceMean", [last, "axis"], ["pooled"], keepdims=0))
        last, shape = "pooled", ["batch", dims]
    nodes.append(helper.make_node("Identity", [last], ["output"]))
    constants = [numpy_helper.from_array(table.astype(np.float32), name) for name, table in tables.items()]
    constants.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        constants,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def write_model(folder: Path, dims: int = 16, seed: int = 0, **options: bool) -> Path:
    """Write `model.onnx` and `tokenizer.json` into a folder."""
    write_encoder(folder / "model.onnx", dims, seed, **options)
    write_tokenizer(folder / "tokenizer.json")
    return folder


def write_cross_encoder(folder: Path, worth: Mapping[str, float]) -> Path:
    """Write a graph that scores a pair of texts by what the words of the second are worth, and its tokenizer."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *worth]
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.array([0, 0, 0, 0, *worth.values()], np.float32)
    inputs = ("input_ids", "token_type_ids")
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["told"]),
            helper.make_node("Cast", ["token_type_ids"], ["second"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["told", "second"], ["counted"]),
            helper.make_node("ReduceSum", ["counted", "axis"], ["output"], keepdims=1),
        ],
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1], np.int64), "axis")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    return folder


def bert_tensors(hidden: int, layers: int, intermediate: int, seed: int, positions: int = 40) -> dict[str, np.ndarray]:
    """Return seeded weights of a BERT encoder, named as transformers names them."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), hidden),
        "embeddings.position_embeddings.weight": (positions, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            shapes[f"{name}.attention.self.{part}.weight"] = (hidden, hidden)
            shapes[f"{name}.attention.self.{part}.bias"] = (hidden,)
        for part, size in (
            ("attention.output", (hidden, hidden)),
            ("intermediate", (intermediate, hidden)),
            ("output", (hidden, intermediate)),
        ):
            shapes[f"{name}.{part}.dense.weight"] = size
            shapes[f"{name}.{part}.dense.bias"] = size[:1]
        for part in ("attention.output", "output"):
            shapes[f"{name}.{part}.LayerNorm.weight"] = (hidden,)
            shapes[f"{name}.{part}.LayerNorm.bias"] = (hidden,)
    return {name: rng.normal(scale=0.3, size=shape).astype(np.float32) for name, shape in shapes.items()}


def write_sentence_folder(folder: Path, seed: int = 0, pooling: str = "mean", **config: object) -> Path:
    """Write a sentence-transformers folder with a two-layer BERT of 16 dimensions."""
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    shape = {
        "model_type": "bert",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
        "type_vocab_size": 2,
        "vocab_size": len(VOCABULARY),
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        **config,
    }
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {"idx": row, "name": str(row), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for row, (kind, path) in enumerate(zip(kinds, ("", "1_Pooling", "2_Normalize"), strict=True))
    ]
    settings = {
        "config.json": shape,
        "modules.json": modules,
        "1_Pooling/config.json": {
            "word_embedding_dimension": 16,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
        },
        "sentence_bert_config.json": {"max_seq_length": 24, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "query : ", "document": "passage : "}},
    }
    for name, values in settings.items():
        (folder / name).write_text(json.dumps(values))
    save_file(bert_tensors(16, 2, 32, seed), folder / "model.safetensors")
    write_tokenizer(folder / "tokenizer.json")
    return folder
