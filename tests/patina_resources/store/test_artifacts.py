"""Artifacts: published as a whole, found again, and never handed out damaged."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from published_stages import NEW, OLD, ROLES, contents_of, publish
from refusals import refusal
from root import ROOT
from scripts import names, run

from patina_resources.errors import PatinaError
from patina_resources.store import artifacts, known_files
from patina_resources.store.artifacts import (
    BuiltProjection,
    Damage,
    damages,
    of_one_build,
    read_output,
    read_outputs,
    settle,
    settle_interrupted,
    verified_path,
)
from patina_resources.store.files import (
    exclusive,
    file_sha256,
    sha256,
)
from patina_resources.store.manifests import (
    OutputFile,
    read_manifest,
)
from patina_resources.store.paths import ProjectionPaths

# A stage


def test_a_stage_is_published_with_its_manifest(paths: ProjectionPaths) -> None:
    record = publish(paths, OLD)
    assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]
    assert read_manifest(paths.manifest) == {"index": record}
    assert record.outputs["usearch"] == OutputFile("temporal.usearch", sha256(b"old index"), 9)
    assert record.built_at.endswith("Z")
    assert contents_of(paths) == OLD
    assert damages(paths, record) == ()
    assert verified_path(paths, record, "usearch") == paths.index


def test_stages_do_not_disturb_each_other(paths: ProjectionPaths) -> None:
    weights = publish(paths, {"safetensors": b"weights"}, "weights")
    publish(paths, OLD)
    index = publish(paths, NEW)
    assert read_manifest(paths.manifest) == {"weights": weights, "index": index}
    assert contents_of(paths) == NEW
    assert read_output(paths, weights, "safetensors") == b"weights"


def test_projections_in_one_folder_do_not_disturb_each_other(paths: ProjectionPaths) -> None:
    other = ProjectionPaths(paths.folder, "temporal-two")
    publish(other, OLD)
    interrupted(other, NEW)
    publish(paths, OLD)
    settle(paths)
    assert contents_of(other) == NEW


def interrupted(paths: ProjectionPaths, contents: dict[str, bytes]) -> None:
    """Leave a build as a kill between the manifest and the files leaves it."""
    publish(paths, contents)
    for output in read_manifest(paths.manifest)["index"].outputs.values():
        final = paths.folder / output.file
        final.rename(paths.folder / f"{paths.name}.{output.file}.{output.sha256[:16]}.pending")
        final.write_bytes(b"from the build before")


def test_interrupted_builds_are_finished_under_the_mutex_and_only_where_there_are_some(tmp_path: Path) -> None:
    places = [ProjectionPaths(tmp_path / "projections", name) for name in ("semantic", "temporal")]
    mutex = tmp_path / "mutex"
    for place in places:
        publish(place, OLD)
    settle_interrupted(places, mutex)
    assert not mutex.exists()
    interrupted(places[1], NEW)
    left = [name for name in names(tmp_path / "projections") if name.endswith(".pending")]
    assert left
    with exclusive(mutex, 0, "holding"), pytest.MonkeyPatch.context() as patched:
        patched.setattr(artifacts, "MUTEX_WAIT_SECONDS", 0)
        assert "so finishing an interrupted build cannot" in refusal(lambda: settle_interrupted(places, mutex))
    settle_interrupted(places, mutex)
    assert [name for name in names(tmp_path / "projections") if name.endswith(".pending")] == []
    assert contents_of(places[0]) == OLD
    assert contents_of(places[1]) in (OLD, NEW)


def test_files_are_found_before_they_have_moved_to_their_names(paths: ProjectionPaths) -> None:
    interrupted(paths, NEW)
    record = read_manifest(paths.manifest)["index"]
    assert contents_of(paths) == NEW
    assert damages(paths, record) == ()
    assert verified_path(paths, record, "usearch").read_bytes() == NEW["usearch"]
    settle(paths)
    assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]
    assert verified_path(paths, record, "usearch") == paths.index


# Publishes a new build over an old one, in one folder for each step at which the process is killed.
KILLED = """
import os, sys
from pathlib import Path
from patina_resources.store.artifacts import publish_stage
from patina_resources.store.manifests import StageRecord
from patina_resources.store.paths import ProjectionPaths

