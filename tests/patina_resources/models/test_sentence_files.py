import json
from pathlib import Path

import pytest
from refusals import refusal
from tiny_models import write_sentence_folder

from patina_resources.models.add.sentence_files import SentenceFacts, complete_spec, pooling_file, read_sentence_folder
from patina_resources.models.registry import ModelSpec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sentence_folder(tmp_path)


def write(folder: Path, name: str, values: object) -> None:
    (folder / name).write_text(json.dumps(values))


def test_everything_is_read(folder: Path) -> None:
    assert read_sentence_folder(folder) == SentenceFacts(16, 24, "mean", "query : ", "passage : ")


def test_an_empty_folder_says_nothing(tmp_path: Path) -> None:
    assert read_sentence_folder(tmp_path / "none") == SentenceFacts()


@pytest.mark.parametrize("mode", ["mean", "cls"])
def test_the_newer_form_of_the_pooling_file(folder: Path, mode: str) -> None:
    write(folder, "1_Pooling/config.json", {"embedding_dimension": 16, "pooling_mode": mode})
    assert read_sentence_folder(folder).pooling == mode


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode": "max"},
        {"pooling_mode": ["mean", "cls"]},
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {},
    ],
)
def test_pooling_that_cannot_be_done_is_an_error(folder: Path, config: dict[str, object]) -> None:
    write(folder, "1_Pooling/config.json", config)
    assert "expected mean or cls" in refusal(lambda: read_sentence_folder(folder))


def test_the_longest_text_is_the_models_then_the_tokenizers_then_the_positions(folder: Path) -> None:
    write(folder, "tokenizer_config.json", {"model_max_length": 20})
    assert read_sentence_folder(folder).max_tokens == 24
    (folder / "sentence_bert_config.json").unlink()
    assert read_sentence_folder(folder).max_tokens == 20
    write(folder, "tokenizer_config.json", {"model_max_length": 10**30})
    assert read_sentence_folder(folder).max_tokens == 40
    write(folder, "config.json", {"model_type": "roberta", "max_position_embeddings": 514})
    assert read_sentence_folder(folder).max_tokens == 512


@pytest.mark.parametrize("place", ["../x", "/x", "a/b", "", ".", "..", 5, None, "x" * 65])
def test_a_module_outside_of_the_folder_is_refused(folder: Path, place: object) -> None:
    write(folder, "modules.json", [{"type": "sentence_transformers.models.Pooling", "path": place}])
    assert "expected a folder name" in refusal(lambda: pooling_file(folder))


def test_a_module_that_changes_the_vectors_is_refused(folder: Path) -> None:
    write(folder, "modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])
    assert "has a module 'Dense'" in refusal(lambda: read_sentence_folder(folder))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"3", b'"x"', b"[1]", b"[" * 100_000, b"null"])
@pytest.mark.parametrize("name", ["config.json", "modules.json", "1_Pooling/config.json", "tokenizer_config.json"])
def test_damaged_files_are_named(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    assert str(folder / name) in refusal(lambda: read_sentence_folder(folder))


def test_the_users_settings_come_first() -> None:
    facts = SentenceFacts(16, 24, "mean", "q: ", "p: ")
    assert complete_spec("mine", facts, {}) == ModelSpec("mine", 16, 24, "mean", "q: ", "p: ")
    settings = {"dims": 8, "max_tokens": 12, "pooling": "cls", "query_prefix": "", "licence": "MIT"}
    assert complete_spec("mine", facts, settings) == ModelSpec("mine", 8, 12, "cls", "", "p: ")


def test_what_is_said_nowhere_has_to_be_set() -> None:
    assert 'set dims in [models."mine"]' in refusal(lambda: complete_spec("mine", SentenceFacts(pooling="cls"), {}))
    sentence = refusal(lambda: complete_spec("hf--a--b", SentenceFacts(dims=8), {}))
    assert 'in [models."hf:a/b"]' in sentence
    assert complete_spec("mine", SentenceFacts(dims=8), {"pooling": "mean"}).max_tokens == 512
