import json
import struct
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from refusals import refusal
from safetensors.numpy import load_file, save_file
from tiny_models import bert_tensors, write_sentence_folder

from patina_resources.arrays import Float64
from patina_resources.models.registry import ModelSpec
from patina_resources.onnx.graph import inspect_onnx
from patina_resources.onnx.write.bert import write_bert_onnx
from patina_resources.onnx.write.int8 import write_int8
from patina_resources.store.files import file_sha256

SPEC = ModelSpec("tiny", 16, 24, "mean")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sentence_folder(tmp_path / "bert", seed=4)


def run(model: Path, ids: NDArray[np.int64], mask: NDArray[np.int64], types: NDArray[np.int64]) -> Float64:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    [output] = session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})
    return np.asarray(output, dtype=np.float64)


def normalized(x: Float64, weights: dict[str, Float64], name: str) -> Float64:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: Float64, weights: dict[str, Float64], name: str) -> Float64:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def gelu(x: Float64) -> Float64:
    # The error function by its integral: slow, and independent of what is tested.
    steps = np.linspace(0.0, 1.0, 2001)
    erf = 2 / np.sqrt(np.pi) * np.trapezoid(np.exp(-((x[..., None] / np.sqrt(2) * steps) ** 2)), steps, axis=-1)
    return x * (1 + erf * x / np.sqrt(2)) / 2


def reference(weights: dict[str, Float64], ids: NDArray[np.int64], mask: NDArray[np.int64], **of: object) -> Float64:
    """A plain BERT forward pass in float64, one text and one head at a time."""
    types, positions = np.asarray(of["types"]), np.asarray(of["positions"])
    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][types]
    x = normalized(x + weights["embeddings.position_embeddings.weight"][positions], weights, "embeddings.LayerNorm")
    for layer in range(2):
        name = f"encoder.layer.{layer}"
        q, k, v = (linear(x, weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for text in range(len(ids)):
            for head in range(4):
                part = slice(4 * head, 4 * head + 4)
                scores = q[text, :, part] @ k[text, :, part].T / 2.0
                scores = np.where(mask[text], scores, -np.inf)
                shares = np.exp(scores - scores.max(-1, keepdims=True))
                mixed[text, :, part] = shares / shares.sum(-1, keepdims=True) @ v[text, :, part]
        x = normalized(
            x + linear(mixed, weights, f"{name}.attention.output.dense"), weights, f"{name}.attention.output.LayerNorm"
        )
        inner = gelu(linear(x, weights, f"{name}.intermediate.dense"))
        x = normalized(x + linear(inner, weights, f"{name}.output.dense"), weights, f"{name}.output.LayerNorm")
    return x


def batch() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    ids = np.array([[2, 5, 9, 7, 3], [2, 4, 3, 0, 0]], dtype=np.int64)
    types = np.array([[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=np.int64)
    return ids, (np.arange(5) < np.array([[5], [3]])).astype(np.int64), types


def test_the_graph_computes_what_bert_is(folder: Path, tmp_path: Path) -> None:
    shape = write_bert_onnx(folder, tmp_path / "model.onnx")
    assert (shape.layers, shape.heads, shape.hidden) == (2, 4, 16)
    ids, mask, types = batch()
    weights = {name: value.astype(np.float64) for name, value in bert_tensors(16, 2, 32, seed=4).items()}
    expected = reference(weights, ids, mask, types=types, positions=np.arange(5))
    found = run(tmp_path / "model.onnx", ids, mask, types)
    assert np.abs((found - expected)[mask == 1]).max() < 1e-5


def test_in_the_roberta_family_positions_count_up_from_the_padding_id(tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "roberta", seed=4, model_type="roberta", pad_token_id=1)
    write_bert_onnx(folder, tmp_path / "model.onnx")
    ids, mask, types = batch()
    ids[mask == 0] = 1
    weights = {name: value.astype(np.float64) for name, value in bert_tensors(16, 2, 32, seed=4).items()}
    positions = np.array([[2, 3, 4, 5, 6], [2, 3, 4, 1, 1]])
    expected = reference(weights, ids, mask, types=types, positions=positions)
    found = run(tmp_path / "model.onnx", ids, mask, types)
    assert np.abs((found - expected)[mask == 1]).max() < 1e-5


def test_padding_does_not_change_a_text(folder: Path, tmp_path: Path) -> None:
    write_bert_onnx(folder, tmp_path / "model.onnx")
    ids, mask, types = batch()
    alone = run(tmp_path / "model.onnx", ids[1:, :3], mask[1:, :3], types[1:, :3])
    padded = run(tmp_path / "model.onnx", ids, mask, types)
    assert np.abs(alone[0] - padded[1, :3]).max() < 1e-5


def test_the_same_folder_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_bert_onnx(folder, tmp_path / f"{name}.onnx")
        write_bert_onnx(folder, tmp_path / f"{name}8.onnx", "int8")
    assert file_sha256(tmp_path / "a.onnx") == file_sha256(tmp_path / "b.onnx")
    assert file_sha256(tmp_path / "a8.onnx") == file_sha256(tmp_path / "b8.onnx")


def test_the_file_takes_the_usual_inputs_and_states_its_dimensions(folder: Path, tmp_path: Path) -> None:
    write_bert_onnx(folder, tmp_path / "model.onnx")
    facts = inspect_onnx(tmp_path / "model.onnx")
    assert facts.inputs == ("input_ids", "attention_mask", "token_type_ids")
    assert (facts.outputs, facts.dims, facts.pooled, facts.quantized) == (("last_hidden_state",), 16, False, False)


def test_int8_is_close_to_fp32_and_says_how_close(folder: Path, tmp_path: Path) -> None:
    write_bert_onnx(folder, tmp_path / "model.onnx")
    cosine = write_int8(SPEC, folder, tmp_path / "model.onnx", folder / "tokenizer.json", tmp_path / "int8.onnx")
    assert 0.99 < cosine < 1
    assert inspect_onnx(tmp_path / "int8.onnx").quantized
    fp32, int8 = (run(tmp_path / name, *batch()) for name in ("model.onnx", "int8.onnx"))
    kept = batch()[1] == 1
    assert 0 < np.abs(fp32 - int8)[kept].max() < 0.1 * np.abs(fp32[kept]).max()


def test_int8_in_the_roberta_family(tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "roberta", seed=4, model_type="roberta", pad_token_id=1)
    write_bert_onnx(folder, tmp_path / "model.onnx")
    assert write_int8(SPEC, folder, tmp_path / "model.onnx", folder / "tokenizer.json", tmp_path / "8.onnx") > 0.99


def test_tensor_names_may_have_a_prefix_and_half_precision(folder: Path, tmp_path: Path) -> None:
    write_bert_onnx(folder, tmp_path / "plain.onnx")
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {f"bert.{name}": value.astype(np.float16) for name, value in tensors.items()}, folder / "model.safetensors"
    )
    write_bert_onnx(folder, tmp_path / "prefixed.onnx")
    plain, prefixed = (run(tmp_path / f"{name}.onnx", *batch()) for name in ("plain", "prefixed"))
    assert 0 < np.abs(plain - prefixed).max() < 0.02


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model_type", "mpnet", "model_type is 'mpnet', expected one of bert, roberta, xlm-roberta"),
        ("model_type", None, "model_type is None"),
        ("hidden_act", "relu", "expected hidden_act gelu"),
        ("position_embedding_type", "relative_key", "absolute positions"),
        ("hidden_size", "16", "hidden_size is '16', expected a whole number"),
        ("num_hidden_layers", 10**9, "num_hidden_layers is 1000000000"),
        ("num_hidden_layers", 3, "lacks the tensor encoder.layer.2.attention.self.query.weight"),
        ("num_attention_heads", 5, "not a multiple of 5 heads"),
        ("intermediate_size", 64, "has shape (32, 16), config.json says (64, 16)"),
        ("pad_token_id", -1, "pad_token_id is -1"),
    ],
)
def test_a_config_that_does_not_fit_is_named(tmp_path: Path, key: str, value: object, expected: str) -> None:
    folder = write_sentence_folder(tmp_path / "bert", **{key: value})
    assert expected in refusal(lambda: write_bert_onnx(folder, tmp_path / "model.onnx"))
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("config", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"3"])
def test_a_damaged_config_is_named(folder: Path, tmp_path: Path, config: bytes) -> None:
    (folder / "config.json").write_bytes(config)
    assert str(folder / "config.json") in refusal(lambda: write_bert_onnx(folder, tmp_path / "model.onnx"))


