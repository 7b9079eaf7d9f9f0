import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, Hub, running_hub
from huggingface_hub import constants

from patina_resources.errors import PatinaError
from patina_resources.models.add import hub as client

REPOSITORY = "tiny/model"
BIG = random.Random(7).randbytes(400_000)
SMALL = b'{"small": true}'


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(client, "RETRY_WAITS", (0.0, 0.0))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with running_hub() as running:
        running.repositories[REPOSITORY] = {"onnx/model.onnx": BIG, "tokenizer.json": SMALL}
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def fetch(target: Path, name: str = "onnx/model.onnx", **options: str) -> client.HubFile:
    return client.fetch(REPOSITORY, None, name, target, **options)


def everything_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_large_file_comes_from_storage_and_is_checked_against_its_sha256(hub: Hub, tmp_path: Path) -> None:
    found = fetch(tmp_path / "model.onnx")
    assert found.path.read_bytes() == BIG
    assert found.sha256 == hashlib.sha256(BIG).hexdigest()
    assert found.commit == COMMIT
    assert found.url == f"{hub.url}/{REPOSITORY}/resolve/{COMMIT}/onnx/model.onnx"
    assert any(request.path.startswith("/storage/") for request in hub.requests)


def test_a_small_file_is_checked_against_its_git_digest(hub: Hub, tmp_path: Path) -> None:
    assert fetch(tmp_path / "t.json", "tokenizer.json").path.read_bytes() == SMALL
    hub.wrong_bytes.add("tokenizer.json")
    with pytest.raises(PatinaError, match="refused, nothing was kept: its git digest is"):
        fetch(tmp_path / "again.json", "tokenizer.json")


def test_ten_cut_connections_end_with_the_right_bytes(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RETRY_WAITS", ())
    rng = random.Random(11)
    sizes = []
    for _ in range(10):
        hub.cuts.append(rng.randrange(1, 38_000))
        with pytest.raises(client.HubUnavailableError, match="it goes on where it ended"):
            fetch(tmp_path / "model.onnx")
        sizes.append(sum(path.stat().st_size for path in everything_below(tmp_path)))
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0] > 0
    found = fetch(tmp_path / "model.onnx")
    assert found.sha256 == hashlib.sha256(BIG).hexdigest()
    assert hub.downloads("model.onnx")[-1].range == f"bytes={sizes[-1]}-"
    assert everything_below(tmp_path) == [tmp_path / "model.onnx"]


def test_cuts_within_one_call_are_survived(hub: Hub, tmp_path: Path) -> None:
    hub.cuts.extend([100_000, 100_000])
    assert fetch(tmp_path / "model.onnx").path.read_bytes() == BIG


def test_a_server_without_ranges_starts_over(hub: Hub, tmp_path: Path) -> None:
    hub.cuts.append(100_000)
    hub.ignore_ranges = True
    assert fetch(tmp_path / "model.onnx").path.read_bytes() == BIG


@pytest.mark.parametrize("content", [b"x" * 100_000, BIG, BIG + b"too long"], ids=["damaged", "complete", "overlong"])
def test_what_an_earlier_try_has_left_is_no_trap(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(client, "RETRY_WAITS", ())
    hub.cuts.append(100_000)
    with pytest.raises(client.HubUnavailableError):
        fetch(tmp_path / "model.onnx")
    [partial] = everything_below(tmp_path)
    partial.write_bytes(content)
    assert fetch(tmp_path / "model.onnx").path.read_bytes() == BIG


def test_a_file_that_is_there_is_not_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    fetch(tmp_path / "model.onnx")
    before = len(hub.downloads("model.onnx"))
    fetch(tmp_path / "model.onnx")
    assert len(hub.downloads("model.onnx")) == before


def test_wrong_bytes_of_the_right_length_are_refused_and_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.wrong_bytes.add("onnx/model.onnx")
    with pytest.raises(PatinaError, match=r"refused, nothing was kept: its SHA-256 is .*, the hub states"):
        fetch(tmp_path / "model.onnx")
    assert everything_below(tmp_path) == []


@pytest.mark.usefixtures("hub")
def test_bytes_other_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PatinaError, match=f"the registry pins {'0' * 64}"):
        fetch(tmp_path / "model.onnx", pin="0" * 64)
    assert everything_below(tmp_path) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.statuses.extend([status, status])
    assert fetch(tmp_path / "model.onnx").path.read_bytes() == BIG


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "set HF_TOKEN"),
        (403, "access is gated"),
        (404, "the hub does not show it"),
        (429, "asks to wait"),
        (500, "answered 500"),
    ],
)
def test_a_refusal_is_one_sentence(hub: Hub, tmp_path: Path, status: int, sentence: str) -> None:
    hub.statuses.extend([status] * 5)
    with pytest.raises(client.HubUnavailableError, match=sentence) as error:
        fetch(tmp_path / "model.onnx")
    assert "\n" not in str(error.value)
    assert everything_below(tmp_path) == []


@pytest.mark.usefixtures("hub")
def test_missing_repository_revision_and_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(client.HubUnavailableError, match="does not show it"):
        client.fetch("tiny/absent", None, "model.onnx", tmp_path / "m")
    with pytest.raises(client.HubUnavailableError, match="no such revision"):
        client.fetch(REPOSITORY, "v9", "onnx/model.onnx", tmp_path / "m")
    with pytest.raises(client.HubUnavailableError, match=r"no file absent\.onnx"):
        client.fetch(REPOSITORY, None, "absent.onnx", tmp_path / "m")


def test_the_token_goes_to_the_hub_only_and_never_into_a_message(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(client.HubUnavailableError, match="set HF_TOKEN"):
        fetch(tmp_path / "model.onnx")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = fetch(tmp_path / "model.onnx")
    assert "secret" not in found.url
    stored = [request for request in hub.requests if request.path.startswith("/storage/")]
    assert stored
    assert all(request.authorization is None for request in stored)
    hub.statuses.extend([500] * 5)
    with pytest.raises(client.HubUnavailableError) as error:
        fetch(tmp_path / "other.onnx")
    assert "secret" not in str(error.value)


def test_a_login_in_the_endpoint_stays_out_of_messages(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("http://", "http://user:secret@"))
    assert "secret" not in fetch(tmp_path / "model.onnx").url
    monkeypatch.setenv("HF_ENDPOINT", "http://user:secret@127.0.0.1:9")
    with pytest.raises(client.HubUnavailableError, match="cannot be reached") as error:
        fetch(tmp_path / "model.onnx")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nonsense", "http://[::bad"])
def test_an_endpoint_that_does_not_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setattr(client, "RETRY_WAITS", ())
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(client.HubUnavailableError):
        fetch(tmp_path / "model.onnx")


def test_offline_means_not_asked(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(client.HubUnavailableError, match="HF_HUB_OFFLINE is set"):
        fetch(tmp_path / "model.onnx")
    assert hub.requests == []


def test_too_little_space_is_found_before_the_download(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = client.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(client.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(PatinaError, match="400,000 bytes are needed, 1,000 are free"):
        fetch(tmp_path / "model.onnx")
    assert hub.downloads("model.onnx") == []


@pytest.mark.usefixtures("hub")
def test_the_files_of_a_repository_are_listed() -> None:
    listing = client.list_repository(REPOSITORY, None)
    assert listing == client.Listing(COMMIT, frozenset({"onnx/model.onnx", "tokenizer.json"}))
    with pytest.raises(client.HubUnavailableError, match="no such revision"):
        client.list_repository(REPOSITORY, "v9")
