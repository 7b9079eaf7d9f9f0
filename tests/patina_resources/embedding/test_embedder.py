"""Texts to unit vectors, through real graphs of every shape that a text encoder can have."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from refusals import refusal
from root import ROOT
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from patina_resources.embedding.embedder import OnnxEmbedder, clean_text, length_batches, pool, unit_rows
from patina_resources.models.registry import ModelFiles, ModelSpec, Pooling

WORDS = ["the", "lock", "waits", "for", "a", "database", "file", "commit", "recipe", "validate", "search", "index"]
WORDS += ["query", ":", "passage"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
TEXTS = [
    "the lock waits",
    "a",
    "commit",
    "validate the recipe for a database file",
    "search the index",
    "the lock waits",
]
DIMS, POSITIONS = 8, 16
INT64, INT32 = TensorProto.INT64, TensorProto.INT32
USUAL = {"input_ids": INT64, "attention_mask": INT64}


def table(seed: int, rows: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, DIMS)).astype(np.float32)


TOKENS, TYPES, PLACES = table(1, len(VOCABULARY)), table(2, 2), table(3, POSITIONS)


def write_tokenizer(path: Path, special: bool = True) -> Path:
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    tokenizer.enable_padding(length=12)  # as many published tokenizers come
    tokenizer.save(str(path))
    return path


def write_graph(path: Path, inputs: Mapping[str, int] = USUAL, *, pooled: bool = False, scale: float = 1.0) -> Path:
    """Write a graph that adds one row per token id, token type and position, as far as it takes them."""
    nodes = [helper.make_node("Gather", ["tokens", "input_ids"], ["sum"])]
    last = "sum"
    for name, rows in (("token_type_ids", "types"), ("position_ids", "places")):
        if name in inputs:
            nodes.append(helper.make_node("Gather", [rows, name], [f"{rows}_rows"]))
            nodes.append(helper.make_node("Add", [last, f"{rows}_rows"], [f"with_{rows}"]))
            last = f"with_{rows}"
    if pooled:
        nodes.append(helper.make_node("ReduceMax", [last, "axis"], ["highest"], keepdims=0))
        last = "highest"
    nodes.append(helper.make_node("Mul", [last, "scale"], ["output"]))
    constants: dict[str, NDArray[Any]] = {
        "tokens": TOKENS,
        "types": TYPES,
        "places": PLACES,
        "axis": np.array([1], np.int64),
    }
    constants["scale"] = np.array([scale], np.float32)
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, kind, ["b", "s"]) for name, kind in inputs.items()],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["b", DIMS] if pooled else ["b", "s", DIMS])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def spec(pooling: Pooling = "mean", dims: int = DIMS, max_tokens: int = 64, **prefixes: str) -> ModelSpec:
    return ModelSpec("tiny", dims, max_tokens, pooling, **prefixes)


def load(folder: Path, model: ModelSpec, *, special: bool = True, **graph: object) -> OnnxEmbedder:
    onnx_file = write_graph(folder / "model.onnx", **graph)  # type: ignore[arg-type]
    tokenizer = write_tokenizer(folder / "tokenizer.json", special)
    return OnnxEmbedder(model, ModelFiles(onnx_file, tokenizer, "digest"), threads=1)


def token_rows(text: str, special: bool = True) -> NDArray[np.float32]:
    """The rows that a text's tokens gather, computed here."""
    words = [word if word in VOCABULARY else "[UNK]" for word in text.replace(":", " : ").split()]
    return TOKENS[[VOCABULARY.index(word) for word in (["[CLS]", *words, "[SEP]"] if special else words)]]


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / np.float32(np.linalg.norm(vector))


def test_mean_pooling_averages_the_tokens_and_not_the_padding(tmp_path: Path) -> None:
    vectors = load(tmp_path, spec()).embed_passages(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [unit(token_rows(text).mean(axis=0)) for text in TEXTS], atol=1e-6)