def test_damaged_weights_are_named(folder: Path, tmp_path: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    rng = np.random.default_rng(0)
    for size in (0, 4, 8, 100, len(whole) - 1, *rng.integers(0, len(whole), 20)):
        weights.write_bytes(whole[:size])
        assert "cannot be read as safetensors" in refusal(lambda: write_bert_onnx(folder, tmp_path / "model.onnx"))
    weights.unlink()
    assert "cannot be read" in refusal(lambda: write_bert_onnx(folder, tmp_path / "model.onnx"))
    save_file({"other": np.zeros(3, dtype=np.float32)}, weights)
    assert "not a BERT encoder" in refusal(lambda: write_bert_onnx(folder, tmp_path / "model.onnx"))


@pytest.mark.parametrize("stored", ["F8_E4M3", "F8_E5M2", "I8"])
def test_weights_of_eight_bits_are_refused(folder: Path, tmp_path: Path, stored: str) -> None:
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = {name: entry for name, entry in json.loads(content[8 : 8 + size]).items() if name != "__metadata__"}
    end, parts = 0, []
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        part = content[8 + size + start : 8 + size + stop]
        if name.endswith("word_embeddings.weight"):
            part, entry["dtype"] = part[::4], stored
        entry["data_offsets"] = [end, end := end + len(part)]
        parts.append(part)
    text = json.dumps(header).encode()
    weights.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    sentence = refusal(lambda: write_bert_onnx(folder, tmp_path / "model.onnx"))
    assert f"word_embeddings.weight is stored as {stored}: expected one of F64, F32, F16, BF16" in sentence


def test_a_config_without_a_padding_id_is_fine_for_bert(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    assert "pad_token_id" not in config
    assert write_bert_onnx(folder, tmp_path / "model.onnx").padding_id == 0
