"""Artifacts: published as a whole, found again."""

import subprocess
import sys
from pathlib import Path

import pytest
from published_stages import NEW, OLD, contents_of, publish
from refusals import refusal
from root import ROOT
from scripts import names

from patina_resources.store import artifacts
from patina_resources.store.artifacts import (
    damages,
    read_output,
    settle,
    settle_interrupted,
    verified_path,
)
from patina_resources.store.files import (
    sha256,
)
from patina_resources.store.manifests import (
    OutputFile,
    read_manifest,
)
from patina_resources.store.mutex import exclusive, shared
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
    for held in (mutex, places[1].mutex):
        with exclusive(held, 0, "holding"), pytest.MonkeyPatch.context() as patched:
            patched.setattr(artifacts, "MUTEX_WAIT_SECONDS", 0)
            assert "so finishing an interrupted build cannot" in refusal(lambda: settle_interrupted(places, mutex))
    with shared(mutex, 0, "building"), exclusive(places[0].mutex, 0, "building semantic"):
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
