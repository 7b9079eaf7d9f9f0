"""The model that is learned from a project's own texts: the same every time, sound at any size, and useful."""

import itertools
import json
import os
import random
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from refusals import refusal
from root import ROOT

from patina_resources.corpus import cooccurrence
from patina_resources.corpus import model as corpus_model
from patina_resources.corpus.cooccurrence import Contexts, learn_directions
from patina_resources.corpus.limits import REBUILD_ABOVE
from patina_resources.corpus.model import CORPUS_SPEC, CorpusModel, build_corpus_model, unknown_share
from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.registry import CORPUS_STATIC, ModelFiles, ModelSpec

TOPICS = {
    "storage": ["sqlite", "database", "eventlog", "table", "query", "rows", "index", "writer", "transaction"],
    "docker": ["container", "docker", "image", "compose", "volume", "port", "yaml", "build", "registry"],
    "parser": ["grammar", "syntax", "tree", "node", "token", "parse", "rust", "function", "signature"],
}
FILLER = ["the", "a", "of", "to", "and", "we", "is", "in", "for", "with"]


def topic_texts(count: int = 240) -> list[str]:
    rng = random.Random(3)
    texts = []
    for number in range(count):
        words = rng.choices(list(TOPICS.values())[number % len(TOPICS)], k=6) + rng.choices(FILLER, k=4)
        rng.shuffle(words)
        texts.append(" ".join(words) + f" {number}")
    return texts


