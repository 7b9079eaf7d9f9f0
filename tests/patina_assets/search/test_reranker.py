"""A reranker of config.toml: the order it gives, and what is said where it cannot be used."""

import json
import re
import shutil
from pathlib import Path

import pytest
from small_project import patina
from tiny_models import write_cross_encoder, write_model

from patina_assets.search.searcher import Answer, Searcher
from patina_resources.embedding.cross_encoder import CrossEncoder
from patina_resources.errors import PatinaError
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import ModelFiles, ModelSpec
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import find_project
from patina_resources.store.mothership import mothership

NAME = "tiny-cross"
QUESTION = "http retry delay"
WORTH = {"path": 2.0, "py": 0.5, "http": -1.0}


@pytest.fixture
def root(built_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the built project, which a test may change; the reranker is added, and not yet set."""
    folder = tmp_path / "project"
    shutil.copytree(built_root, folder)
    assert patina("model", "add", NAME, "--from", str(write_cross_encoder(tmp_path / "cross", WORTH))).code == 0
    monkeypatch.chdir(folder)
    return folder


def answer(root: Path, reranker: str | None, k: int = 50) -> Answer:
    lines = [] if reranker is None else ["[embeddings]", f'reranker = "{reranker}"']
    (root / ".patina" / "config.toml").write_text("\n".join(lines))
    return Searcher(find_project(root)).answer(QUESTION, k=k)


def worth(text: str) -> float:
    return sum(WORTH.get(word, 0.0) for word in re.findall(r"\w+", text.lower()))


def test_a_reranker_orders_the_first_results(root: Path) -> None:
    before, after = answer(root, None), answer(root, NAME)
    assert not before.reranked
    assert {hit.passage for hit in after.hits} == {hit.passage for hit in before.hits}
    told = [worth(hit.passage.text) for hit in after.hits if hit.passage is not None]
    assert len(set(told)) > 2
    assert told == sorted(told, reverse=True)
    assert told != [worth(hit.passage.text) for hit in before.hits if hit.passage is not None]
    assert [hit.places["reranker"].score for hit in after.hits] == told
    # The few that are shown are the first of all that it read.
    assert answer(root, NAME, 3).hits == after.hits[:3]


def test_a_search_says_how_long_the_reranker_took(root: Path) -> None:
    count = len(answer(root, NAME).hits)
    shown = patina("scry", QUESTION, "-k", "1", "--explain").out
    assert re.search(rf"^reranker: {NAME} read {count} results in \d+ ms$", shown, re.MULTILINE)
    assert re.search(r"^     reranker     #1    score ", shown, re.MULTILINE)
    assert json.loads(patina("scry", QUESTION, "-k", "1", "--json").out)[0]["ranks"]["reranker"] == 1
    assert "reranker" not in patina("scry", QUESTION, "--projection", "lexical", "--explain").out


def test_bytes_that_are_not_the_recorded_ones_are_not_loaded(root: Path) -> None:
    before = answer(root, None)
    files = cached_model(mothership(), load_registry(mothership()).resolve(NAME))
    files.onnx.write_bytes(files.onnx.read_bytes()[:-1] + b"\0")
    after = answer(root, NAME)
    assert after.hits == before.hits
    assert "is damaged (not the recorded bytes)" in after.missing["reranker"]
    assert f"run `patina model add {NAME}`" in after.missing["reranker"]


def test_what_is_no_cross_encoder_is_said(root: Path, tmp_path: Path) -> None:
    before = answer(root, None)
    folder = write_model(tmp_path / "vectors", pooled=True)
    assert patina("model", "add", "tiny-vectors", "--from", str(folder)).code == 0
    vectors = answer(root, "tiny-vectors")
    assert vectors.hits == before.hits
    assert "expected a cross-encoder" in vectors.missing["reranker"]
    unknown = answer(root, "no-such-model")
    assert f"{root / '.patina' / 'config.toml'}: [embeddings] reranker: " in unknown.missing["reranker"]
    shown = patina("scry", QUESTION)
    assert shown.code == 0
    assert "not searched: reranker: " in shown.err


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path, {"lock": 3e38, "waits": 1.0})
    spec = ModelSpec(NAME, 1, 32, "model")
    encoder = CrossEncoder(spec, ModelFiles(folder / "model.onnx", folder / "tokenizer.json", "", "fp32"))
    assert encoder.scores("lock", ["waits waits", "nothing", ""]).tolist() == [2.0, 0.0, 0.0]
    assert encoder.scores("lock", []).tolist() == []
    with pytest.raises(PatinaError, match="one finite number for each of 1 pairs"):
        encoder.scores("lock", ["lock lock"])
