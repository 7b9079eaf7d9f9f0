"""`embedding_model: a+b` from recipe to search: what is refused, built, cached and stale."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from eventlog_builder import note
from refusals import refused
from side_by_side_helpers import NAME, RECIPE, REGISTRY, add, swap
from small_project import add_events, build, make_project, patina, workspace_of

from patina_assets.passages.encoding import decode_passages
from patina_assets.pipeline.formats import decode_embeddings, decode_items
from patina_assets.search.base_model import base_files
from patina_assets.search.searcher import Searcher
from patina_resources.corpus.limits import REBUILD_ABOVE
from patina_resources.project.project import Project
from patina_resources.store.artifacts import read_outputs
from patina_resources.store.manifests import read_manifest
from patina_resources.store.mothership import mothership


def stale(reasons: bool = True) -> dict[str, str]:
    """Return what `--dry-run` says is not fresh, with the reasons."""
    lines = [line.split(maxsplit=2) for line in patina("oxidize", "--dry-run").out.splitlines()]
    return {line[0]: line[2] if reasons else line[1] for line in lines if line[1] != "fresh"}


def new_texts(project: Project) -> dict[str, int]:
    """Return how many texts each model embedded in the last build, for whichever of both came first."""
    counts: Counter[str] = Counter()
    for name in ("temporal", "base"):
        manifest = read_manifest(workspace_of(project).paths(name).manifest)
        counts.update(manifest["embeddings"].facts["new_texts_by_model"])
    return dict(counts)


# The recipe


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("tiny+tiny", ("names tiny twice",)),
        ("tiny+small", ("names tiny twice",)),
        ("tiny+", ("'tiny+' has an empty part",)),
        ("+tiny", ("empty part",)),
        ("tiny++corpus-static", ("empty part",)),
        ("tiny + corpus-static", ("a space",)),
        ("tiny+corpus-statc", ("unknown model 'corpus-statc' (did you mean 'corpus-static'?)",)),
        ("tiny+hf:org/name", ("model hf:org/name is not in the cache", "patina model add hf:org/name")),
    ],
)
def test_a_wrong_composition_is_refused_with_its_line(project: Project, model: str, words: tuple[str, ...]) -> None:
    swap(project, model)
    refused(patina("oxidize"), "oxidize.yaml:2: embedding_model: ", *words)


def test_a_wrong_composition_in_the_settings_is_refused_with_its_key(project: Project) -> None:
    project.recipe.write_text(RECIPE.replace(f"embedding_model: {NAME}\n", ""))
    project.config_file.write_text('[embeddings]\nmodel = "tiny+tiny"\n')
    refused(patina("oxidize"), "config.toml: [embeddings] model: ", "names tiny twice")


@pytest.mark.parametrize("version", ["1", "1 flat", "2"])
def test_the_input_is_the_sum_of_the_dimensions(tmp_path: Path, project: Project, version: str) -> None:
    text = RECIPE.replace("version: 2", f"version: {version[0]}")
    if version == "1 flat":
        text = text[: text.index("  temporal:")] + "  temporal: {layers: [400, 32, 16], epochs: 1}\n"
    for root, model, dims in (("two", NAME, 400), ("three", f"{NAME}+other", 416)):
        made = make_project(tmp_path / root, text.replace(NAME, model).replace("400", str(dims)))
        assert workspace_of(made).spec.dims == dims
    project.recipe.write_text(text.replace("400", "384"))
    refused(patina("oxidize"), f"the vectors of {NAME} have 400 dimensions", "write [400, 32, 16]")


def test_a_missing_part_is_named_and_nothing_is_built(project: Project) -> None:
    refused(patina("oxidize"), "tiny is not in the cache", "patina model add tiny")
    assert not (project.data / "embeddings").exists()


# Build and search


def test_it_builds_and_answers(built: Project) -> None:
    workspace = workspace_of(built)
    record, (content,) = read_outputs(workspace.paths("temporal"), "embeddings", ("embeddings.safetensors",))
    vectors = decode_embeddings(content)
    assert vectors.shape[1] == record.facts["dimensions"] == 400
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    assert (built.data / "embeddings" / NAME / "base.usearch").is_file()
    lock = yaml.safe_load(built.lock.read_text())
    assert (lock["embedding_model"], lock["model_hash"]) == (NAME, f"sha256:{record.inputs['model'].value}")
    files = base_files(built, mothership(), workspace.spec)
    assert lock["model_hash"] == f"sha256:{files.digest}"
    parts = zip(("tiny", "corpus-static"), files.parts, strict=True)
    assert lock["model_hashes"] == {name: f"sha256:{part.digest}" for name, part in parts}
    assert stale() == {}
    assert "nothing is stale" in patina("oxidize").out
    assert json.loads(patina("scry", "commit that fixes the cache", "--json").out)
    evaluated = json.loads(patina("evaluate", "--json").out)
    assert evaluated["embedding_model"] == NAME
    assert [model["name"] for model in json.loads(patina("model", "list", "--json").out)].count(NAME) == 0


def test_a_query_finds_the_item_with_its_text(built: Project) -> None:
    searcher = Searcher(built)
    items = list(decode_passages(read_outputs(workspace_of(built).paths("base"), "items", ("items.jsonl",))[1][0]))
    text = items[len(items) // 2].text
    found = searcher.search(text, "base", 10)
    assert text in [hit.item.text for hit in found]


def test_what_a_model_embedded_alone_is_not_embedded_again_beside_another(project: Project, tmp_path: Path) -> None:
    add("tiny", tmp_path / "tiny", 1)
    swap(project, "tiny")
    build(project)
    swap(project, NAME)
    build(project)
    passages = list(decode_passages(read_outputs(workspace_of(project).paths("base"), "items", ("items.jsonl",))[1][0]))
    items = decode_items(read_outputs(workspace_of(project).paths("temporal"), "pairs", ("items.jsonl",))[1][0])
    assert new_texts(project) == {"tiny": 0, "corpus-static": len({entry.text for entry in [*passages, *items]})}
    swap(project, "corpus-static+tiny")
    build(project)
    assert new_texts(project) == {"corpus-static": 0, "tiny": 0}
    swap(project, "corpus-static")
    build(project)
    alone = read_manifest(workspace_of(project).paths("temporal").manifest)["embeddings"].facts
    assert (alone["new_texts"], "new_texts_by_model" in alone) == (0, False)
    folders = {folder.name for folder in (project.data / "embeddings").iterdir()}
    assert folders == {"tiny", "corpus-static", NAME, "corpus-static+tiny"}


# Staleness


EMBEDDINGS_AND_WHAT_FOLLOWS = {
    *(f"temporal/{stage}" for stage in ("embeddings", "weights", "index")),
    *(f"base/{stage}" for stage in ("embeddings", "index")),
    "oxidize_lock",
}


def test_other_bytes_of_one_model_are_told_by_its_name(built: Project, tmp_path: Path) -> None:
    add("tiny", tmp_path / "again", 2)
    found = stale()
    assert set(found) == EMBEDDINGS_AND_WHAT_FOLLOWS
    assert found["temporal/embeddings"] == found["base/embeddings"] == "model tiny changed"
    refused(patina("scry", "cache"), f"other bytes or settings of {NAME}", "patina oxidize")
    build(built)
    counts = new_texts(built)
    assert counts["corpus-static"] == 0
    assert counts["tiny"] > 0
    assert stale() == {}


@pytest.mark.usefixtures("built")
def test_other_settings_of_one_model_are_told_by_its_name() -> None:
    mothership().registry.write_text(REGISTRY.replace('"passage : "', '"text : "'))
    found = stale()
    assert set(found) == EMBEDDINGS_AND_WHAT_FOLLOWS
    assert found["temporal/embeddings"].startswith("model settings tiny 16 dimensions")
    assert "'text : '" in found["temporal/embeddings"]
    assert "corpus-static" not in found["temporal/embeddings"]


def test_the_corpus_model_is_frozen_and_rebuilt_as_when_it_stands_alone(built: Project) -> None:
    add_events(built, [note("an ordinary note about the read and write path", "session-y")])
    assert not any("model" in reason for reason in stale().values())
    words = [f"{first}{second}rakh" for first in "bcdfghjklmnpqrstvwz" for second in ("oqu", "ixo", "uzz", "yvv")]
    foreign = [note(" ".join(words[at::20] * 25), f"session-{at}") for at in range(20)]
    add_events(built, foreign)
    found = stale()
    assert f"(limit {REBUILD_ABOVE:.0%})" in found[f"model/{NAME}"]
    assert found[f"model/{NAME}"].startswith("corpus-static: ")
    assert found["temporal/embeddings"] == "follows model"
    build(built)
    assert new_texts(built)["tiny"] == 21  # the notes
    assert stale() == {}
    build(built, full=True)
    assert new_texts(built)["tiny"] == 0


def test_a_damaged_corpus_model_is_built_again(built: Project) -> None:
    (built.corpus_model_folder() / "model.onnx").write_bytes(b"damaged")
    assert stale()[f"model/{NAME}"].startswith("corpus-static: model.onnx is damaged")
    build(built)
    assert stale() == {}