STEPS = {"open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "tempfile.mkstemp"}

def publish(folder, contents):
    paths = ProjectionPaths(folder, "temporal")
    record = StageRecord(contents["usearch"], {}, contents["usearch"], {})
    files = {folder / f"temporal.{role}": text.encode() for role, text in contents.items()}
    publish_stage(paths, "index", record, files)

def kill_at(step):
    left = step
    def hook(event, arguments):
        nonlocal left
        if event in STEPS:
            left -= 1
            if left < 0:
                os._exit(9)
    sys.addaudithook(hook)

step, status = 0, None
while status != 0:
    folder = Path(sys.argv[1]) / f"killed-at-{step:03}"
    publish(folder, {"usearch": "old index", "search.db": "old items"})
    process = os.fork()
    if process == 0:
        kill_at(step)
        publish(folder, {"usearch": "new index, longer", "search.db": "new items"})
        os._exit(0)
    status = os.waitpid(process, 0)[1]
    step += 1
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> list[ProjectionPaths]:
    """A new build published over an old one, killed before its 1st, 2nd, ... step at the operating system."""
    folder = tmp_path_factory.mktemp("killed")
    done = run(KILLED, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return [ProjectionPaths(folder / name, "temporal") for name in names(folder)]


def test_a_killed_writer_leaves_the_old_or_the_new_build(killed: list[ProjectionPaths]) -> None:
    found = [contents_of(paths) for paths in killed]
    assert len(found) > 15
    assert all(contents in (OLD, NEW) for contents in found)
    change = found.index(NEW)
    assert found == [OLD] * change + [NEW] * (len(found) - change)
    # The new build counts while its files still wait under their pending names.
    assert len(found) - change > 2
    assert all(damages(paths, read_manifest(paths.manifest)["index"]) == () for paths in killed)


def test_what_a_killed_writer_leaves_is_settled(killed: list[ProjectionPaths]) -> None:
    for paths in killed:
        before = contents_of(paths)
        (paths.folder / ".tmp-temporal.usearch.half").write_bytes(b"half")
        (paths.folder / ".tmp-another.usearch.half").write_bytes(b"it may be written just now")
        settle(paths)
        (paths.folder / ".tmp-another.usearch.half").unlink()
        assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]
        assert contents_of(paths) == before
        assert {role: (paths.folder / f"temporal.{role}").read_bytes() for role in ROLES} == before
        publish(paths, {"usearch": b"next", "search.db": b"build"})
        assert contents_of(paths) == {"usearch": b"next", "search.db": b"build"}


@pytest.mark.parametrize("step", range(5))
def test_a_failing_rename_leaves_the_old_or_the_new_build(
    paths: ProjectionPaths, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    publish(paths, OLD)
    rename, calls = Path.replace, iter(range(100))

    def failing(self: Path, target: Path) -> Path:
        if next(calls) == step:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        sentence = refusal(lambda: publish(paths, NEW))
    assert "cannot be written (No space left on device)" in sentence
    assert contents_of(paths) == (OLD if step < 3 else NEW)
    settle(paths)
    assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]


def test_a_folder_in_the_place_of_an_artifact_makes_way(paths: ProjectionPaths) -> None:
    for place in (paths.index, paths.manifest):
        place.mkdir(parents=True)
        (place / "kept").touch()
    record = publish(paths, OLD)
    assert damages(paths, record) == ()
    assert (paths.index.with_name(f"{paths.index.name}.aside") / "kept").exists()
    assert read_manifest(paths.manifest) == {"index": record}


FULL = """
import resource, sys
from pathlib import Path
from patina_resources.store.artifacts import publish_stage
from patina_resources.store.manifests import StageRecord
from patina_resources.errors import PatinaError
from patina_resources.store.paths import ProjectionPaths
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    contents = {folder / "temporal.search.db": b"small", folder / "temporal.usearch": b"x" * 2000}
    publish_stage(ProjectionPaths(folder, "temporal"), "index", StageRecord("f", {}, "d", {}), contents)
except PatinaError as error:
    print(error)
"""


def test_a_full_disk_keeps_the_old_build(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    done = run(FULL, paths.folder)
    assert done.stderr == ""
    assert "cannot be written (File too large)" in done.stdout
    assert contents_of(paths) == OLD
    settle(paths)
    assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]


REPUBLISH = """
import sys
sys.path[:0] = ["tests/support", "tests/patina_resources/store"]
from pathlib import Path
from test_artifacts import ProjectionPaths, publish
for turn in range(40):
    contents = dict.fromkeys(["usearch", "search.db"], b"build %d" % turn)
    publish(ProjectionPaths(Path(sys.argv[1]), "temporal"), contents)
"""


def test_a_reader_gets_files_of_one_build_while_others_are_published(paths: ProjectionPaths) -> None:
    publish(paths, {"usearch": b"build first", "search.db": b"build first"})
    writer = subprocess.Popen([sys.executable, "-c", REPUBLISH, str(paths.folder)], cwd=ROOT)
    while writer.poll() is None:
        contents = contents_of(paths)
        assert contents["usearch"] == contents["search.db"]
    assert writer.returncode == 0
    assert contents_of(paths)["usearch"] == b"build 39"


# Damage


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
        assert sentence.startswith(f"{paths.index}: {state}")
    refusal(lambda: read_outputs(paths, "index", ROLES))
    assert read_output(paths, record, "search.db") == OLD["search.db"]


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