def test_cls_pooling_takes_the_first_token(tmp_path: Path) -> None:
    vectors = load(tmp_path, spec("cls"), special=False).embed_passages(TEXTS)
    np.testing.assert_allclose(vectors, [unit(token_rows(text, False)[0]) for text in TEXTS], atol=1e-6)


def test_a_graph_that_pools_is_only_normalized(tmp_path: Path) -> None:
    embedder = load(tmp_path, spec("model"), pooled=True)
    np.testing.assert_allclose(embedder.embed_query("the lock"), unit(token_rows("the lock").max(axis=0)), atol=1e-6)


@pytest.mark.parametrize("kind", [INT64, INT32], ids=["int64", "int32"])
def test_it_feeds_what_the_graph_declares(kind: int, tmp_path: Path) -> None:
    names = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
    vector = load(tmp_path, spec(), inputs=dict.fromkeys(names, kind)).embed_query("search the index")
    rows = token_rows("search the index")
    np.testing.assert_allclose(vector, unit((rows + TYPES[0] + PLACES[: len(rows)]).mean(axis=0)), atol=1e-6)


def test_a_graph_without_a_mask_will_do(tmp_path: Path) -> None:
    vector = load(tmp_path, spec(), inputs={"input_ids": INT64}).embed_query("the lock")
    np.testing.assert_allclose(vector, unit(token_rows("the lock").mean(axis=0)), atol=1e-6)


def test_prefixes_differ_between_queries_and_passages(tmp_path: Path) -> None:
    embedder = load(tmp_path, spec(query_prefix="query: ", passage_prefix="passage: "))
    for vector, text in (
        (embedder.embed_query("the lock"), "query: the lock"),
        (embedder.embed_passages(["the lock"])[0], "passage: the lock"),
    ):
        np.testing.assert_allclose(vector, unit(token_rows(text).mean(axis=0)), atol=1e-6)


def test_long_texts_are_cut_with_their_special_tokens_inside_the_limit(tmp_path: Path) -> None:
    embedder = load(tmp_path, spec(max_tokens=5))
    np.testing.assert_allclose(
        embedder.embed_query("the lock waits for a database"),
        unit(token_rows("the lock waits").mean(axis=0)),
        atol=1e-6,
    )
    long = "lock " * 2_000_000
    np.testing.assert_allclose(embedder.embed_query(long), embedder.embed_query("lock lock lock"), atol=1e-6)


def test_a_text_has_the_same_vector_in_any_company(tmp_path: Path) -> None:
    embedder = load(tmp_path, spec())
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(0, 60))) for _ in range(5000)]
    together = embedder.embed_passages(texts)
    for row in rng.integers(0, len(texts), 40):
        np.testing.assert_array_equal(together[row], embedder.embed_query(texts[row]))
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_texts_without_tokens_are_zeros(tmp_path: Path) -> None:
    embedder = load(tmp_path, spec(), special=False)
    vectors = embedder.embed_passages(["", "the lock", " \t\n "])
    assert not vectors[[0, 2]].any()
    assert np.linalg.norm(vectors[1]) == pytest.approx(1)
    assert not embedder.embed_query("").any()
    assert embedder.embed_passages([]).shape == (0, DIMS)


def test_any_python_string_has_a_vector(tmp_path: Path) -> None:
    vectors = load(tmp_path, spec()).embed_passages(
        ["\ud800", "the \0 lock", "a\udfff\0", "😀", "\ufeff", "[PAD]", "é" * 999]
    )
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert clean_text("a\ud800b\0c é😀") == "a\ufffdb\ufffdc é😀"


def test_progress_counts_up_to_all_texts(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    load(tmp_path, spec()).embed_passages(
        ["the lock " * (row % 20) for row in range(500)], lambda *at: calls.append(at)
    )
    assert len(calls) > 1
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (500, 500)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 3, 0], [5, 1, 9, 1, 200, 7], [1] * 300])
def test_batches_hold_every_text_once_and_keep_to_the_budget(lengths: Sequence[int]) -> None:
    batches = list(length_batches(lengths, budget=64))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        (length,) = {lengths[position] for position in batch}
        assert len(batch) == 1 or len(batch) * max(1, length) <= 64


