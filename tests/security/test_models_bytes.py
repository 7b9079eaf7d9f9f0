"""Bytes that a repository, a hub or another tool brings: none enters a shared cache, or a native loader, unasked."""

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from hostile_clones import (
    SHAPE,
    SHIPPED,
    Files,
    Link,
    clone,
    enter,
    files_of,
    kept,
    listed,
    project_files,
    refused,
    tiny_model,
)
from hub_server import Hub
from onnx import TensorProto, helper, numpy_helper
from small_project import patina
from tiny_models import write_sentence_folder

from patina_resources.models.lock import read_lock, record_model
from patina_resources.store.files import file_sha256
from patina_resources.store.mothership import mothership

OLD = "resources/models/"
BASE_TOKENIZER = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                  "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
                  "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"}}  # fmt: skip
HOSTILE_TOKENIZERS = {
    "a vocabulary in a file": {"model": {"type": "WordLevel", "vocab": "/etc/passwd", "unk_token": "[UNK]"}},
    "merges in a file": {"model": {"type": "BPE", "vocab": "/etc/passwd", "merges": "/etc/passwd"}},
    "a damaged table": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
    "a table that points away": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAP////8="}},
    "a merge that is none": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a a"]}},
    "tokens without rows": {"model": {"type": "WordLevel", "vocab": {"[UNK]": 4294967295}, "unk_token": "[UNK]"}},
}


def old_folder(tmp_path: Path, name: str, seed: int = 7) -> Files:
    """Return the files of a model as projects of an older tool keep them."""
    return dict(files_of(tiny_model(tmp_path / f"bytes-{name}", 384, seed), f"{OLD}{name}/"))


