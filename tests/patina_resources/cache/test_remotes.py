"""Stores: the first writer wins, nothing is half-written, and one that cuts, stalls or lies ends in one sentence."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_server import Fault, StoreServer, running_store

from patina_resources.cache.folder import FolderRemote
from patina_resources.cache.https import HttpsRemote
from patina_resources.cache.remote import CacheError, CacheRefusedError, CacheUnavailableError

DATA = bytes(range(256)) * 2000
NAME = "v1/blobs/aa/aa"
SECONDS = 0.3


@pytest.fixture
def folder(tmp_path: Path) -> FolderRemote:
    return FolderRemote(tmp_path / "store")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    FolderRemote(tmp_path / "store").write(NAME, DATA)
    with running_store(tmp_path / "store") as running:
        yield running


def test_what_is_put_is_read_and_listed_and_removed(folder: FolderRemote) -> None:
    assert (folder.read(NAME, 10, 10), folder.size(NAME)) == (None, None)
    assert folder.write(NAME, DATA)
    assert (folder.read(NAME, len(DATA), 1), folder.size(NAME)) == (DATA, len(DATA))
    assert [(entry.name, entry.bytes) for entry in folder.entries()] == [(NAME, len(DATA))]
    folder.remove(NAME)
    assert list(folder.entries()) == []


def test_the_first_writer_wins_unless_the_second_replaces(folder: FolderRemote) -> None:
    assert folder.write(NAME, b"first")
    assert not folder.write(NAME, b"second")
    assert folder.read(NAME, 10, 10) == b"first"
    assert folder.write(NAME, b"third", replaces=True)
    assert folder.read(NAME, 10, 10) == b"third"


def test_of_eight_writers_at_once_one_wins(folder: FolderRemote) -> None:
    won: list[int] = []
    together = threading.Barrier(8)

    def put(number: int) -> None:
        together.wait()
        if folder.write(NAME, str(number).encode() * 100_000):
            won.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert folder.read(NAME, 100_000, 1) == str(won[0]).encode() * 100_000
    assert [entry.name for entry in folder.entries()] == [NAME]  # nothing temporary is left


def test_more_bytes_than_expected_are_refused(folder: FolderRemote) -> None:
    folder.write(NAME, DATA)
    with pytest.raises(CacheRefusedError, match="more than the 100 bytes"):
        folder.read(NAME, 100, 100)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_refused(kind: str, folder: FolderRemote, tmp_path: Path) -> None:
    path = tmp_path / "store" / NAME
    path.parent.mkdir(parents=True)
    if kind == "link":
        (tmp_path / "secret").write_bytes(b"secret")
        path.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(CacheRefusedError, match="no plain file"):
        folder.read(NAME, 100, 100)
    assert folder.size(NAME) is None


def test_a_folder_of_the_store_that_is_a_link_is_not_followed(folder: FolderRemote, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / Path(NAME).name).write_bytes(DATA)
    place = (tmp_path / "store" / NAME).parent
    place.parent.mkdir(parents=True)
    place.symlink_to(elsewhere)
    steps: list[Callable[[], object]] = [
        lambda: folder.read(NAME, 100, 1),
        lambda: folder.size(NAME),
        lambda: folder.write(f"{NAME}b", DATA),
        lambda: folder.remove(NAME),
    ]
    for step in steps:
        with pytest.raises(CacheRefusedError, match="is a link out of the store"):
            step()
    place.unlink()
    place.symlink_to(place)
    with pytest.raises(CacheError, match="store"):
        folder.read(NAME, 100, 1)
    assert [path.name for path in elsewhere.iterdir()] == [Path(NAME).name]
    # The store itself may be one: its user has chosen it.
    (tmp_path / "linked").symlink_to(tmp_path / "other")
    (tmp_path / "other").mkdir()
    assert FolderRemote(tmp_path / "linked").write(NAME, DATA)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_read(folder: FolderRemote, tmp_path: Path) -> None:
    folder.write(NAME, DATA)
    (tmp_path / "store" / "v1" / "blobs" / "aa").chmod(0o555)
    assert folder.read(NAME, len(DATA), 1) == DATA
    with pytest.raises(CacheUnavailableError, match="cannot be written to"):
        folder.write("v1/blobs/aa/other", DATA)


def test_a_full_disk_leaves_nothing(folder: FolderRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CacheUnavailableError, match="No space left on device"):
        folder.write(NAME, DATA)
    assert list(folder.entries()) == []


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    remote = FolderRemote(tmp_path / "store")
    assert remote.read(NAME, 1, 1) is None
    with pytest.raises(CacheUnavailableError, match="cannot be written to"):
        remote.write(NAME, DATA)
    with pytest.raises(CacheUnavailableError, match="cannot be listed"):
        list(remote.entries())
    assert list(FolderRemote(tmp_path / "not made").entries()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anywhere")
def test_a_folder_that_cannot_be_listed_does_not_seem_empty(folder: FolderRemote, tmp_path: Path) -> None:
    folder.write(NAME, DATA)
    (tmp_path / "store" / "v1" / "blobs" / "aa").chmod(0o000)
    with pytest.raises(CacheUnavailableError, match="cannot be listed"):
        list(folder.entries())


def read(server: StoreServer, most: int = len(DATA)) -> bytes | None:
    return HttpsRemote(server.url, SECONDS, is_loopback=True).read(NAME, most, len(DATA))


def test_a_web_server_gives_what_it_holds(server: StoreServer) -> None:
    assert read(server) == DATA
    assert HttpsRemote(server.url, SECONDS, is_loopback=True).read("v1/nothing", 1, 1) is None


def test_what_was_cut_goes_on_from_there(server: StoreServer) -> None:
    server.fault = "cut"
    assert read(server) == DATA
    assert server.asked == [(NAME, ""), (NAME, f"bytes={len(DATA) // 2}-")]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("stall", "nothing came in time"),
        ("drip", "nothing came in time"),
        ("slow head", "nothing came in time"),
        ("always cut", "does not give what it holds"),
        ("500", "answers HTTP 500"),
        ("redirect", "answers HTTP 302"),
    ],
)
def test_a_server_that_fails_is_given_up_in_time(fault: Fault, sentence: str, server: StoreServer) -> None:
    server.fault = fault
    started = time.monotonic()
    with pytest.raises(CacheUnavailableError, match=sentence) as caught:
        HttpsRemote(server.url, SECONDS, is_loopback=True).read(NAME, len(DATA), 1000)
    assert time.monotonic() - started < 30  # it would take for ever
    assert "\n" not in str(caught.value)


def test_an_endless_answer_is_refused(server: StoreServer) -> None:
    server.fault = "endless"
    with pytest.raises(CacheRefusedError, match=f"more than the {len(DATA)} bytes"):
        read(server)


def test_a_server_that_is_gone_is_said() -> None:
    with pytest.raises(CacheUnavailableError, match="Connection refused"):
        HttpsRemote("http://127.0.0.1:9", SECONDS, is_loopback=True).read(NAME, 1, 1)


def test_a_web_server_is_only_read(server: StoreServer) -> None:
    remote = HttpsRemote(server.url, SECONDS, is_loopback=True)
    for work in (lambda: remote.write(NAME, b""), lambda: list(remote.entries()), lambda: remote.remove(NAME)):
        with pytest.raises(CacheError):
            work()
