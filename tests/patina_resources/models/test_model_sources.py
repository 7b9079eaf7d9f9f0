from pathlib import Path

import pytest
from hub_server import COMMIT, Hub
from refusals import refusal
from tiny_hub import REPOSITORY, in_cache, tiny_registry, user_registry
from tiny_models import TEXTS, write_encoder, write_model, write_sentence_folder

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.add.add import add_model
from patina_resources.models.cache import cached_model
from patina_resources.models.registry_files import load_registry
from patina_resources.store.files import file_sha256
from patina_resources.store.mothership import Mothership


def test_a_repository_without_a_registry_entry_is_read_from_its_files(
    hub: Hub, home: Mothership, tmp_path: Path
) -> None:
    hub.add_folder("org/bert", write_sentence_folder(tmp_path / "bert", pooling="cls"))
    added = add_model(home, load_registry(home), "hf:org/bert")
    assert (added.spec.name, added.spec.dims, added.spec.max_tokens) == ("hf--org--bert", 16, 24)
    assert (added.spec.pooling, added.spec.query_prefix, added.spec.passage_prefix) == ("cls", "query : ", "passage : ")
    assert added.record.revision == COMMIT
    later = load_registry(home)
    assert later.resolve("hf:org/bert") == added.spec
    assert "hf:org/bert" in later.names()
    assert OnnxEmbedder(added.spec, cached_model(home, added.spec)).embed_passages(TEXTS).shape == (4, 16)
    assert not add_model(home, later, "hf:org/bert").downloaded


def test_a_revision_is_part_of_the_name(hub: Hub, home: Mothership, tmp_path: Path) -> None:
    hub.add_folder("org/bert", write_sentence_folder(tmp_path / "bert"))
    added = add_model(home, load_registry(home), f"hf:org/bert@{COMMIT}", precision="fp32")
    assert added.spec.name == f"hf--org--bert@{COMMIT}"
    assert "no such revision" in refusal(lambda: add_model(home, load_registry(home), "hf:org/bert@other"))


@pytest.mark.usefixtures("hub")
def test_onnx_in_a_repository_without_pooling_says_what_to_set(home: Mothership) -> None:
    reference = f"hf:{REPOSITORY}"
    sentence = refusal(lambda: add_model(home, load_registry(home), reference))
    assert f'[models."{reference}"]' in sentence
    described = user_registry(home, {reference: {"pooling": "mean", "query_prefix": "q "}})
    added = add_model(home, described, reference)
    assert (added.spec.pooling, added.spec.query_prefix, added.record.precision) == ("mean", "q ", "int8")


def test_a_repository_without_a_usable_file_says_what_was_looked_for(hub: Hub, home: Mothership) -> None:
    hub.repositories["org/other"] = {"pytorch_model.bin": b"x", "tokenizer.json": b"{}"}
    sentence = refusal(lambda: add_model(home, load_registry(home), "hf:org/other"))
    assert "onnx/model.onnx" in sentence
    assert "no model.safetensors" in sentence


def test_a_hostile_modules_file_is_refused(hub: Hub, home: Mothership, tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "bert")
    modules = (folder / "modules.json").read_text().replace("1_Pooling", "../../x")
    (folder / "modules.json").write_text(modules)
    hub.add_folder("org/bert", folder)
    sentence = refusal(lambda: add_model(home, load_registry(home), "hf:org/bert"))
    assert "modules.json:1: [1].path: expected a folder name, got '../../x'" in sentence
    assert in_cache(home) == []


def test_a_folder_is_copied(home: Mothership, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "here")
    added = add_model(home, tiny_registry(home), "tiny", folder=folder)
    assert added.record.precision == "fp32"
    assert added.record.source_model == str(folder / "model.onnx")
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "tokenizer.json"]
    assert file_sha256(cached_model(home, added.spec).onnx) == file_sha256(folder / "model.onnx")


def test_a_new_name_can_be_given_to_a_folder(home: Mothership, tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "bert")
    said: list[str] = []
    added = add_model(home, load_registry(home), "mine", folder=folder, say=said.append)
    assert added.record.precision == "int8"
    assert said[-1].startswith("mine: int8, mean cosine to fp32: ")
    assert load_registry(home).resolve("mine") == added.spec
    assert load_registry(home).names()[-1] == "mine"
    sentence = refusal(lambda: add_model(home, load_registry(home), "mine", precision="fp32"))
    assert "--from FOLDER" in sentence


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_folder_with_both_precisions_gives_the_wanted_one(home: Mothership, tmp_path: Path, precision: str) -> None:
    folder = write_model(tmp_path / "here")
    write_encoder(folder / "any name.onnx", quantized=True)
    added = add_model(home, tiny_registry(home), "tiny", precision=precision, folder=folder)  # type: ignore[arg-type]
    assert added.record.precision == precision


def test_a_folder_of_another_model_is_refused(home: Mothership, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "here", dims=24)
    sentence = refusal(lambda: add_model(home, tiny_registry(home), "tiny", folder=folder))
    assert "vectors of 24 numbers, the registry says 16" in sentence
    pooled = write_model(tmp_path / "pooled", pooled=True)
    assert "correct the model's pooling" in refusal(lambda: add_model(home, tiny_registry(home), "tiny", folder=pooled))
    assert in_cache(home) == []


def test_what_a_folder_lacks_is_named(home: Mothership, tmp_path: Path) -> None:
    def adding(folder: Path) -> str:
        return refusal(lambda: add_model(home, tiny_registry(home), "tiny", folder=folder))

    assert "not a folder" in adding(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert "holds neither an ONNX file nor model.safetensors" in adding(tmp_path / "empty")
    write_encoder(tmp_path / "half" / "model.onnx")
    assert "tokenizer.json: missing" in adding(tmp_path / "half")
    (tmp_path / "half" / "tokenizer.json").write_text("{}")
    assert "not a usable tokenizer.json" in adding(tmp_path / "half")
    (tmp_path / "half" / "model.onnx").write_bytes(b"not onnx")
    assert "not an ONNX file" in adding(tmp_path / "half")
    assert in_cache(home) == []
