import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from hub_server import COMMIT, Hub
from refusals import refusal
from tiny_hub import PLACE, REPOSITORY, in_cache, tiny_registry, user_registry
from tiny_models import TEXTS, write_encoder, write_model, write_sentence_folder

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.errors import PatinaError
from patina_resources.models.add import hub as client
from patina_resources.models.add.add import add_model
from patina_resources.models.cache import cached_model, remove_model
from patina_resources.models.lock import read_lock, record_model
from patina_resources.models.registry_files import load_registry
from patina_resources.store.files import file_sha256
from patina_resources.store.mothership import Mothership

# What a second process runs: adds the model `tiny`, says what happened.
ADD = """
import resource, sys
from pathlib import Path
from patina_resources.models.add import hub
from patina_resources.errors import PatinaError
from patina_resources.models.add.add import add_model
from patina_resources.store.mothership import Mothership
from patina_resources.models.registry_files import load_registry
home, limit = Mothership(Path(sys.argv[1])), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
hub.RETRY_WAITS = ()
try:
    added = add_model(home, load_registry(home), "tiny")
    print("downloaded" if added.downloaded else "there")
except PatinaError as error:
    sys.exit(str(error))
"""


def start_adding(home: Mothership, limit: int = 0) -> "subprocess.Popen[str]":
    tiny_registry(home)
    command = [sys.executable, "-c", ADD, str(home.home), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd())


def test_a_registered_model_comes_from_the_hub(hub: Hub, home: Mothership) -> None:
    said: list[str] = []
    added = add_model(home, tiny_registry(home), "tiny", say=said.append)
    assert added.downloaded
    record = read_lock(home.models_lock)["tiny"]
    assert record == added.record
    assert (record.revision, record.precision, record.dimensions) == (COMMIT, "int8", 16)
    assert record.source_model == f"{hub.url}/{REPOSITORY}/resolve/{COMMIT}/onnx/model_quantized.onnx"
    assert said == [
        f"tiny: downloading onnx/model_quantized.onnx of {REPOSITORY} from the hub",
        "tiny: the registry pins no digest of it; models.lock holds those of what came",
    ]
    files = cached_model(home, added.spec)
    assert file_sha256(files.onnx) == record.sha256_model
    assert in_cache(home) == ["tiny/model_quantized.onnx", "tiny/tokenizer.json"]
    assert OnnxEmbedder(added.spec, files).embed_query(TEXTS[0]).shape == (16,)


def test_a_model_that_is_there_is_not_downloaded_again(hub: Hub, home: Mothership) -> None:
    add_model(home, tiny_registry(home), "tiny")
    asked = len(hub.requests)
    again = add_model(home, tiny_registry(home), "tiny")
    assert not again.downloaded
    assert len(hub.requests) == asked


def test_an_int8_graph_of_an_earlier_version_is_told(home: Mothership, tmp_path: Path) -> None:
    added = add_model(home, tiny_registry(home), "tiny", folder=write_sentence_folder(tmp_path / "bert"))
    said: list[str] = []
    add_model(home, tiny_registry(home), "tiny", say=said.append)
    assert said == []
    path = cached_model(home, added.spec).onnx
    graph = onnx.load(path)
    del graph.metadata_props[:]
    onnx.save(graph, path)
    record_model(home.models_lock, "tiny", replace(added.record, sha256_model=file_sha256(path)))
    assert not add_model(home, tiny_registry(home), "tiny", say=said.append).downloaded
    assert ["its int8 graph is of an earlier version" in line for line in said] == [True]


@pytest.mark.usefixtures("hub")
def test_the_other_precision_is_another_download(home: Mothership) -> None:
    add_model(home, tiny_registry(home), "tiny")
    fp32 = add_model(home, tiny_registry(home), "tiny", precision="fp32")
    assert fp32.downloaded
    assert fp32.record.precision == "fp32"
    assert in_cache(home) == ["tiny/model.onnx", "tiny/tokenizer.json"]


def test_a_damaged_model_is_repaired_from_the_recorded_commit(hub: Hub, home: Mothership) -> None:
    first = add_model(home, tiny_registry(home), "tiny", precision="fp32")
    path = cached_model(home, first.spec).onnx
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(PatinaError, match="run `patina model add tiny`"):
        cached_model(home, first.spec)
    repaired = add_model(home, tiny_registry(home), "tiny")
    assert repaired.downloaded
    assert replace(repaired.record, downloaded="") == replace(first.record, downloaded="")
    assert f"/{REPOSITORY}/resolve/{COMMIT}/onnx/model.onnx" in [request.path for request in hub.requests]


def test_a_removed_model_comes_back_from_the_recorded_commit(hub: Hub, home: Mothership) -> None:
    first = add_model(home, tiny_registry(home), "tiny")
    remove_model(home, "tiny")
    hub.requests.clear()
    assert add_model(home, tiny_registry(home), "tiny").record.sha256_model == first.record.sha256_model
    assert all("/resolve/main/" not in request.path for request in hub.requests)


