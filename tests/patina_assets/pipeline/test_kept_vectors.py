"""What a build takes over from the last one is what a build from nothing makes, whatever happened in between."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from eventlog_builder import note, project_history
from random_history import History
from small_project import build, small_recipe, workspace_of

from patina_assets.pipeline.stages import embeddings, index_extension
from patina_assets.pipeline.stages.embeddings import DIGEST_BYTES, EMBEDDINGS, TEXTS, EmbeddingsStage
from patina_assets.search.built import BASE
from patina_assets.search.index import index_vectors, load_index
from patina_resources.embedding.cache import text_digest
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import BuiltProjection, publish_stage
from patina_resources.store.manifests import EXTENDED, read_manifest

PROJECTION = "temporal"
Damage = Callable[[bytes], bytes]


def make(folder: Path, seed: int) -> tuple[Project, History]:
    """Return a project without a build, and the history that its eventlog holds."""
    (folder / ".patina").mkdir(parents=True)
    (folder / ".patina" / "oxidize.yaml").write_text(small_recipe(PROJECTION, epochs=1, pairs=200))
    history = History(folder / ".patina" / "data" / "patina.db", seed)
    history.append(*project_history())
    return find_project(folder), history


def built_of(project: Project, name: str) -> BuiltProjection:
    paths = workspace_of(project).paths(name)
    return BuiltProjection(paths, read_manifest(paths.manifest))


def vectors_by_text(project: Project, name: str) -> dict[str, bytes]:
    """Return the bytes of the vector of each text."""
    built = built_of(project, name)
    stage = workspace_of(project).projection(name).stage(EmbeddingsStage.name)
    assert isinstance(stage, EmbeddingsStage)
    texts, vectors = stage.of.texts(built), stage.vectors(built)
    told = built.stage(EmbeddingsStage.name).read(TEXTS)
    assert told == b"".join(map(text_digest, texts))
    return {text: vector.tobytes() for text, vector in zip(texts, vectors, strict=True)}


def artifacts(project: Project, name: str, *roles: str) -> dict[str, bytes]:
    folder = workspace_of(project).paths(name).folder
    return {role: (folder / f"{name}.{role}").read_bytes() for role in roles}


def anew(project: Project, folder: Path) -> Project:
    """Return a project of the same events, recipe and model, in which all else is built from nothing."""
    shutil.copytree(project.root, folder)
    shutil.rmtree(find_project(folder).data / "embeddings")
    build(find_project(folder))
    return find_project(folder)


@pytest.mark.parametrize("seed", range(3))
def test_vectors_pairs_and_indexes_are_those_of_a_build_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(index_extension, "MOST_CHURN", 10.0)
    if seed:  # new texts of a build are then embedded without a look into the cache
        monkeypatch.setattr(embeddings, "LEAST_KEPT", 1)
    project, history = make(tmp_path / "kept", seed)
    build(project)
    came: set[str] = set()
    went: set[str] = set()
    extended = 0
    for number in range(3):
        before = vectors_by_text(project, BASE)
        for _ in range(history.random.randrange(1, 30)):
            history.step()
        build(project)
        fresh = anew(project, tmp_path / f"fresh-{number}")
        now = vectors_by_text(project, BASE)
        came, went = came | now.keys() - before.keys(), went | before.keys() - now.keys()
        assert now == vectors_by_text(fresh, BASE)
        assert vectors_by_text(project, PROJECTION) == vectors_by_text(fresh, PROJECTION)
        pairs = ("items.jsonl", "pairs.jsonl", "relations.safetensors", EMBEDDINGS, TEXTS)
        assert artifacts(project, PROJECTION, *pairs) == artifacts(fresh, PROJECTION, *pairs)
        indexed = []
        for one in (project, fresh):
            index = built_of(one, BASE).stage("index")
            count = int(index.record.facts["items"])
            indexed.append(index_vectors(load_index(index.read("usearch"), "index"), count))
            extended += EXTENDED in index.record.facts
        assert np.array_equal(*indexed)
    assert came
    assert went
    assert extended


def swapped(data: bytes) -> bytes:
    """Return the digests with the first two in each other's place."""
    return data[DIGEST_BYTES : 2 * DIGEST_BYTES] + data[:DIGEST_BYTES] + data[2 * DIGEST_BYTES :]


@pytest.mark.parametrize("damage", [swapped, lambda data: data[:-DIGEST_BYTES], None])
def test_damaged_digests_of_texts_give_no_wrong_vector(tmp_path: Path, damage: Damage | None) -> None:
    project, history = make(tmp_path / "kept", 0)
    build(project, BASE)
    paths = workspace_of(project).paths(BASE)
    file = paths.folder / f"{BASE}.{TEXTS}"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage(file.read_bytes()))
    history.append(note("something that nobody has written before"))
    build(project, BASE)
    assert vectors_by_text(project, BASE) == vectors_by_text(anew(project, tmp_path / "fresh"), BASE)


@pytest.mark.parametrize("digests", [None, b"0" * (DIGEST_BYTES - 1), b"0" * DIGEST_BYTES * 9])
def test_digests_of_another_number_of_texts_are_not_used(tmp_path: Path, digests: bytes | None) -> None:
    project, history = make(tmp_path / "kept", 0)
    build(project, BASE)
    paths = workspace_of(project).paths(BASE)
    own = built_of(project, BASE).stage(EmbeddingsStage.name)
    contents = {paths.folder / f"{BASE}.{EMBEDDINGS}": own.read(EMBEDDINGS)}
    before = vectors_by_text(project, BASE)
    if digests is not None:  # a version that kept none wrote no such file
        told = own.read(TEXTS)
        contents[paths.folder / f"{BASE}.{TEXTS}"] = told + digests
    publish_stage(paths, EmbeddingsStage.name, replace(own.record, outputs={}), contents)
    history.append(note("something that nobody has written before"))
    build(project, BASE)
    now = vectors_by_text(project, BASE)
    assert before.items() < now.items()
