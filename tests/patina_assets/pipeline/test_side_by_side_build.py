"""`embedding_model: a+b` from recipe to search: what is built, cached, stale, shown and exported."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml
from eventlog_builder import note
from installations import give_key
from small_project import Ran, add_events, make_project, make_project_with_models, patina, workspace_of
from tiny_models import write_sentence_folder

from patina_assets.export.export_side_by_side import part_folders
from patina_assets.learning.projection import from_safetensors
from patina_assets.pairs.relations import unique_texts
from patina_assets.passages.encoding import decode_passages
from patina_assets.pipeline.formats import decode_embeddings, decode_items
from patina_assets.search.base_model import base_files
from patina_assets.search.searcher import Searcher
from patina_resources.corpus.model import REBUILD_ABOVE
from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.embedding.side_by_side import side_by_side
from patina_resources.models.registry import ModelFiles
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import read_outputs
from patina_resources.store.manifests import read_manifest
from patina_resources.store.mothership import mothership

NAME = "tiny+corpus-static"
RECIPE = f"""version: 2
embedding_model: {NAME}
projections:
  temporal:
    layers: [400, 32, 16]
    training: {{source: git.co_changes, pair_type: co_changed, epochs: 1, pairs: 200}}
"""
REGISTRY = """[models.tiny]
aliases = ["small"]
dims = 16
max_tokens = 24
pooling = "mean"
query_prefix = "query : "
passage_prefix = "passage : "

