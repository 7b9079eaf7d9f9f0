import os
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import refusal
from tiny_models import TEXTS, write_model

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models import cache_files
from patina_resources.models.cache import (
    cached_model,
    cached_models,
    model_state,
    publish_model,
    remove_model,
    verify_model,
)
from patina_resources.models.lock import LockRecord, read_lock, record_model
from patina_resources.models.registry import CORPUS_STATIC, ModelSpec, Precision, model_digest
from patina_resources.models.registry_files import load_registry
from patina_resources.models.status import model_row
from patina_resources.models.stores import OLDER_KEYS
from patina_resources.store.files import file_sha256
from patina_resources.store.mothership import Mothership

SPEC = ModelSpec("tiny", 16, 32, "mean")


@pytest.fixture
def home(tmp_path: Path) -> Mothership:
    return Mothership(tmp_path / "mothership")


def publish(home: Mothership, seed: int = 0, precision: Precision = "fp32") -> LockRecord:
    folder = write_model(home.incoming_folder("tiny"), seed=seed)
    onnx, tokenizer = folder / "model.onnx", folder / "tokenizer.json"
    record = LockRecord(
        downloaded="2026-01-02T03:04:05Z",
        source_model="test",
        source_tokenizer="test",
        sha256_model=file_sha256(onnx),
        sha256_tokenizer=file_sha256(tokenizer),
        size_bytes=onnx.stat().st_size + tokenizer.stat().st_size,
        dimensions=16,
        precision=precision,
    )
    publish_model(home, "tiny", precision, onnx, tokenizer, record)
    return record


def of_an_older_patina(home: Mothership, name: str, dimensions: int = 16) -> LockRecord:
    """Put a model into the cache as an older Patina does: its own name, no precision, always called quantized."""
    folder = write_model(home.model_folder(name))
    (folder / "model.onnx").rename(folder / "model_quantized.onnx")
    onnx, tokenizer = folder / "model_quantized.onnx", folder / "tokenizer.json"
    size = onnx.stat().st_size + tokenizer.stat().st_size
    digests = file_sha256(onnx), file_sha256(tokenizer)
    record = LockRecord("2025-12-16T19:30:00+00:00", "there/a.onnx", "there/b.json", *digests, size, dimensions)
    record_model(home.models_lock, name, record)
    return record


def flip_a_byte(path: Path) -> None:
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert path.stat().st_size == state.st_size


def test_a_published_model_is_handed_out_and_embeds(home: Mothership) -> None:
    record = publish(home)
    files = cached_model(home, SPEC)
    assert files.onnx == home.model_folder("tiny") / "model.onnx"
    assert files.digest == model_digest(record.sha256_model, record.sha256_tokenizer)
    assert OnnxEmbedder(SPEC, files).embed_passages(TEXTS).shape == (len(TEXTS), 16)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_byte_is_found_before_a_native_loader_sees_it(home: Mothership, name: str) -> None:
    publish(home)
    cached_model(home, SPEC)
    flip_a_byte(home.model_folder("tiny") / name)
    sentence = refusal(lambda: cached_model(home, SPEC))
    assert f"{name} is damaged" in sentence
    assert sentence.endswith("run `patina model add tiny`")


def test_a_missing_file_and_a_missing_model_are_told_apart(home: Mothership) -> None:
    assert refusal(lambda: cached_model(home, SPEC)).endswith("run `patina model add tiny`")
    publish(home)
    (home.model_folder("tiny") / "model.onnx").unlink()
    assert "model.onnx is missing" in refusal(lambda: cached_model(home, SPEC))