def test_pooling_and_normalizing_never_divide_by_zero() -> None:
    mask = np.array([[1, 1], [0, 0]])
    pooled = pool(np.ones((2, 2, 3), np.float32), mask, "mean")
    np.testing.assert_array_equal(pooled, [[1, 1, 1], [0, 0, 0]])
    scaled = unit_rows(np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(scaled, np.array([[0.6, 0.8], [0, 0]], np.float32), atol=1e-7)
    assert scaled.dtype == np.float32


def test_other_dims_than_the_registry_says_are_refused_with_both(tmp_path: Path) -> None:
    sentence = refusal(lambda: load(tmp_path, spec(dims=384)))
    assert "gives 8 dims" in sentence
    assert "384" in sentence
    assert str(tmp_path / "model.onnx") in sentence


def test_a_pooling_that_does_not_fit_the_output_is_refused(tmp_path: Path) -> None:
    assert "'model'" in refusal(lambda: load(tmp_path, spec("model")))
    assert "[texts, tokens, dims]" in refusal(lambda: load(tmp_path, spec("mean"), pooled=True))


def test_inputs_that_no_text_encoder_has_are_refused(tmp_path: Path) -> None:
    assert "pixel_values" in refusal(lambda: load(tmp_path, spec(), inputs=USUAL | {"pixel_values": INT64}))
    assert "tensor(float)" in refusal(
        lambda: load(tmp_path, spec(), inputs=USUAL | {"position_ids": TensorProto.FLOAT})
    )


def test_a_graph_without_token_ids_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Cast", ["attention_mask"], ["output"], to=TensorProto.FLOAT)],
        "none",
        [helper.make_tensor_value_info("attention_mask", INT64, ["b", "s"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["b", "s"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    files = ModelFiles(tmp_path / "model.onnx", write_tokenizer(tmp_path / "tokenizer.json"), "digest")
    assert "no input input_ids" in refusal(lambda: OnnxEmbedder(spec("model"), files))


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x08\x09\x12\x00", None], ids=["empty", "text", "head", "none"]
)
@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_files_that_do_not_load_are_named(name: str, content: bytes | None, tmp_path: Path) -> None:
    files = ModelFiles(write_graph(tmp_path / "model.onnx"), write_tokenizer(tmp_path / "tokenizer.json"), "digest")
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    assert str(tmp_path / name) in refusal(lambda: OnnxEmbedder(spec(), files))


def test_a_panic_of_the_tokenizer_is_a_sentence_and_ctrl_c_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):  # its name, and what it is no subclass of
        pass

    class Interrupted(BaseException):
        pass

    def ended_by(error: type[BaseException]) -> None:
        def from_str(_: str) -> Tokenizer:
            raise error("by hand")

        with monkeypatch.context() as patch:
            patch.setattr("tokenizers.Tokenizer", SimpleNamespace(from_str=from_str))
            OnnxEmbedder(spec(), files)

    files = ModelFiles(write_graph(tmp_path / "model.onnx"), write_tokenizer(tmp_path / "tokenizer.json"), "digest")
    assert refusal(lambda: ended_by(PanicException)).endswith("not a usable tokenizer.json: by hand")
    with pytest.raises(Interrupted):
        ended_by(Interrupted)


def test_a_batch_that_the_graph_cannot_take_is_refused(tmp_path: Path) -> None:
    embedder = load(tmp_path, spec(), inputs=USUAL | {"position_ids": INT64})
    assert "fails on a batch" in refusal(lambda: embedder.embed_query("lock " * (POSITIONS + 1)))


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    embedder = load(tmp_path, spec(), scale=float("nan"))
    assert "not finite" in refusal(lambda: embedder.embed_query("the lock"))


def test_importing_it_loads_no_native_code() -> None:
    native = "{'onnxruntime', 'tokenizers', 'onnx'}"
    code = f"import sys, patina_resources.embedding.embedder; print(sorted({native} & set(sys.modules)))"
    root = str(ROOT)
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": root}, check=True
    )
    assert run.stdout.strip() == "[]"
