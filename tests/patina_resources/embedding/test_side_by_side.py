"""Models side by side: how their vectors are put together, what they are named, and what of them is cached."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from refusals import refusal
from tiny_hub import project_registry
from tiny_models import TEXTS, write_model

from patina_assets.search.base_model import embed_query, embed_texts
from patina_resources.embedding.embedder import unit_rows
from patina_resources.embedding.side_by_side import (
    BaseFiles,
    BaseSpec,
    joint_digest,
    part_names,
    resolve_base,
    side_by_side,
)
from patina_resources.models.registry import CORPUS_STATIC, ModelFiles, ModelSpec, Registry
from patina_resources.models.registry_files import load_registry
from patina_resources.project.config import ProjectConfig
from patina_resources.project.project import Project
from patina_resources.store.mothership import Mothership

A = ModelSpec("a", 16, 64, "mean", passage_prefix="passage : ", query_prefix="query : ")
B = ModelSpec("b", 8, 64, "cls")


def unit(seed: int, rows: int, dims: int) -> NDArray[np.float32]:
    return unit_rows(np.random.default_rng(seed).standard_normal((rows, dims)).astype(np.float32))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return load_registry(Mothership(tmp_path / "mothership"))


# Vectors


@pytest.mark.parametrize("dims", [(16, 16), (1, 40), (384, 16, 8), (3, 2, 5, 7)])
def test_the_cosine_is_the_mean_of_the_cosines(dims: Sequence[int]) -> None:
    parts = [unit(seed, 7, width) for seed, width in enumerate(dims)]
    joined = side_by_side(parts)
    assert joined.dtype == np.float32
    assert joined.shape == (7, sum(dims))
    assert np.abs(np.linalg.norm(joined, axis=1) - 1).max() < 1e-6
    assert np.abs(joined @ joined.T - np.mean([part @ part.T for part in parts], axis=0)).max() < 1e-5


def test_a_model_that_knows_no_token_leaves_the_word_to_the_others() -> None:
    first, second = unit(1, 3, 4), unit(2, 3, 6)
    first[1] = 0
    first[2] = second[2] = 0
    joined = side_by_side([first, second])
    assert np.allclose(joined[0], np.concatenate([first[0], second[0]]) / np.sqrt(2))
    assert np.array_equal(joined[1], np.concatenate([np.zeros(4, np.float32), second[1]]))
    assert not joined[2].any()


def test_the_vectors_of_a_single_model_stay_bit_for_bit() -> None:
    vectors = unit(3, 5, 12)
    assert side_by_side([vectors]) is vectors
    assert joint_digest(["a" * 64]) == "a" * 64


def test_the_order_of_the_models_counts() -> None:
    assert joint_digest(["a" * 64, "b" * 64]) != joint_digest(["b" * 64, "a" * 64])


# Names


def test_names_aliases_and_repositories_may_be_joined(registry: Registry) -> None:
    base = resolve_base(registry, "minilm+corpus-static")
    assert (base.name, base.reference, base.dims) == (
        "all-minilm-l6-v2+corpus-static",
        "all-minilm-l6-v2+corpus-static",
        768,
    )
    assert part_names("hf:org/name@v1+corpus-static+gte-base") == ("hf:org/name@v1", CORPUS_STATIC, "gte-base")
    assert resolve_base(registry, "gte-base").parts == (registry.resolve("gte-base"),)
    assert resolve_base(registry, base.name) == base, "oxidize.lock has the name"


@pytest.mark.parametrize("reference", ["", "+", "a+", "+a", "a++b", "a +b", "a+ b"])
def test_an_empty_part_is_refused(reference: str) -> None:
    assert "empty part or a space" in refusal(lambda: part_names(reference))


def test_the_same_model_twice_is_refused(registry: Registry) -> None:
    assert "names gte-base twice" in refusal(lambda: part_names("gte-base+corpus-static+gte-base"))
    sentence = refusal(lambda: resolve_base(registry, "all-minilm-l6-v2+minilm"))
    assert "names all-minilm-l6-v2 twice" in sentence
    assert "did you mean 'gte-base'" in refusal(lambda: resolve_base(registry, "corpus-static+gte-bas"))


def test_one_model_is_not_named_like_several(registry: Registry) -> None:
    assert "'+' joins models" in refusal(lambda: registry.resolve("a+b"))
    tables = {"a+b": {"dims": 8, "max_tokens": 8, "pooling": "mean"}}
    assert "'+' joins models" in refusal(
        lambda: project_registry(Mothership(Path("/nonexistent")), tables, Path("/nowhere"))
    )


def test_folders_differ_and_fit_any_file_system(tmp_path: Path) -> None:
    project = Project(tmp_path, ProjectConfig())
    one, other = (f"hf--{'o' * 96}--{letter * 96}" for letter in "ab")
    names = ["a", "b", "a+b", "b+a", one, other, f"{one}+a", f"{one}+b", f"{one}+{other}", f"{other}+{one}"]
    folders = [project.embeddings_folder(name).name for name in names]
    assert folders[:4] == names[:4]
    assert len(set(folders)) == len(names)
    assert max(map(len, folders)) <= 140


# Each model's cache


@pytest.fixture
def files(tmp_path: Path) -> BaseFiles:
    places = [write_model(tmp_path / spec.name, spec.dims, seed) for seed, spec in enumerate((A, B))]
    return BaseFiles(
        tuple(ModelFiles(place / "model.onnx", place / "tokenizer.json", place.name * 64) for place in places)
    )


def test_a_model_embeds_nothing_again_beside_another(tmp_path: Path, files: BaseFiles) -> None:
    project = Project(tmp_path / "project", ProjectConfig())
    warned: list[str] = []

    def embed(texts: Sequence[str], *rows: int) -> tuple[dict[str, int], NDArray[np.float32]]:
        spec = BaseSpec(tuple((A, B)[row] for row in rows))
        own = BaseFiles(tuple(files.parts[row] for row in rows))
        embedded = embed_texts(project, spec, own, texts, lambda _: lambda _done, _total: None, warned.append)
        return embedded.new, embedded.vectors

    new, alone = embed(TEXTS, 0)
    assert new == {"a": 4}
    new, joined = embed(TEXTS, 0, 1)
    assert new == {"a": 0, "b": 4}
    assert joined.shape == (4, 24)
    assert np.allclose(joined[:, :16], alone / np.sqrt(2))
    new, turned = embed([*TEXTS, "one more text"], 1, 0)
    assert new == {"b": 1, "a": 1}
    assert np.array_equal(turned[:4, 8:], joined[:, :16])
    assert embed(TEXTS, 1)[0] == {"b": 0}
    assert warned == []


def test_a_query_has_its_own_prefix_for_each_model(files: BaseFiles) -> None:
    vector = embed_query(BaseSpec((A, B)), files, TEXTS[0])
    first = embed_query(BaseSpec((A,)), BaseFiles(files.parts[:1]), TEXTS[0])
    second = embed_query(BaseSpec((B,)), BaseFiles(files.parts[1:]), TEXTS[0])
    assert np.allclose(vector, np.concatenate([first, second]) / np.sqrt(2))
    assert np.linalg.norm(vector) == pytest.approx(1)
