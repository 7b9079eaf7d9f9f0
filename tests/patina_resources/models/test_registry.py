import random
from pathlib import Path

import pytest
from refusals import refusal
from tiny_hub import user_registry

from patina_resources.errors import PatinaError
from patina_resources.models.references import JOINT, check_model_name, folder_name_of, reference_of
from patina_resources.models.registry import CORPUS_STATIC, EMBEDDED, ModelSpec, Registry, hub_reference
from patina_resources.models.registry_files import load_registry
from patina_resources.store.mothership import Mothership

BGE_QUERY = "Represent this sentence for searching relevant passages: "
OWN = '[models.mine]\ndims = 32\nmax_tokens = 64\npooling = "cls"\n'


@pytest.fixture
def home(tmp_path: Path) -> Mothership:
    return Mothership(tmp_path / "mothership")


def with_user_file(home: Mothership, text: str | bytes) -> Registry:
    home.home.mkdir(exist_ok=True)
    home.registry.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_registry(home)


def with_table(home: Mothership, name: str, **table: object) -> Registry:
    return user_registry(home, {name: table})


@pytest.mark.parametrize(
    ("name", "dims", "tokens", "pooling", "query", "passage"),
    [
        ("all-minilm-l6-v2", 384, 256, "mean", "", ""),
        ("bge-small-en-v1.5", 384, 512, "cls", BGE_QUERY, ""),
        ("e5-base-v2", 768, 512, "mean", "query: ", "passage: "),
        ("bge-base-en-v1.5", 768, 512, "cls", BGE_QUERY, ""),
        ("nomic-embed-text-v1.5", 768, 8192, "mean", "search_query: ", "search_document: "),
        ("gte-base", 768, 512, "mean", "", ""),
        (CORPUS_STATIC, 384, 512, "model", "", ""),
    ],
)
def test_shipped_models(
    home: Mothership, name: str, dims: int, tokens: int, pooling: str, query: str, passage: str
) -> None:
    spec = load_registry(home).resolve(name)
    assert (spec.name, spec.dims, spec.max_tokens) == (name, dims, tokens)
    assert (spec.pooling, spec.query_prefix, spec.passage_prefix) == (pooling, query, passage)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("bge-small", "bge-small-en-v1.5"),
        ("bge-small-en-v1-5", "bge-small-en-v1.5"),
        ("nomic-embed", "nomic-embed-text-v1.5"),
        ("e5-base", "e5-base-v2"),
        ("All-MiniLM-L6-v2", "all-minilm-l6-v2"),
    ],
)
def test_other_names_of_a_model(home: Mothership, alias: str, name: str) -> None:
    assert load_registry(home).resolve(alias).name == name


def test_every_downloadable_model_names_both_precisions(home: Mothership) -> None:
    entries = load_registry(home).entries
    for name, entry in entries.items():
        if name not in EMBEDDED.split(JOINT):
            assert entry.hub is not None
            assert set(entry.hub.onnx) == {"int8", "fp32"}
            assert set(entry.size_mb) == {"int8", "fp32"}
            assert set(entry.hub.sha256) <= {*entry.hub.onnx.values(), entry.hub.tokenizer}


def test_an_unknown_name_is_an_error_with_a_hint(home: Mothership) -> None:
    assert "did you mean 'bge-small'" in refusal(lambda: load_registry(home).resolve("bge-smal"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "a..b",
        "-x",
        "x-",
        "a b",
        "a\nb",
        "a\0b",
        "é",
        "a+b",
        "x" * 65,
    ],
)
def test_names_that_cannot_be_folders_are_refused(home: Mothership, name: str) -> None:
    assert "cannot name a model" in refusal(lambda: load_registry(home).resolve(name))
    assert "cannot name a model" in refusal(lambda: check_model_name(name))