def test_other_bytes_than_recorded_are_told(hub: Hub, home: Mothership, tmp_path: Path) -> None:
    add_model(home, tiny_registry(home), "tiny", precision="fp32")
    remove_model(home, "tiny")
    hub.add_folder(REPOSITORY, tmp_path / "published")
    other = write_encoder(tmp_path / "other.onnx", seed=2)
    hub.repositories[REPOSITORY]["onnx/model.onnx"] = other.read_bytes()
    said: list[str] = []
    add_model(home, tiny_registry(home), "tiny", say=said.append)
    assert said[-1] == "tiny: these are other bytes than were recorded before: texts will be embedded again"


def test_wrong_bytes_leave_nothing(hub: Hub, home: Mothership) -> None:
    hub.wrong_bytes.add("onnx/model_quantized.onnx")
    assert "refused, nothing was kept" in refusal(lambda: add_model(home, tiny_registry(home), "tiny"))
    assert in_cache(home) == []
    assert read_lock(home.models_lock) == {}


@pytest.mark.usefixtures("hub")
def test_a_pin_in_the_registry_is_checked(home: Mothership) -> None:
    place = {**PLACE, "sha256": {"tokenizer.json": "0" * 64}}
    sentence = refusal(lambda: add_model(home, tiny_registry(home, hub=place), "tiny"))
    assert "the registry pins" in sentence
    assert in_cache(home) == []


def test_cut_at_ten_random_bytes_every_next_try_goes_on(hub: Hub, home: Mothership) -> None:
    rng = random.Random(13)
    whole = len(hub.repositories[REPOSITORY]["onnx/model_quantized.onnx"])
    for _ in range(10):
        hub.cuts.append(rng.randrange(1, whole // 12))
        assert "it goes on where it ended" in refusal(lambda: add_model(home, tiny_registry(home), "tiny"))
    added = add_model(home, tiny_registry(home), "tiny")
    expected = client.hashlib.sha256(hub.repositories[REPOSITORY]["onnx/model_quantized.onnx"]).hexdigest()
    assert added.record.sha256_model == expected
    starts = [request.range for request in hub.downloads("model_quantized.onnx") if "/storage/" in request.path]
    positions = [int(start.removeprefix("bytes=").rstrip("-")) if start else 0 for start in starts]
    assert positions == sorted(positions)
    assert len(set(positions)) == 11
    assert in_cache(home) == ["tiny/model_quantized.onnx", "tiny/tokenizer.json"]


def test_two_adds_at_once_download_once(hub: Hub, home: Mothership) -> None:
    hub.pause = threading.Event()
    workers = [start_adding(home), start_adding(home)]
    _wait_for(lambda: bool(hub.downloads("model_quantized.onnx")))
    hub.pause.set()
    outputs = sorted(worker.communicate(timeout=60)[0].strip() for worker in workers)
    assert outputs == ["downloaded", "there"]
    stored = [request for request in hub.downloads("model_quantized.onnx") if "/storage/" in request.path]
    assert len(stored) == 1


def test_a_killed_download_goes_on(hub: Hub, home: Mothership) -> None:
    hub.pause = threading.Event()
    worker = start_adding(home)
    _wait_for(lambda: any(name.endswith(".partial") for name in _sized(home.models)))
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    hub.pause.set()
    assert "run `patina model add tiny`" in refusal(lambda: cached_model(home, tiny_registry(home).resolve("tiny")))
    assert add_model(home, tiny_registry(home), "tiny").downloaded
    assert (hub.downloads("storage/tiny--encoder/onnx/model_quantized.onnx")[-1].range or "").startswith("bytes=")
    assert in_cache(home) == ["tiny/model_quantized.onnx", "tiny/tokenizer.json"]


@pytest.mark.usefixtures("hub")
def test_a_full_disk_is_said_and_nothing_is_kept(home: Mothership) -> None:
    worker = start_adding(home, limit=100_000)
    _, problem = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "cannot store onnx/model_quantized.onnx of tiny/encoder (File too large)" in problem
    assert "Traceback" not in problem
    assert in_cache(home) == []
    assert add_model(home, tiny_registry(home), "tiny").downloaded


def test_names_without_a_source_are_errors(home: Mothership) -> None:
    assert "is built in each project" in refusal(lambda: add_model(home, load_registry(home), "corpus-static"))
    assert "unknown model" in refusal(lambda: add_model(home, load_registry(home), "nothing"))
    for name in ("../x", "/etc", "hf:../x", "hf:a/b/../c"):
        refusal(lambda name=name: add_model(home, load_registry(home), name, folder=Path("/")))  # type: ignore[misc]
    without = user_registry(home, {"own": {"dims": 8, "max_tokens": 8, "pooling": "mean"}})
    assert "registry.toml names no place" in refusal(lambda: add_model(home, without, "own"))


def test_a_cache_that_cannot_be_written_is_one_sentence(home: Mothership, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "here")
    home.home.mkdir()
    (home.home / "cache").write_text("a file where a folder has to be")
    assert str(home.home / "cache") in refusal(lambda: add_model(home, tiny_registry(home), "tiny", folder=folder))


def test_hf_hub_offline_is_honoured_by_a_fresh_process(
    hub: Hub, home: Mothership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    _, problem = start_adding(home).communicate(timeout=60)
    assert "the hub is not asked, since HF_HUB_OFFLINE is set" in problem
    assert hub.requests == []


def _sized(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 0]


def _wait_for(condition: object, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