@pytest.mark.parametrize("model", ["bge-small-en-v1.5", "bge-small", "BGE-Small", "gte-base"])
def test_what_a_repository_keeps_is_not_taken_as_a_shipped_model(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    before = kept()
    files = project_files("", model) | old_folder(tmp_path, model) | old_folder(tmp_path, "bge-small-en-v1.5")
    root = enter(clone(tmp_path, files), monkeypatch)
    refused(patina("oxidize"), f"patina model add {model} --from {root / OLD / model}", "without your word")
    refused(patina("oxidize", "--yes"))
    assert kept() == before
    assert not (mothership().models / "bge-small-en-v1.5").exists()
    # --yes is the word for the registry's place, which this hub does not have.
    assert all("bge-small" in request.path or "gte-base" in request.path for request in user.requests)


def test_a_damaged_model_is_not_mended_from_a_repository(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mothership().model_folder(SHIPPED) / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    before = kept()
    enter(clone(tmp_path, project_files("", SHIPPED) | old_folder(tmp_path, SHIPPED)), monkeypatch)
    refused(patina("oxidize"), "damaged", f"patina model add {SHIPPED}")
    assert kept() == before
    assert user.requests == []


@pytest.mark.parametrize("link", ["the folder", "its parent", "a file"])
def test_links_of_a_repository_lead_nowhere(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    outside = tiny_model(tmp_path / "outside", 384, seed=8)
    places: dict[str, Files] = {
        "the folder": {f"{OLD}gte-base": Link(str(outside))},
        "its parent": {"resources/models": Link(str(tmp_path))},
        "a file": {f"{OLD}gte-base/{name}": Link(str(outside / name)) for name in ("model.onnx", "tokenizer.json")},
    }
    before = kept()
    enter(clone(tmp_path, project_files("", "gte-base") | places[link]), monkeypatch)
    refused(patina("oxidize"), "gte-base")
    assert kept() == before
    assert user.requests == []


def test_the_users_word_is_recorded_and_shown(user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = enter(clone(tmp_path, project_files("", "bge-small") | old_folder(tmp_path, "bge-small")), monkeypatch)
    added = patina("model", "add", "bge-small", "--from", str(root / OLD / "bge-small"))
    assert added.code == 0, added
    assert "not the bytes that the registry pins" in added.err
    record = read_lock(mothership().models_lock)["bge-small-en-v1.5"]
    assert record.source_model == str(root / OLD / "bge-small" / "model.onnx")
    [row] = [row for row in listed() if row["name"] == "bge-small-en-v1.5"]
    assert (row["state"], row["pin"]) == ("not the pinned bytes", "differs")
    assert row["origin"] == f"folder {root / OLD / 'bge-small'}"
    for command in ("list", "status", "verify"):
        lines = patina("model", command).out.splitlines()
        [line] = [line for line in lines if line.startswith("bge-small-en-v1.5 ")]
        assert "not the pinned bytes" in line
        assert "ready" not in line
        assert str(root / OLD / "bge-small") in line
    assert patina("model", "verify").code == 1
    assert user.requests == []


def external_model(folder: Path, location: str, *, hidden: bool = False) -> Path:
    """Write an encoder that keeps its rows in another file: as an initializer, or hidden in a constant."""
    tiny_model(folder)
    model = onnx.load(folder / "model.onnx")
    rows = next(tensor for tensor in model.graph.initializer if tensor.name == "rows")
    (folder / "rows.bin").write_bytes(rows.raw_data)
    moved = onnx.TensorProto(name="rows", data_type=TensorProto.FLOAT, dims=rows.dims)
    moved.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(len(rows.raw_data)))):
        moved.external_data.add(key=key, value=value)
    if hidden:
        model.graph.initializer.remove(rows)
        model.graph.node.insert(0, helper.make_node("Constant", [], ["rows"], value=moved))
    else:
        rows.CopyFrom(moved)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link", "sub/../../secret", "missing.bin", ""])
def test_a_graph_of_a_folder_cannot_reach_beyond_it(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, hidden: bool
) -> None:
    folder = external_model(tmp_path / "bytes", location, hidden=hidden)
    (folder / "sub").mkdir()
    files = files_of(folder, "evil/") | {"evil/link": Link("../../secret"), "secret": b"x" * 4096}
    enter(clone(tmp_path, project_files(f"[models.tiny]\n{SHAPE}", "tiny") | files), monkeypatch)
    (tmp_path / "secret").write_bytes(b"x" * 4096)
    before = kept()
    refused(patina("model", "add", "tiny", "--from", "evil"))
    refused(patina("model", "add", "other", "--from", "evil"))
    assert kept() == before
    assert not list(mothership().models.glob(".projects/*/tiny/*"))
    assert user.requests == []


@pytest.mark.parametrize("name", ["onnx/model_quantized.onnx_data", "../tokenizer.json", "/etc/passwd"])
def test_a_graph_of_the_hub_cannot_reach_beyond_it(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = external_model(tmp_path / "published-evil", name)
    files = user.repositories["evil/encoder"]
    files["onnx/model_quantized.onnx"] = (folder / "model.onnx").read_bytes()
    files["onnx/model_quantized.onnx_data"] = files[name] = (folder / "rows.bin").read_bytes()
    before = kept()
    table = 'pooling = "mean"\n'
    monkeypatch.chdir(clone(tmp_path, project_files(f'[models."hf:evil/encoder"]\n{table}', "hf:evil/encoder")))
    refused(patina("model", "add", "hf:evil/encoder"), "refused")
    assert kept() == before


def test_files_beside_a_model_of_another_tool_are_not_read(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another tool may have left it: a graph whose digest is recorded, with weights that nobody has checked."""
    home = mothership()
    folder = external_model(home.model_folder("mine"), "rows.bin")
    record = read_lock(home.models_lock)["mine"]
    digest = file_sha256(folder / "model.onnx")
    size = (folder / "model.onnx").stat().st_size + (folder / "tokenizer.json").stat().st_size
    for precision in ("", record.precision):
        changed = {**vars(record), "sha256_model": digest, "precision": precision, "size_bytes": size}
        record_model(home.models_lock, "mine", type(record)(**changed))
        enter(clone(tmp_path / (precision or "none"), project_files("", "mine")), monkeypatch)
        refused(patina("oxidize"), "keeps its weights in another file")
    assert user.requests == []


@pytest.mark.parametrize("kind", ["custom", "compiled", "training", "sparse"])
def test_a_graph_that_wants_other_code_is_refused(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tiny_model(tmp_path / "bytes")
    model = onnx.load(folder / "model.onnx")
    last = model.graph.node[-1]
    if kind == "custom":
        last.op_type, last.domain = "Evil", "evil.ops"
        model.opset_import.add(domain="evil.ops", version=1)
    elif kind == "compiled":
        node = helper.make_node(
            "EPContext", ["input_ids"], ["z"], domain="com.microsoft", ep_cache_context="../evil.so"
        )
        model.graph.node.append(node)
        model.opset_import.add(domain="com.microsoft", version=1)
    elif kind == "sparse":
        node = helper.make_node("Constant", [], ["z"])
        attribute = node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR)
        attribute.sparse_tensor.dims.append(4)
        attribute.sparse_tensor.indices.CopyFrom(numpy_helper.from_array(np.array([0]), "at"))
        tensor = attribute.sparse_tensor.values
        tensor.name, tensor.data_type = "t", TensorProto.FLOAT
        tensor.dims.append(1)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../secret")
        model.graph.node.append(node)
    else:
        graph = model.training_info.add().initialization
        tensor = graph.initializer.add(name="t", data_type=TensorProto.FLOAT, dims=[1])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../secret")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    before = kept()
    monkeypatch.chdir(clone(tmp_path, project_files("") | files_of(folder, "evil/")))
    refused(patina("model", "add", "other", "--from", "evil"))
    refused(patina("model", "add", "mine", "--from", "evil"))
    assert kept() == before
    assert user.requests == []


@pytest.mark.parametrize("what", HOSTILE_TOKENIZERS)
def test_a_hostile_tokenizer_is_refused_in_a_sentence(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    folder = tiny_model(tmp_path / "bytes")
    (folder / "tokenizer.json").write_text(json.dumps({**BASE_TOKENIZER, **HOSTILE_TOKENIZERS[what]}))
    before = kept()
    monkeypatch.chdir(clone(tmp_path, project_files("") | files_of(folder, "evil/")))
    refused(
        patina("model", "add", "mine", "--from", "evil"),
        "graph fails" if what == "tokens without rows" else "tokenizer",
    )
    assert kept() == before
    assert user.requests == []


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "config.json", "modules.json"])
def test_a_pipe_in_a_folder_does_not_hang(user: Hub, tmp_path: Path, name: str) -> None:
    folder = write_sentence_folder(tmp_path / "bert")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    before = kept()
    refused(patina("model", "add", "other", "--from", str(folder)))
    assert kept() == before
    assert user.requests == []


@pytest.mark.parametrize("place", ["folder", "file", "pipe", "incoming"])
def test_no_link_inside_the_cache_is_followed(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    home = mothership()
    enter(clone(tmp_path, project_files("", "mine")), monkeypatch)
    elsewhere = tmp_path / "elsewhere"
    folder = home.model_folder("mine")
    folder.rename(elsewhere)
    if place == "folder":
        folder.symlink_to(elsewhere)
    elif place in ("file", "pipe"):
        folder.mkdir()
        for name in ("model.onnx", "tokenizer.json"):
            (folder / name).symlink_to(elsewhere / name) if place == "file" else os.mkfifo(folder / name)
    else:
        (home.incoming_folder("mine")).symlink_to(elsewhere)
    before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
    refused(patina("oxidize"), "mine")
    assert patina("model", "verify").code == 1
    assert "mine" in patina("model", "list").out
    if place == "folder":
        refused(patina("model", "remove", "mine", "--yes"))
    if place != "pipe" and place != "file":
        refused(patina("model", "add", "mine", "--from", str(elsewhere)), "is a link")
    else:
        assert patina("model", "add", "mine", "--from", str(elsewhere)).code == 0
        assert not (folder / "model.onnx").is_symlink()
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before
    assert user.requests == []


def test_weights_are_numbers_only(user: Hub, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "bytes")
    model = onnx.load(folder / "model.onnx")
    rows = next(tensor for tensor in model.graph.initializer if tensor.name == "rows")
    rows.raw_data = np.full(rows.dims, np.nan, np.float32).tobytes()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    before = kept()
    refused(patina("model", "add", "mine", "--from", str(folder)), "not finite")
    assert kept() == before
    assert user.requests == []