@pytest.mark.parametrize(
    "name",
    ["hf:", "hf:x", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b@", "hf:a/b@../x", "hf:/a/b", "hf:a--b/c", "hf:a/b@x y"],
)
def test_hub_names_that_cannot_be_repositories_are_refused(home: Mothership, name: str) -> None:
    assert "is not a hub repository" in refusal(lambda: load_registry(home).resolve(name))


@pytest.mark.parametrize("reference", ["hf:org/name", "hf:org/a-b.c_d", "hf:org/name@v1.0", "hf:org/name@" + "0a" * 20])
def test_a_hub_name_and_its_folder_name_lead_to_each_other(reference: str) -> None:
    folder = folder_name_of(reference)
    assert "/" not in folder
    assert ":" not in folder
    assert reference_of(folder) == reference
    assert hub_reference(reference).repository.startswith("org/")


def test_a_hub_repository_that_was_not_added_says_how(home: Mothership) -> None:
    sentence = refusal(lambda: load_registry(home).resolve("hf:org/name@v1"))
    assert sentence == "model hf:org/name@v1 is not in the cache: run `patina model add hf:org/name@v1`"


def test_a_user_adds_a_model_and_changes_one(home: Mothership) -> None:
    registry = with_user_file(home, OWN + '[models.gte-base]\nquery_prefix = "q: "\n')
    assert registry.resolve("mine") == ModelSpec("mine", 32, 64, "cls")
    changed = registry.resolve("gte-base")
    assert (changed.query_prefix, changed.dims) == ("q: ", 768)
    hub = registry.entry("gte-base").hub
    assert hub is not None
    assert hub.repository == "Xenova/gte-base"


def test_a_hub_repository_can_be_described_in_full(home: Mothership) -> None:
    registry = with_table(home, "hf:org/name", dims=8, max_tokens=16, pooling="mean")
    assert registry.resolve("hf:org/name") == ModelSpec("hf--org--name", 8, 16, "mean")
    assert registry.resolve("hf:org/name").reference == "hf:org/name"


def test_a_hub_repository_can_be_described_in_part(home: Mothership) -> None:
    registry = with_table(home, "hf:org/name", pooling="cls")
    assert registry.settings == {"hf--org--name": {"pooling": "cls"}}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"dims": 8}, "lacks max_tokens, pooling"),
        ({"dims": "8", "max_tokens": 1, "pooling": "cls"}, "dims: expected a whole number"),
        ({"dims": True, "max_tokens": 1, "pooling": "cls"}, "dims: expected a whole number"),
        ({"dims": 8, "max_tokens": 0, "pooling": "cls"}, "max_tokens: expected a whole number"),
        ({"dims": 8, "max_tokens": 1, "pooling": "max"}, "pooling: expected mean, cls or model"),
        ({"dims": 8, "max_tokens": 1, "pooling": ["cls"]}, "pooling: expected mean, cls or model"),
        ({"dim": 8}, "unknown key 'dim' (did you mean 'dims'?)"),
        ({"package": {}}, "unknown key 'package'"),
        ({"aliases": ["../x"]}, "cannot name a model"),
        ({"aliases": "x"}, "aliases: expected a list"),
        ({"similarity": "l2"}, "similarity: expected cosine or dot"),
        ({"similarity": []}, "similarity: expected cosine or dot"),
        ({"hub": {"repository": "../x"}}, "is not a hub repository"),
        ({"hub": {"repository": "a/b", "int8": "../x.onnx"}}, "2: [models.mine.hub] int8: expected a file"),
        ({"hub": {"repository": "a/b", "sha256": {"x": "123"}}}, "[models.mine.hub.sha256] x: expected a SHA-256"),
        (
            {"hub": {"repository": "a/b", "sha256": {"x": []}}},
            "x: expected a SHA-256 (64 of 0-9a-f), got an empty",
        ),
        ({"hub": {"repository": "a/b", "revision": 5}}, "[models.mine.hub] revision: expected a string, got 5"),
        ({"hub": {"int8": "x.onnx"}}, "[models.mine.hub] missing key 'repository': expected a string"),
        ({"hub": {"repositry": "a/b"}}, "unknown key 'repositry' (did you mean 'repository'?)"),
        ({"size_mb": {"int4": 5}}, "[models.mine.size_mb] unknown key 'int4' (did you mean 'int8'?)"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_it(home: Mothership, table: dict[str, object], expected: str) -> None:
    sentence = refusal(lambda: with_table(home, "mine", **table))
    assert expected in sentence
    assert "mine" in sentence or "cannot name" in sentence or "is not a hub" in sentence


def test_a_table_name_cannot_be_a_path(home: Mothership) -> None:
    assert "cannot name a model" in refusal(lambda: with_table(home, "../x", dims=8))


def test_two_models_cannot_share_an_alias(home: Mothership) -> None:
    sentence = refusal(lambda: with_user_file(home, OWN + 'aliases = ["bge-small"]\n'))
    assert "alias 'bge-small' already means bge-small-en-v1.5" in sentence


@pytest.mark.parametrize(
    "text", ["x = 1", "models = 3", "[models]\nx = 3", "[models.a]\n[models.a]", "[[models", b"\xff\xfe"]
)
def test_a_wrong_file_is_an_error_that_names_it(home: Mothership, text: str | bytes) -> None:
    assert str(home.registry) in refusal(lambda: with_user_file(home, text))


def test_no_bytes_of_the_users_file_give_a_traceback(home: Mothership) -> None:
    rng = random.Random(3)
    good = (OWN + 'hub = { repository = "a/b", int8 = "x.onnx" }\naliases = ["m"]\n').encode()
    refused = 0
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            with_user_file(home, bytes(data))
        except PatinaError:
            refused += 1
    assert refused > 100
