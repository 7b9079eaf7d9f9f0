"""What another installation built in a project: found, described, accepted, and taken over from an older version."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from installations import KEY, OTHER_KEY
from published_stages import NEW, OLD, publish
from refusals import refusal

from patina_assets.pipeline.trust import Foreign, accept, admit, foreign_in, of_older_version
from patina_resources.embedding.cache import EmbeddingCache, text_digest
from patina_resources.project.known_projects import known_projects
from patina_resources.project.project import Project, find_project
from patina_resources.store import manifests
from patina_resources.store.manifests import find_manifest, manifest_document
from patina_resources.store.mothership import mothership
from patina_resources.store.mutex import exclusive
from patina_resources.store.paths import ProjectionPaths

TEXT = [text_digest("one text")]


def use_key(key: str) -> None:
    (mothership().own / "key").write_text(key)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project" / ".patina").mkdir(parents=True)
    (tmp_path / "project" / ".patina" / "config.toml").touch()
    return find_project(tmp_path / "project")


@pytest.fixture
def paths(project: Project) -> ProjectionPaths:
    return ProjectionPaths(project.data / "embeddings" / "model" / "projections", "temporal")


def fill_cache(project: Project) -> Path:
    path = project.data / "embeddings" / "model" / "cache.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with EmbeddingCache(path) as cache:
        cache.put_many("model", TEXT, np.ones((1, 4), np.float32))
    return path


@pytest.fixture
def foreign(paths: ProjectionPaths, project: Project) -> list[Foreign]:
    """Return what another installation has built in a project: two stages and a vector."""
    use_key(OTHER_KEY)
    publish(paths, OLD)
    publish(paths, {"safetensors": b"weights"}, "weights")
    fill_cache(project)
    use_key(KEY)
    return foreign_in(project)


def of_version(paths: ProjectionPaths, version: int) -> None:
    """Write a manifest as an older version did, which knew no keys."""
    document = json.loads(paths.manifest.read_bytes())
    del document["keyed_sha256"], document["built_by"]
    paths.manifest.write_text(json.dumps({**document, "version": version}))


def test_what_another_installation_built_is_described(
    project: Project, paths: ProjectionPaths, foreign: list[Foreign]
) -> None:
    found = find_manifest(paths.manifest)
    cache = project.data / "embeddings" / "model" / "cache.db"
    artifacts, vectors = foreign
    assert artifacts == Foreign(
        "artifacts", paths.manifest, found.built_by, found.stages["weights"].built_at, (), bytes=9 + 9 + 7
    )
    assert len(found.built_by) == 12
    assert vectors == Foreign("vectors", cache, bytes=cache.stat().st_size)
    paths.index.write_bytes(b"other")
    (paths.folder / "temporal.safetensors").unlink()
    (damaged, _) = foreign_in(project)
    assert sorted(damaged.damages) == ["temporal.safetensors is missing", "temporal.usearch is damaged"]
    paths.manifest.write_bytes(b"{")
    assert foreign_in(project) == [vectors]


def test_what_is_foreign_is_found_by_path_and_was_built_when_the_last_of_it_was(project: Project) -> None:
    use_key(OTHER_KEY)
    for number in (7, 2, 5, 1, 6, 3):
        place = ProjectionPaths(project.data / "embeddings" / f"model{number}", "base")
        record = publish(place, OLD)
        stages = {str(year): replace(record, built_at=f"{year}") for year in (2025, 2027, 2026)}
        place.manifest.write_bytes(manifest_document("base", stages))
        for name in ("cache.db", "cache.db.foreign"):
            (place.folder / name).write_bytes(b"no seal")
    use_key(KEY)
    found = foreign_in(project)
    assert {entry.built_at for entry in found[:6]} == {"2027"}
    kinds = [found[:6], found[6:12], found[12:]]
    assert all(paths == sorted(paths) for paths in ([entry.path for entry in kind] for kind in kinds))
    assert [len(kind) for kind in kinds] == [6, 6, 6]


def test_what_git_tracks_is_not_built_in(project: Project) -> None:
    git = ["git", "-C", str(project.root)]
    (project.data / "x").parent.mkdir(parents=True)
    (project.data / "x").touch()
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "--force", ".patina/data/x"], check=True)
    assert "git tracks .patina/data/x" in refusal(lambda: admit(project))


def test_nothing_is_built_where_nothing_may_be_written(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patina_resources.project.project.can_write_in", lambda _: False)
    assert "cannot be written to" in refusal(lambda: admit(project))


def test_nothing_is_built_where_a_file_stands_in_the_place_of_the_folder(project: Project) -> None:
    project.data.touch()
    assert refusal(lambda: admit(project)) == f"{project.data}: expected a folder, but it is a file: move it away"


def test_what_is_accepted_is_ours(project: Project, paths: ProjectionPaths, foreign: list[Foreign]) -> None:
    aside = foreign[1].path.rename(foreign[1].path.with_name("cache.db.foreign"))
    assert [entry.path for entry in foreign_in(project)] == [paths.manifest, aside]
    accept(project, foreign_in(project))
    assert foreign_in(project) == []
    assert set(find_manifest(paths.manifest).stages) == {"index", "weights"}
    with EmbeddingCache(project.data / "embeddings" / "model" / "cache.db") as cache:
        assert cache.get_many("model", TEXT, 4)[1].tolist() == [True]


def test_ours_is_not_foreign_and_to_accept_nothing_waits_for_nobody(
    project: Project, paths: ProjectionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(paths, OLD)
    fill_cache(project)
    assert foreign_in(project) == []
    monkeypatch.setattr("patina_assets.pipeline.trust.MUTEX_WAIT_SECONDS", 0)
    with exclusive(project.mutex, 0, "building"):
        accept(project, [])
        assert "so accepting what was built elsewhere cannot" in refusal(
            lambda: accept(project, [Foreign("artifacts", paths.manifest, bytes=0)])
        )


@pytest.mark.parametrize("version", [manifests.VERSION_WITHOUT_KEY, manifests.VERSION])
def test_what_an_older_version_built_for_this_user_is_taken_over_once(
    project: Project, paths: ProjectionPaths, version: int
) -> None:
    home = mothership()
    use_key(OTHER_KEY)
    publish(paths, NEW)
    use_key(KEY)
    is_older = version != manifests.VERSION
    if is_older:
        of_version(paths, version)
    assert of_older_version(project) == []  # the user does not know the project
    home.projects.parent.mkdir(parents=True, exist_ok=True)
    home.projects.write_text(f"{project.root}\n")
    told = admit(project)
    assert ["are taken over" in sentence for sentence in told] == [True] * is_older
    assert [entry.kind for entry in foreign_in(project)] == ["artifacts"] * (not is_older)
    assert known_projects(home) == [project.root]
    assert home.project_folder(project.root).is_dir()
    if is_older:
        of_version(paths, version)  # this time it came from elsewhere: this version has been here
    assert admit(project) == []
    assert [entry.kind for entry in foreign_in(project)] == ["artifacts"]


def test_vectors_alone_are_of_no_older_version(project: Project) -> None:
    use_key(OTHER_KEY)
    fill_cache(project)
    use_key(KEY)
    mothership().projects.write_text(f"{project.root}\n")
    assert admit(project) == []
    assert [entry.kind for entry in foreign_in(project)] == ["vectors"]
    assert known_projects(mothership()) == [project.root]