def test_files_are_read_once_per_process(home: Mothership, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(home)
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return file_sha256(path)

    monkeypatch.setattr(cache_files, "file_sha256", counted)
    for _ in range(5):
        cached_model(home, SPEC)
    assert len(read) == 2
    os.utime(home.model_folder("tiny") / "model.onnx", ns=(1, 1))
    cached_model(home, SPEC)
    assert len(read) == 3


def test_dimensions_must_agree(home: Mothership) -> None:
    publish(home)
    sentence = refusal(lambda: cached_model(home, replace(SPEC, dims=32)))
    assert "says 32 dimensions" in sentence
    assert "says 16" in sentence


def test_the_project_model_is_not_looked_for_here(home: Mothership) -> None:
    spec = ModelSpec(CORPUS_STATIC, 384, 512, "model")
    assert "is built in each project" in refusal(lambda: cached_model(home, spec))


def test_a_record_without_precision_finds_either_file(home: Mothership) -> None:
    record = publish(home, precision="int8")
    record_model(home.models_lock, "tiny", replace(record, precision=""))
    assert cached_model(home, SPEC).onnx.name == "model_quantized.onnx"


def test_another_precision_takes_the_place_of_the_first(home: Mothership) -> None:
    publish(home, seed=1, precision="fp32")
    record = publish(home, seed=2, precision="int8")
    assert sorted(path.name for path in home.model_folder("tiny").iterdir()) == [
        "model_quantized.onnx",
        "tokenizer.json",
    ]
    assert cached_model(home, SPEC).digest == model_digest(record.sha256_model, record.sha256_tokenizer)


@pytest.mark.parametrize("steps", range(6))
def test_a_kill_while_publishing_leaves_the_old_or_the_new_model(home: Mothership, steps: int) -> None:
    old = publish(home, seed=1)
    child = os.fork()
    if child == 0:
        _publish_and_die(home, steps)
    os.waitpid(child, 0)
    recorded = read_lock(home.models_lock)["tiny"]
    new = recorded.sha256_model != old.sha256_model
    assert new == (steps >= 3)  # two files under pending names, then the record
    cache_files.forget_digests()
    assert cached_model(home, SPEC).digest == model_digest(recorded.sha256_model, recorded.sha256_tokenizer)
    publish(home, seed=3)
    assert sorted(path.name for path in home.model_folder("tiny").iterdir()) == ["model.onnx", "tokenizer.json"]


def _publish_and_die(home: Mothership, steps: int) -> None:
    """Publish a second model in this (forked) process, which ends before the rename number `steps`."""
    real, done = Path.replace, iter(range(100))

    def replace_or_die(self: Path, target: Path) -> Path:
        if next(done) == steps:
            os._exit(9)
        return real(self, target)

    Path.replace = replace_or_die  # type: ignore[assignment,method-assign]
    try:
        publish(home, seed=2)
    finally:
        os._exit(0)


def test_states(home: Mothership) -> None:
    assert model_state(home, "tiny") is None
    publish(home)
    [listed] = cached_models(home)
    assert (listed.state, listed.bytes_on_disk) == ("ready", listed.record.size_bytes)
    flip_a_byte(home.model_folder("tiny") / "model.onnx")
    assert cached_models(home)[0].state == "ready"  # sizes only
    verified = verify_model(home, "tiny")
    assert (verified.state, verified.problem) == ("damaged", "model.onnx is damaged (not the recorded bytes)")
    (home.model_folder("tiny") / "tokenizer.json").unlink()
    assert cached_models(home)[0].state == "damaged"


def test_verify_reads_the_bytes_even_where_the_file_looks_the_same(home: Mothership) -> None:
    publish(home)
    path = home.model_folder("tiny") / "model.onnx"
    assert verify_model(home, "tiny").state == "ready"
    times = path.stat()
    flip_a_byte(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert verify_model(home, "tiny").state == "damaged"


def test_verify_of_an_unknown_model_says_so(home: Mothership) -> None:
    assert "no record of hf:org/name" in refusal(lambda: verify_model(home, "hf--org--name"))


def test_remove_frees_space_and_keeps_the_record(home: Mothership) -> None:
    record = publish(home)
    assert remove_model(home, "tiny") == record.size_bytes
    assert read_lock(home.models_lock) == {"tiny": record}
    assert cached_models(home)[0].state == "missing"
    assert "nothing to remove" in refusal(lambda: remove_model(home, "tiny"))


def test_remove_does_not_follow_a_link(home: Mothership, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    home.models.mkdir(parents=True)
    home.model_folder("tiny").symlink_to(precious)
    assert "nothing to remove" in refusal(lambda: remove_model(home, "tiny"))
    assert (precious / "file").read_text() == "kept"


@pytest.mark.parametrize(("older", "name"), OLDER_KEYS.items())
def test_a_model_that_an_older_patina_added_under_its_own_name_is_used(home: Mothership, older: str, name: str) -> None:
    assert load_registry(home).resolve(older).name == name
    of_an_older_patina(home, older)
    spec = replace(load_registry(home).resolve(name), dims=16)
    files = cached_model(home, spec)
    assert files.onnx == home.model_folder(older) / "model_quantized.onnx"
    assert OnnxEmbedder(spec, files).embed_passages(TEXTS).shape == (len(TEXTS), 16)
    row = model_row(home, load_registry(home), older)
    assert (row.name, row.folder) == (name, str(home.model_folder(older)))
    assert row.bytes_on_disk == read_lock(home.models_lock)[older].size_bytes
    assert verify_model(home, name).state == "ready"
    assert remove_model(home, name) == read_lock(home.models_lock)[older].size_bytes
    assert not home.model_folder(older).exists()


def test_of_two_records_of_one_model_the_one_with_files_counts(home: Mothership) -> None:
    [older, name, *_] = next(iter(OLDER_KEYS.items()))
    spec = ModelSpec(name, 16, 32, "mean")
    record = of_an_older_patina(home, older)
    record_model(home.models_lock, name, replace(record, sha256_model="0" * 64))
    assert cached_model(home, spec).onnx.parent == home.model_folder(older)
    home.model_folder(name).mkdir()
    assert f"model {name}: model_quantized.onnx is missing" in refusal(lambda: cached_model(home, spec))