def embedder(model: CorpusModel, folder: Path, dims: int = CORPUS_SPEC.dims) -> OnnxEmbedder:
    (folder / "model.onnx").write_bytes(model.onnx)
    (folder / "tokenizer.json").write_bytes(model.tokenizer)
    spec = ModelSpec(CORPUS_STATIC, dims, CORPUS_SPEC.max_tokens, "model")
    return OnnxEmbedder(spec, ModelFiles(folder / "model.onnx", folder / "tokenizer.json", "digest"), threads=1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> OnnxEmbedder:
    return embedder(build_corpus_model(topic_texts(), dims=16), tmp_path_factory.mktemp("model"), dims=16)


BUILD = """
import hashlib, json, sys
from patina_resources.corpus.model import build_corpus_model
model = build_corpus_model(json.load(sys.stdin), dims=16)
print(hashlib.sha256(model.onnx).hexdigest(), hashlib.sha256(model.tokenizer).hexdigest())
"""


def test_every_process_builds_the_same_bytes_from_the_texts_in_any_order() -> None:
    rng = random.Random(1)
    texts = topic_texts(90) + ["".join(rng.choices("abcdefgh", k=rng.randint(2, 9))) for _ in range(300)]
    digests = set()
    for run in range(3):
        rng.shuffle(texts)
        environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(run)}
        environment["TOKENIZERS_PARALLELISM"] = "false" if run else "true"
        done = subprocess.run(
            [sys.executable, "-c", BUILD],
            input=json.dumps([*texts, *texts[:run]]),
            capture_output=True,
            text=True,
            env=os.environ | environment,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_the_seed_and_the_texts_matter() -> None:
    texts = topic_texts(60)
    first = build_corpus_model(texts, dims=16)
    assert first == build_corpus_model(iter(texts), dims=16)
    assert first.texts == 60
    assert first.tokenizer == build_corpus_model(texts, dims=16, seed=1).tokenizer
    assert first.onnx != build_corpus_model(texts, dims=16, seed=1).onnx
    assert first.onnx != build_corpus_model(texts[1:], dims=16).onnx


def test_the_spec_is_that_of_the_registry() -> None:
    entry = tomllib.loads((Path(corpus_model.__file__).parents[1] / "models" / "registry.toml").read_text())["models"][
        CORPUS_STATIC
    ]
    assert (entry["dims"], entry["max_tokens"], entry["pooling"]) == (CORPUS_SPEC.dims, 512, "model")
    assert (CORPUS_SPEC.name, CORPUS_SPEC.query_prefix, CORPUS_SPEC.passage_prefix) == (CORPUS_STATIC, "", "")


def test_texts_of_one_topic_are_closer_than_texts_of_two(built: OnnxEmbedder) -> None:
    halves = [" ".join(words[half::2]) for words in TOPICS.values() for half in range(2)]
    similar = (vectors := built.embed_passages(halves)) @ vectors.T
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for topic in range(0, 6, 2):
        others = [row for row in range(6) if row not in (topic, topic + 1)]
        assert similar[topic, topic + 1] > similar[topic, others].max() + 0.2


def test_a_vector_is_the_weighted_sum_of_its_pieces(tmp_path: Path) -> None:
    model = build_corpus_model(topic_texts(), dims=16)
    (weights,) = [entry for entry in onnx.load_from_string(model.onnx).graph.initializer if entry.name == "table"]
    table = numpy_helper.to_array(weights).astype(np.float32)
    built = embedder(model, tmp_path, 16)
    ids = built._graph.encode(["sqlite table of sqlite"])[0].ids
    total = table[ids].sum(axis=0)
    np.testing.assert_allclose(built.embed_query("sqlite table of sqlite"), total / np.linalg.norm(total), atol=1e-5)
    vocabulary = built._graph._tokenizer.get_vocab()
    assert len(table) == len(vocabulary) == model.pieces
    norms = np.linalg.norm(table, axis=1)
    assert norms[[vocabulary["[PAD]"], vocabulary["[UNK]"], vocabulary["[LEFT-OVER]"]]].tolist() == [0, 0, 0]
    assert norms[vocabulary["of"]] < norms[vocabulary["sqlite"]]  # idf
    assert (norms > 0).sum() == len(vocabulary) - 3


@pytest.mark.parametrize(
    ("name", "prose"),
    [
        ("SqliteWriter::parseNode", "sqlite writer parse node"),
        ("src/docker/image_build.yaml", "src docker image build yaml"),
        ("getHTTPIndex", "get http index"),
        ("TABLE", "table"),
        ("Café", "cafe"),
    ],
)
def test_names_in_code_share_their_words_with_prose(name: str, prose: str, built: OnnxEmbedder) -> None:
    np.testing.assert_allclose(built.embed_query(name), built.embed_query(prose), atol=1e-6)


def test_a_word_that_came_later_finds_itself(built: OnnxEmbedder) -> None:
    vectors = built.embed_passages(["kubernetes query", "container of kubernetes", "container of terraform"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


def test_what_is_no_word_has_no_vector(built: OnnxEmbedder) -> None:
    assert not built.embed_passages(["", "?! -- ...", "☃", "[", "界"]).any()
    np.testing.assert_array_equal(built.embed_query("[UNK] table"), built.embed_query("unk table"))


@pytest.mark.parametrize(
    "texts",
    [
        ["word"],
        ["one text alone"],
        ["a", "b", "c"],
        ["same words", "words same", "other"],
        [" ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(600))],
    ],
)
def test_the_smallest_corpora_work(texts: list[str], tmp_path: Path) -> None:
    vectors = embedder(build_corpus_model(texts), tmp_path).embed_passages([*texts, "anything else"])
    np.testing.assert_allclose(np.linalg.norm(vectors[: len(texts)], axis=1), 1, atol=1e-5)
    assert np.isfinite(vectors).all()


def test_a_corpus_of_one_text_finds_it_by_a_part(tmp_path: Path) -> None:
    text = "one text about locks alone"
    built = embedder(build_corpus_model([text]), tmp_path)
    pairs = [" ".join(pair) for pair in itertools.combinations(text.split(), 2)]
    assert (built.embed_passages(pairs) @ built.embed_query(text)).min() > 0.2


def test_few_texts_leave_components_empty(tmp_path: Path) -> None:
    texts = topic_texts(5)
    vectors = embedder(build_corpus_model(texts), tmp_path).embed_passages([text.rsplit(" ", 1)[0] for text in texts])
    assert 2 < vectors.any(axis=0).sum() < 60
    assert (vectors @ vectors.T)[~np.eye(5, dtype=bool)].max() < 0.99


@pytest.mark.parametrize("texts", [[], [""], ["...", " \n", "\0\ud800"]])
def test_no_words_are_refused(texts: list[str]) -> None:
    assert "corpus-static" in refusal(lambda: build_corpus_model(texts))


def test_hostile_texts_are_survived(tmp_path: Path) -> None:
    rng = random.Random(0)
    alphabet = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 3000))
    texts = [
        *topic_texts(60),
        "x" * 3_000_000,
        "\ud800 lone \0 nul",
        "[PAD] [LEFT-OVER] ##a",
        "".join(rng.sample(alphabet, 3000)),
    ]
    model = build_corpus_model(texts, vocabulary_size=800)
    assert model.pieces <= 801
    vectors = embedder(model, tmp_path).embed_passages(texts)
    assert np.isfinite(vectors).all()
    assert 0 <= unknown_share(model.tokenizer, texts) < 1


def test_large_corpora_are_sampled_the_same_way_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_model, "MAX_CHARACTERS", 3000)
    texts = topic_texts()
    model = build_corpus_model(texts, dims=16)
    assert 20 < model.texts < 80
    assert build_corpus_model(texts[::-1], dims=16) == model


def reference_ppmi(texts: Sequence[Sequence[int]], pieces: int) -> NDArray[np.float64]:
    """The definition, over dense matrices."""
    present = np.zeros((len(texts), pieces))
    for row, text in enumerate(texts):
        present[row, list(text)] = 1
    counts = present.T @ present
    np.fill_diagonal(counts, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(counts * counts.sum() / np.outer(counts.sum(axis=1), counts.sum(axis=0)))
    return np.where(np.isfinite(ratio), np.maximum(ratio, 0), 0)


@pytest.mark.parametrize("elements", [1, 100, 8_000_000])
def test_ppmi_in_blocks_is_ppmi(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "BLOCK_ELEMENTS", elements)
    rng = np.random.default_rng(0)
    texts = [sorted(set(rng.integers(0, 30, rng.integers(1, 9)).tolist())) for _ in range(80)]
    texts.append([30])  # a piece that is only ever alone
    lengths = [len(text) for text in texts]
    contexts = Contexts(np.repeat(np.arange(81), lengths), np.concatenate(texts), 81)
    blocks = list(cooccurrence._ppmi_blocks(contexts, 31))
    expected = reference_ppmi(texts, 31)
    np.testing.assert_allclose(cooccurrence._multiply(blocks, np.eye(31, dtype=np.float32)), expected, atol=1e-5)
    eigenvalues, vectors = cooccurrence._top_eigenvectors(blocks, 31, 31, seed=0)
    np.testing.assert_allclose(np.sort(eigenvalues), np.linalg.eigvalsh(expected), atol=1e-3)
    np.testing.assert_allclose(vectors * eigenvalues @ vectors.T, expected, atol=1e-3)
    assert not learn_directions(contexts, 31, 31, 0)[30].any()


def test_texts_of_the_build_are_known_and_foreign_ones_are_not() -> None:
    texts = topic_texts()
    tokenizer = build_corpus_model(texts).tokenizer
    assert unknown_share(tokenizer, texts) == 0
    assert unknown_share(tokenizer, []) == 0
    assert unknown_share(tokenizer, ["", "table 9f8e7d6c", "2031-12-07"]) == 0
    few_new = [*texts, "kubernetes deployment rollout"]
    assert 0 < unknown_share(tokenizer, few_new) < REBUILD_ABOVE
    many_new = [
        *texts,
        *(f"zygote {word} ювелир" for word in ("vexing", "jukebox", "quartz")),
        *["quux wizzy zap"] * 60,
    ]
    assert unknown_share(tokenizer, many_new) > REBUILD_ABOVE
    assert unknown_share(tokenizer, ["schöne neue welt", "ювелир"]) > 0.5
    assert unknown_share(build_corpus_model(many_new).tokenizer, many_new) == 0


def test_a_corpus_with_more_words_than_the_vocabulary_holds_is_still_known() -> None:
    rng = random.Random(5)
    texts = [" ".join("".join(rng.choices("abcdefgh", k=5)) for _ in range(8)) for _ in range(200)]
    model = build_corpus_model(texts, vocabulary_size=300)
    assert model.pieces == 301
    assert unknown_share(model.tokenizer, texts) == 0
