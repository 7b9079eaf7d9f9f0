"""Damaged artifacts are named, and never handed out."""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from published_stages import NEW, OLD, ROLES, publish
from refusals import refusal

from patina_resources.errors import PatinaError
from patina_resources.store import known_files
from patina_resources.store.artifacts import (
    BuiltProjection,
    Damage,
    damages,
    of_one_build,
    read_output,
    read_outputs,
    settle,
    verified_path,
)
from patina_resources.store.files import (
    file_sha256,
    sha256,
)
from patina_resources.store.manifests import (
    read_manifest,
)
from patina_resources.store.paths import ProjectionPaths


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _swap_letter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"o", b"0"))


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_a_file_is_hashed_once_for_each_state_that_it_is_in(
    paths: ProjectionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return file_sha256(path)

    monkeypatch.setattr(known_files, "file_sha256", counted)
    record = publish(paths, OLD)
    assert damages(paths, record) == ()
    assert verified_path(paths, record, "usearch") == paths.index
    assert hashed == []  # this process wrote them
    os.utime(paths.index, ns=(1, 1))
    assert [damages(paths, record) for _ in range(2)] == [(), ()]
    assert hashed == [paths.index]


def test_a_write_that_keeps_size_and_time_is_found(paths: ProjectionPaths) -> None:
    record = publish(paths, OLD)
    status = paths.index.stat()
    time.sleep(0.02)  # more than a tick of the file system's clock
    with paths.index.open("r+b") as file:
        file.write(b"OLD")
    os.utime(paths.index, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert paths.index.stat().st_size == status.st_size
    assert damages(paths, record) == (Damage("temporal.usearch", "damaged"),)
    for read in (read_output, verified_path):
        assert "damaged" in refusal(partial(read, paths, record, "usearch"))


def test_what_somebody_else_put_in_the_place_is_not_taken_for_what_was_written(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"mine")
    state = known_files.state_of(path.stat())
    other.write_bytes(b"else")
    other.rename(path)
    known_files.written(path, sha256(b"mine"), state)
    assert known_files.known_sha256(path) == sha256(b"else")


def test_what_is_written_over_before_it_is_remembered_is_not_taken_for_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"mine")
    state = known_files.state_of(path.stat())
    path.write_bytes(b"else")
    os.utime(path, ns=(0, 1))
    known_files.written(path, sha256(b"mine"), state)
    assert known_files.known_sha256(path) == sha256(b"else")


@pytest.mark.parametrize(("moment", "rests"), [(14.0, False), (14.000_000_005, True), (12.0, False)])
@pytest.mark.parametrize("times", [(10, 12), (12, 10)])
def test_a_file_rests_two_seconds_after_its_last_change(times: tuple[int, int], moment: float, rests: bool) -> None:
    state = (1, 1, 10**12, *(time * 10**9 for time in times))
    assert known_files._rests(state, moment) is rests  # type: ignore[arg-type]


def test_a_file_that_changes_while_it_is_hashed_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")

    def slow(path: Path) -> str:
        found = file_sha256(path)
        path.write_bytes(b"after all")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(known_files, "file_sha256", slow)
        assert known_files.known_sha256(path) == sha256(b"before")
    assert known_files.known_sha256(path) == sha256(b"after all")


def test_a_file_that_was_read_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, hashed = tmp_path / "a", []
    path.write_bytes(b"content")

    def counted(content: bytes) -> str:
        hashed.append(content)
        return sha256(content)

    monkeypatch.setattr(known_files, "sha256", counted)
    monkeypatch.setattr(known_files, "file_sha256", None)
    digest = sha256(b"content")
    assert [known_files.read_if_sha256(path, digest) for _ in range(2)] == [b"content"] * 2
    assert known_files.known_sha256(path) == digest
    assert hashed == [b"content"]
    assert known_files.read_if_sha256(path, sha256(b"other")) is None


def test_a_file_that_changes_while_it_is_read_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    states = iter([(1, 1, 6, 1, 1), (1, 1, 6, 2, 2)])
    with monkeypatch.context() as patched:
        patched.setattr(known_files, "state_of", lambda _: next(states))
        assert known_files.read_if_sha256(path, sha256(b"before")) == b"before"
        states = iter([(1, 1, 6, 1, 1)] * 2)
        assert known_files.read_if_sha256(path, sha256(b"other")) is None
        states = iter([(1, 1, 6, 1, 1)])
        assert known_files.known_sha256(path) == sha256(b"before")
        path.write_bytes(b"after!")
        states = iter([(1, 1, 6, 1, 1), (1, 1, 6, 2, 2)])
        assert known_files.read_if_sha256(path, sha256(b"before")) is None


def test_what_is_known_of_files_is_bounded() -> None:
    known: known_files.KnownFiles[int] = known_files.KnownFiles(most=2)
    states = [(0, inode, 0, 0, 0) for inode in range(3)]
    for number, state in enumerate(states):
        known.put(state, number)
    assert [known.get(state) for state in states] == [None, 1, 2]


@pytest.mark.parametrize(
    ("damage", "state"),
    [(Path.unlink, "missing"), (_cut, "damaged"), (_swap_letter, "damaged"), (_make_folder, "damaged")],
)
def test_a_damaged_file_is_named_and_never_handed_out(
    paths: ProjectionPaths, damage: Callable[[Path], None], state: str
) -> None:
    record = publish(paths, OLD)
    damage(paths.index)
    assert damages(paths, record) == (Damage("temporal.usearch", state),)
    assert str(damages(paths, record)[0]) == f"temporal.usearch is {state}"
    for read in (read_output, verified_path):
        sentence = refusal(partial(read, paths, record, "usearch"))
        assert sentence.startswith(f"{paths.index}: {state}{' (' if state == 'damaged' else ':'}")
    refusal(lambda: read_outputs(paths, "index", ROLES))
    assert read_output(paths, record, "search.db") == OLD["search.db"]


def test_a_named_pipe_in_the_place_of_a_file_is_not_waited_for(paths: ProjectionPaths) -> None:
    record = publish(paths, OLD)
    paths.index.unlink()
    os.mkfifo(paths.index)
    told: list[object] = []

    def look() -> None:
        told.append(damages(paths, record))
        told.append("damaged" in refusal(lambda: read_output(paths, record, "usearch")))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(30)
    assert told == [(Damage("temporal.usearch", "damaged"),), True]


@pytest.mark.parametrize(("again", "times"), [(False, 1), (True, 2)])
def test_damage_is_looked_at_again_only_where_something_new_was_published(
    paths: ProjectionPaths, again: bool, times: int
) -> None:
    publish(paths, OLD)
    read_of: list[BuiltProjection] = []

    def read(built: BuiltProjection) -> None:
        read_of.append(built)
        if len(read_of) == 1 and again:
            publish(paths, NEW)
        raise PatinaError("damaged")

    first = BuiltProjection(paths, read_manifest(paths.manifest))
    assert refusal(partial(of_one_build, first, read)) == "damaged"
    assert len(read_of) == times


def test_what_was_never_built_is_said_to_be_so(paths: ProjectionPaths) -> None:
    assert read_manifest(paths.manifest) == {}
    assert settle(paths) == {}
    assert refusal(lambda: read_outputs(paths, "index", ROLES)) == "temporal/index is not built: run `patina oxidize`"
    record = publish(paths, OLD)
    assert "names no onnx file" in refusal(lambda: read_output(paths, record, "onnx"))