[models.other]
dims = 16
max_tokens = 24
pooling = "mean"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project that is not built, and stand in it; the registry knows two tiny models."""
    made = make_project_with_models(tmp_path / "project", REGISTRY, RECIPE)
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a mothership and a project, built with a tiny BERT beside the corpus model."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(give_key(folder / "home")))
        mothership().registry.write_text(REGISTRY)
        patch.setenv("PATINA_PROJECT", str(make_project(folder / "project", RECIPE).root))
        add("tiny", folder / "tiny", 1)
        assert patina("oxidize").code == 0
    (folder / "home" / "projects.txt").unlink()
    return folder


@pytest.fixture
def built(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of the built project, and stand in it."""
    shutil.copytree(template / "home", mothership().home, dirs_exist_ok=True)
    shutil.copytree(template / "project", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return find_project(tmp_path / "project")


def add(name: str, folder: Path, seed: int) -> None:
    """Add a tiny seeded BERT."""
    ran = patina("model", "add", name, "--precision", "fp32", "--from", str(write_sentence_folder(folder, seed)))
    assert ran.code == 0, ran


def swap(project: Project, model: str) -> None:
    """Name another base model in the recipe, with layers that ask the model for the input."""
    text = re.sub("embedding_model: .*", f"embedding_model: {model}", project.recipe.read_text())
    project.recipe.write_text(text.replace("[400, 32, 16]", "[32, 16]"))


def refused(ran: Ran, *words: str) -> None:
    """Assert exit code 2 and one line on stderr with the words."""
    assert ran.code == 2, ran
    assert ran.err.strip().count("\n") == 0, ran.err
    for word in words:
        assert word in ran.err


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
    assert patina("oxidize").code == 0
    swap(project, NAME)
    assert patina("oxidize").code == 0
    passages = list(decode_passages(read_outputs(workspace_of(project).paths("base"), "items", ("items.jsonl",))[1][0]))
    items = decode_items(read_outputs(workspace_of(project).paths("temporal"), "pairs", ("items.jsonl",))[1][0])
    assert new_texts(project) == {"tiny": 0, "corpus-static": len({entry.text for entry in [*passages, *items]})}
    swap(project, "corpus-static+tiny")
    assert patina("oxidize").code == 0
    assert new_texts(project) == {"corpus-static": 0, "tiny": 0}
    swap(project, "corpus-static")
    assert patina("oxidize").code == 0
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
    assert patina("oxidize").code == 0
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
    foreign = [note(" ".join(words[at::7] * 9), f"session-{at}") for at in range(7)]
    add_events(built, foreign)
    found = stale()
    assert f"(limit {REBUILD_ABOVE:.0%})" in found[f"model/{NAME}"]
    assert found[f"model/{NAME}"].startswith("corpus-static: ")
    assert found["temporal/embeddings"] == "follows model"
    assert patina("oxidize").code == 0
    assert new_texts(built)["tiny"] == 8  # the notes
    assert stale() == {}
    assert patina("oxidize", "--full").code == 0
    assert new_texts(built)["tiny"] == 0


def test_a_damaged_corpus_model_is_built_again(built: Project) -> None:
    (built.corpus_model_folder() / "model.onnx").write_bytes(b"damaged")
    assert stale()[f"model/{NAME}"].startswith("corpus-static: model.onnx is damaged")
    assert patina("oxidize").code == 0
    assert stale() == {}


# Models


def test_status_and_remove_know_each_part(built: Project, tmp_path: Path) -> None:
    assert patina("oxidize").code == 0  # makes the project known
    ready = patina("model", "status")
    assert ready.code == 0
    assert NAME in ready.out
    swap(built, "small+corpus-static")
    refused(patina("model", "remove", "tiny"), f"used by {built.root}", "--yes")
    removed = patina("model", "remove", "tiny", "--yes")
    assert "must add it again" in removed.out
    lacking = patina("model", "status")
    assert lacking.code == 1
    assert "patina model add tiny" in lacking.out
    swap(built, "tiny+other")
    assert "patina model add tiny && patina model add other" in patina("model", "status").out
    add("other", tmp_path / "other", 3)
    assert "missing  patina model add tiny\n" in f"{patina('model', 'status').out}\n"


@pytest.mark.usefixtures("project")
def test_commands_for_one_model_refuse_several() -> None:
    for command in ("add", "remove"):
        refused(patina("model", command, NAME), "'+' joins models", "name one of them")


def test_init_takes_several_and_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(patina("init", "--model", "bge-small+bge-smal"), "bge-smal", "did you mean")
    refused(patina("init", "--model", "bge-small+"), "empty part")
    ran = patina("init", "--model", "bge-small+corpus-static+gte-base")
    assert ran.code == 0
    assert "patina model add bge-small`" in ran.err
    assert "patina model add gte-base`" in ran.err
    assert "corpus-static is not" not in ran.err
    assert 'model = "bge-small+corpus-static+gte-base"' in find_project(tmp_path).config_file.read_text()


# Export


def test_an_export_holds_each_model_and_the_projection(built: Project, tmp_path: Path) -> None:
    ran = patina("export", "temporal", "--to", str(tmp_path / "out"))
    assert ran.code == 0, ran
    assert "SentenceTransformer cannot load it" in ran.out
    workspace = workspace_of(built)
    facts = json.loads((tmp_path / "out" / "patina.json").read_text())
    assert [model["folder"] for model in facts["models"]] == part_folders(workspace.spec)
    texts, expected = projected(built)
    # As patina.json says, and no other file of the project is used.
    vectors = []
    for part, told in zip(workspace.spec.parts, facts["models"], strict=True):
        folder = tmp_path / "out" / told["folder"]
        files = ModelFiles(folder / "model.onnx", folder / "tokenizer.json", "")
        vectors.append(OnnxEmbedder(replace(part, pooling="model"), files).embed_passages(texts))
        assert (told["passage_prefix"], told["dimensions"]) == (part.passage_prefix, part.dims)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "projection.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"vectors": side_by_side(vectors)})
    assert np.abs(found - expected).max() < 1e-4
    weights = from_safetensors((tmp_path / "out" / "projection.safetensors").read_bytes(), "projection.safetensors")
    assert np.abs(weights.apply(side_by_side(vectors)) - expected).max() < 1e-4


@pytest.mark.usefixtures("built")
def test_an_export_refuses_the_weights_of_one_model(tmp_path: Path) -> None:
    refused(
        patina("export", "temporal", "--to", str(tmp_path / "out"), "--weights", str(tmp_path / "tiny")),
        "--weights: belongs to a single base model",
    )
    assert not (tmp_path / "out").exists()


def test_an_export_after_another_model_came_asks_for_a_build(built: Project, tmp_path: Path) -> None:
    add("tiny", tmp_path / "again", 2)
    refused(patina("export", "temporal", "--to", str(built.root / "out")), f"other bytes of {NAME}", "patina oxidize")


def projected(project: Project) -> tuple[list[str], np.ndarray]:
    """Return the texts of the projection and their projected vectors, from what is built."""
    paths = workspace_of(project).paths("temporal")
    items = read_outputs(paths, "pairs", ("items.jsonl",))[1][0]
    embeddings = read_outputs(paths, "embeddings", ("embeddings.safetensors",))[1][0]
    weights = read_outputs(paths, "weights", ("safetensors",))[1][0]
    projection = from_safetensors(weights, "weights")
    return unique_texts(decode_items(items))[0], projection.apply(decode_embeddings(embeddings))
