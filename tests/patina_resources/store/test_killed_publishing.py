"""Writers of artifacts that are killed or fail, at every step: the old build or the new one."""

from pathlib import Path

import pytest
from published_stages import NEW, OLD, ROLES, contents_of, publish
from refusals import refusal
from scripts import names, run

from patina_resources.store.artifacts import (
    damages,
    settle,
)
from patina_resources.store.manifests import (
    read_manifest,
)
from patina_resources.store.paths import ProjectionPaths

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
