"""Digests that one process notes for the next: believed of files that nobody touched, and of no others."""

import json
import os
from functools import partial
from pathlib import Path

import pytest
from installations import OTHER_KEY, give_key
from published_stages import OLD, publish
from refusals import refusal

from patina_resources.store import known_files
from patina_resources.store.artifacts import Damage, damages, read_output, verified_path
from patina_resources.store.file_digests import note_digests, recall_digests
from patina_resources.store.files import file_sha256
from patina_resources.store.known_files import KnownFiles
from patina_resources.store.manifests import StageRecord
from patina_resources.store.paths import ProjectionPaths

DAMAGED = (Damage("temporal.usearch", "damaged"),)


@pytest.fixture(autouse=True)
def _at_rest_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_files, "REST_SECONDS", -60.0)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files that are hashed from now on."""
    found: list[Path] = []

    def counted(path: Path) -> str:
        found.append(path)
        return file_sha256(path)

    monkeypatch.setattr(known_files, "file_sha256", counted)
    return found


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "file-digests.json"


def _begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget all that this process knows of files."""
    monkeypatch.setattr(known_files, "_DIGESTS", KnownFiles[str]())
    known_files.believe({})


def _noted(monkeypatch: pytest.MonkeyPatch, paths: ProjectionPaths, note: Path) -> StageRecord:
    """Publish a stage, look at it in a second process that notes what it finds, and begin a third."""
    record = publish(paths, OLD)
    _begin_anew(monkeypatch)
    assert damages(paths, record) == ()
    note_digests(note)
    _begin_anew(monkeypatch)
    return record


def test_a_noted_file_is_not_hashed_to_see_whether_it_is_as_it_was(
    paths: ProjectionPaths, note: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _noted(monkeypatch, paths, note)
    hashed.clear()
    recall_digests(note)
    assert damages(paths, record) == ()
    assert hashed == []
    before = note.read_bytes()
    note_digests(note)  # what was believed is noted again
    assert note.read_bytes() == before


def test_a_file_that_this_process_wrote_is_noted_once_it_is_at_rest(
    paths: ProjectionPaths, note: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin_anew(monkeypatch)
    record = publish(paths, OLD)
    monkeypatch.setattr(known_files, "REST_SECONDS", 3600.0)
    assert known_files.digests_at_rest() == {}
    monkeypatch.setattr(known_files, "REST_SECONDS", -60.0)
    note_digests(note)
    _begin_anew(monkeypatch)
    recall_digests(note)
    assert damages(paths, record) == ()
    assert hashed == []


def test_a_noted_file_is_hashed_before_it_is_handed_to_a_loader(
    paths: ProjectionPaths, note: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _noted(monkeypatch, paths, note)
    hashed.clear()
    recall_digests(note)
    assert verified_path(paths, record, "usearch") == paths.index
    assert hashed == [paths.index]
    words = paths.folder / "temporal.search.db"
    assert known_files.known_sha256(words) == file_sha256(words)
    assert hashed == [paths.index, words]


def test_a_noted_file_that_was_written_to_is_hashed(
    paths: ProjectionPaths, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _noted(monkeypatch, paths, note)
    status = paths.index.stat()
    with paths.index.open("r+b") as file:
        file.write(b"OLD")
    os.utime(paths.index, ns=(status.st_atime_ns, status.st_mtime_ns))
    recall_digests(note)
    assert damages(paths, record) == DAMAGED


def test_damage_that_the_file_system_does_not_tell_is_seen_once_a_reader_met_it(
    paths: ProjectionPaths, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _noted(monkeypatch, paths, note)
    with paths.index.open("r+b") as file:
        file.write(b"OLD")
    state, right = known_files.state_of(paths.index.stat()), record.outputs["usearch"].sha256
    known_files.believe({state: right})  # as if a disk had changed the bytes by itself
    assert damages(paths, record) == ()
    assert "damaged" in refusal(partial(read_output, paths, record, "usearch"))
    assert damages(paths, record) == DAMAGED
    _begin_anew(monkeypatch)
    known_files.believe({state: right})  # the next process has the same note: the file has another state now
    assert damages(paths, record) == DAMAGED


def test_a_file_that_was_just_written_is_not_noted(
    paths: ProjectionPaths, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "REST_SECONDS", 3600.0)
    _noted(monkeypatch, paths, note)
    assert json.loads(note.read_bytes())["files"] == []


@pytest.mark.parametrize("harm", ["foreign", "changed", "no JSON", "no list"])
def test_a_note_of_somebody_else_or_a_damaged_one_is_not_believed(
    paths: ProjectionPaths,
    note: Path,
    hashed: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    harm: str,
) -> None:
    record = _noted(monkeypatch, paths, note)
    document = json.loads(note.read_bytes())
    assert len(document["files"]) == len(OLD)
    if harm == "foreign":
        monkeypatch.setenv("PATINA_HOME", str(give_key(tmp_path / "other", OTHER_KEY)))
    elif harm == "changed":
        document["files"][0][-1] = "00" * 32
        note.write_text(json.dumps(document))
    else:
        note.write_text("{" if harm == "no JSON" else '{"files": 3, "keyed_sha256": ""}')
    hashed.clear()
    recall_digests(note)
    assert damages(paths, record) == ()
    assert len(hashed) == len(OLD)
