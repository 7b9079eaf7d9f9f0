"""Artifacts: published as a whole, found again."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from published_stages import NEW, OLD, contents_of, publish
from refusals import refusal
from root import ROOT
from scripts import names

from patina_resources.errors import PatinaError
from patina_resources.store import artifacts
from patina_resources.store.artifacts import (
    BuiltProjection,
    damages,
    of_one_build,
    publish_record,
    publish_stage,
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
    StageRecord,
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


def test_a_file_that_is_there_is_not_written_again_unless_it_is_damaged(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    before = paths.index.stat().st_ino
    record = publish(paths, {**OLD, "search.db": b"new items"})
    assert paths.index.stat().st_ino == before
    assert contents_of(paths) == {**OLD, "search.db": b"new items"}
    paths.index.write_bytes(b"old indeX")
    assert [damage.file for damage in damages(paths, record)] == ["temporal.usearch"]
    record = publish(paths, OLD)
    assert contents_of(paths) == OLD
    assert damages(paths, record) == ()
    # With a second name, it is another program's, too.
    second = paths.folder / "second"
    second.hardlink_to(paths.index)
    publish(paths, OLD)
    second.write_bytes(b"not ours")
    assert contents_of(paths) == OLD


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


def test_what_is_in_the_way_of_an_interrupted_build_makes_way(paths: ProjectionPaths) -> None:
    interrupted(paths, NEW)
    paths.index.unlink()
    paths.index.mkdir()
    (paths.index / "kept").touch()
    for name in ("temporal.folder.pending", ".tmp-temporal.folder"):
        (paths.folder / name).mkdir()
    assert settle(paths) == read_manifest(paths.manifest)
    assert paths.index.read_bytes() == NEW["usearch"]
    assert (paths.index.with_name("temporal.usearch.aside") / "kept").exists()


def test_what_is_in_the_way_of_a_publication_makes_way(paths: ProjectionPaths) -> None:
    for place in (paths.manifest, paths.index):
        place.mkdir(parents=True)
        (place / "kept").touch()
    publish(paths, OLD)
    assert contents_of(paths) == OLD
    for place in (paths.manifest, paths.index):
        assert (place.with_name(f"{place.name}.aside") / "kept").exists()


def test_a_damaged_manifest_is_settled_as_an_empty_one(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    paths.manifest.write_bytes(b"{")
    assert settle(paths) == {}
    record = publish(paths, NEW)
    assert read_manifest(paths.manifest) == {"index": record}


def test_a_record_is_replaced_and_its_files_stay(paths: ProjectionPaths) -> None:
    other = publish(paths, {"safetensors": b"weights"}, "weights")
    record = replace(publish(paths, OLD), fingerprint="another")
    assert publish_record(paths, "index", record) == record
    assert read_manifest(paths.manifest) == {"weights": other, "index": record}
    assert contents_of(paths) == OLD


def test_what_was_read_or_written_of_a_projection_is_not_read_again(paths: ProjectionPaths) -> None:
    publish(paths, {"safetensors": b"weights"}, "weights")
    record = publish(paths, OLD)
    built = BuiltProjection(paths, read_manifest(paths.manifest))
    assert built.stage("weights").read("safetensors") == b"weights"
    for path in (paths.folder / "temporal.safetensors", paths.index):
        path.unlink()
    after = built.replaced("index", record, {"usearch": b"just written"})
    assert built.stage("weights").read("safetensors") == after.stage("weights").read("safetensors") == b"weights"
    assert after.stage("index").read("usearch") == b"just written"
    assert after.stage("index").read("search.db") == OLD["search.db"]
    assert f"{paths.index}: missing" in refusal(lambda: built.stage("index").read("usearch"))
    assert "temporal/pairs is not built" in refusal(lambda: after.stage("pairs"))


def test_known_digests_are_believed(paths: ProjectionPaths) -> None:
    record = StageRecord("f", {}, "d", {})
    written = publish_stage(paths, "index", record, {paths.index: b"content"}, {paths.index: "5e" * 32})
    assert written.outputs["usearch"] == OutputFile("temporal.usearch", "5e" * 32, 7)


def test_a_projection_that_is_always_replaced_is_read_so_often_and_no_more(
    paths: ProjectionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "READ_ATTEMPTS", 3)
    builds: list[StageRecord] = []

    def read(built: BuiltProjection) -> None:
        builds.append(built.stage("index").record)
        publish(paths, {"usearch": b"%d" % len(builds)})
        raise PatinaError("replaced meanwhile")

    publish(paths, OLD)
    first = BuiltProjection(paths, read_manifest(paths.manifest))
    assert refusal(lambda: of_one_build(first, read)) == "replaced meanwhile"
    assert len({record.digest for record in builds}) == len(builds) == 3


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
