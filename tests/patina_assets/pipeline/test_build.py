"""Stages on the synthetic history: contents that fit together, facts that are true, and eventlogs without signal."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from eventlog_builder import Event, build_eventlog, commit, note, project_history, shuffled
from numpy.typing import NDArray
from refusals import refusal

from patina_assets.learning.projection import from_safetensors
from patina_assets.pairs.relations import related_texts, unique_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.formats import RelationsFile, decode_embeddings, decode_items, decode_relations
from patina_assets.pipeline.progress import Progress
from patina_assets.pipeline.stages import projections_of
from patina_assets.pipeline.stages.embeddings import build_embeddings
from patina_assets.pipeline.stages.index import build_search_index
from patina_assets.pipeline.stages.pairs import build_pairs
from patina_assets.pipeline.stages.stage import Built
from patina_assets.pipeline.stages.weights import WeightsStage, build_weights
from patina_assets.recipe.model import ProjectionRecipe, Recipe, Training
from patina_assets.search.files.search_file import SearchFile, encode_search
from patina_assets.search.index import load_index
from patina_resources.eventlog.reader import Eventlog, Row
from patina_resources.store.files import sha256

SOURCES = [source for pair_type in PAIR_TYPES.values() for source in pair_type.sources]
TYPES = list(PAIR_TYPES.values())
MODEL_FACTS = {"model": "bag-of-letters", "model_digest": "5e" * 32, "model_settings": "none"}

Rows = Mapping[str, Sequence[Row]]


def projection(name: str, pair_type: str) -> ProjectionRecipe:
    source = PAIR_TYPES[pair_type].source.name
    options = {"epochs": 3, "pairs": 400, "batch_size": 64, "learning_rate": 0.001}
    training = Training(source=source, pair_type=pair_type, **options)
    return ProjectionRecipe(name, "dimension", None, 32, 8, training, line=1, layers_line=1)


TEMPORAL = projection("temporal", "co_changed")


def pairs_of(recipe: ProjectionRecipe, rows: "Rows") -> Built:
    return build_pairs(recipe, PAIR_TYPES[recipe.training.pair_type], rows)


def trained(relations: RelationsFile, vectors: NDArray[np.float32], *, hard_negatives: bool = True) -> Built:
    return build_weights(TEMPORAL, relations, vectors, lambda _line: None, hard_negatives=hard_negatives)


def read(path: Path, events: Sequence[Event]) -> Rows:
    sources = Eventlog(build_eventlog(path, events)).read(SOURCES)
    return {name: source.rows for name, source in sources.items()}


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return a vector of hashed words for each text: enough to tell modules apart."""
    table = np.zeros((len(texts), 24), np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().replace("/", " ").replace(".", " ").split():
            table[row, int(sha256(word.encode())[:8], 16) % 24] += 1
    units: NDArray[np.float32] = table / np.linalg.norm(table, axis=1, keepdims=True)
    return units


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return read(tmp_path_factory.mktemp("history") / "patina.db", project_history())


@pytest.fixture(scope="module")
def pairs(history: Rows) -> Built:
    return pairs_of(TEMPORAL, history)


@pytest.fixture(scope="module")
def vectors(pairs: Built) -> NDArray[np.float32]:
    return embed(unique_texts(decode_items(pairs.contents["items.jsonl"]))[0])


@pytest.fixture(scope="module")
def weights(pairs: Built, vectors: NDArray[np.float32]) -> Built:
    relations = decode_relations(pairs.contents["relations.safetensors"])
    return trained(relations, vectors)


def test_pairs_items_and_relations_fit_together(pairs: Built) -> None:
    items = decode_items(pairs.contents["items.jsonl"])
    texts, _ = unique_texts(items)
    file = decode_relations(pairs.contents["relations.safetensors"])
    lines = [json.loads(line) for line in pairs.contents["pairs.jsonl"].splitlines()]
    assert len(items) == len(texts) == file.relations.texts == 60
    counts = [len(file.relations.only(split).split) for split in Split]
    named = [[texts[row] for row in triplet] for triplet in file.triplets.tolist()]
    assert [[line["anchor"], line["positive"], line["negative"]] for line in lines] == named
    assert pairs.facts["training_pairs"] == len(lines) == 400
    assert pairs.facts["samples"] == named[:10]
    assert pairs.facts["related_pairs"] == len(related_texts(file.relations).keys) / 2
    assert pairs.facts["contexts"] == {split.name.lower(): count for split, count in zip(Split, counts, strict=True)}
    assert pairs.facts["items"] == pairs.facts["unique_texts"] == 60
    assert pairs.facts["rows"]["git.co_changes"] > 240


def test_training_triplets_show_nothing_of_the_held_out_contexts(pairs: Built) -> None:
    file = decode_relations(pairs.contents["relations.safetensors"])
    trained = related_texts(file.relations.only(Split.TRAIN))
    anchors, positives, negatives = file.training_triplets.T
    assert trained.contains(anchors, positives).all()
    assert not trained.contains(anchors, negatives).any()


def test_pairs_do_not_depend_on_the_order_of_events(pairs: Built, tmp_path: Path) -> None:
    other = pairs_of(TEMPORAL, read(tmp_path / "patina.db", shuffled(project_history())))
    for role in ("pairs.jsonl", "relations.safetensors"):
        assert other.contents[role] == pairs.contents[role]


def test_facts_can_stand_in_a_manifest(pairs: Built, weights: Built) -> None:
    for built in (pairs, weights):
        assert json.loads(json.dumps(built.facts)) == built.facts


@pytest.mark.parametrize(
    ("pair_type", "events", "expected"),
    [
        ("same_session", [note("the only note that was ever taken")], "0 related pairs for same_session"),
        ("co_changed", [commit("c", "a.py", "b.py", "c.py")], "3 related pairs for co_changed"),
        ("caller_callee", [], "0 related pairs for caller_callee"),
    ],
)
def test_an_eventlog_without_signal_is_refused(
    tmp_path: Path, pair_type: str, events: list[Event], expected: str
) -> None:
    rows = read(tmp_path / "patina.db", events)
    sentence = refusal(lambda: pairs_of(projection("mine", pair_type), rows))
    assert sentence.startswith(f"mine: the eventlog holds {expected}, expected at least 20: it lacks ")
    assert PAIR_TYPES[pair_type].missing in sentence


def test_an_eventlog_without_negatives_is_refused(tmp_path: Path) -> None:
    rows = read(tmp_path / "patina.db", [commit("c", *(f"{number}.py" for number in range(8)))])
    assert refusal(lambda: pairs_of(TEMPORAL, rows)).startswith("temporal: no negatives: every text of git.co_changes")


def test_commits_of_one_moment_can_be_built(tmp_path: Path) -> None:
    """All fall into one part, so nothing is held out, and the projection stays the PCA of its embeddings."""
    events = [commit(f"c{number}", *(f"{number}/{file}.py" for file in "abcd")) for number in range(10)]
    built = pairs_of(TEMPORAL, read(tmp_path / "patina.db", events))
    relations = decode_relations(built.contents["relations.safetensors"])
    texts, _ = unique_texts(decode_items(built.contents["items.jsonl"]))
    weights = trained(relations, embed(texts))
    assert weights.facts["best_epoch"] == 0


def test_embeddings_say_how_many_texts_were_new() -> None:
    vectors = embed(["one text", "another text", "a third"])
    built = build_embeddings(vectors, [b"", b""], {"a": 2}, seconds=0.5)
    assert np.array_equal(decode_embeddings(built.contents["embeddings.safetensors"]), vectors)
    assert built.digest == built.digests["embeddings.safetensors"] == sha256(built.contents["embeddings.safetensors"])
    assert built.facts == {
        "texts": 3,
        "new_texts": 2,
        "reused_texts": 1,
        "dimensions": 24,
        "texts_per_second": 4.0,
    }
    again = build_embeddings(vectors, [b"", b""], {"a": 0}, seconds=0.0)
    assert again.facts["texts_per_second"] == 0.0
    assert again.digest == built.digest


def test_of_models_side_by_side_each_one_counts_its_new_texts() -> None:
    facts = build_embeddings(embed(["one text", "another text"]), [b"", b""], {"a": 0, "b": 2}, seconds=0.5).facts
    assert (facts["new_texts"], facts["new_texts_by_model"]) == (2, {"a": 0, "b": 2})


def test_weights_are_the_same_from_run_to_run(pairs: Built, vectors: NDArray[np.float32], weights: Built) -> None:
    relations = decode_relations(pairs.contents["relations.safetensors"])
    told: list[Progress] = []
    again = build_weights(TEMPORAL, relations, vectors, told.append, hard_negatives=True)
    assert again.contents == weights.contents
    assert again.digest == weights.digest == sha256(weights.contents["safetensors"])
    assert weights.facts["layers"] == [24, 32, 8]
    assert weights.facts["epochs_completed"] == 3
    assert [entry["epoch"] for entry in weights.facts["history"]] == [0, 1, 2, 3]
    last = [(entry.stage, entry.done, entry.total) for entry in told if entry.done == 3]
    assert last == [("temporal/weights", 3, 3)] * len(last) != []
    assert 0 < weights.facts["metrics"]["base_mrr"] <= 1
    assert weights.facts["metrics"]["validation_mrr"] >= weights.facts["history"][0]["mrr"]


def test_a_pair_type_says_where_negatives_come_from(pairs: Built, vectors: NDArray[np.float32], weights: Built) -> None:
    relations = decode_relations(pairs.contents["relations.safetensors"])
    others = trained(relations, vectors, hard_negatives=False)
    # From one start, with other losses.
    assert others.facts["history"][0]["mrr"] == weights.facts["history"][0]["mrr"]
    assert others.facts["history"][1]["loss"] != weights.facts["history"][1]["loss"]


@pytest.mark.parametrize(
    ("pair_type", "loss", "hard"),
    [("co_changed", "infonce", True), ("co_changed", "triplet", False), ("same_session", "infonce", False)],
)
def test_the_triplet_loss_keeps_the_negatives_that_were_sampled(pair_type: str, loss: str, hard: bool) -> None:
    made = projection("mine", pair_type)
    recipe = Recipe(2, None, (replace(made, training=replace(made.training, loss=loss)),), Path("any"), model_line=1)
    stage = projections_of(recipe)[0].stage("weights")
    assert isinstance(stage, WeightsStage)
    assert stage.hard_negatives == hard


def test_an_index_finds_each_item_by_its_own_vector(pairs: Built, vectors: NDArray[np.float32], weights: Built) -> None:
    items = decode_items(pairs.contents["items.jsonl"])
    _, rows = unique_texts(items)
    content = weights.contents["safetensors"]
    for chosen in (content, None):
        projected = vectors if chosen is None else from_safetensors(content, "temporal.safetensors").apply(vectors)
        built = build_search_index(items, projected, encode_search(items, MODEL_FACTS, chosen))
        index = load_index(built.contents["usearch"], "temporal.usearch")
        file = SearchFile(built.contents["search.db"], "temporal.search.db")
        assert file.weights == chosen
        assert file.facts == MODEL_FACTS
        assert built.facts["items"] == len(index) == 60
        assert built.facts["dimensions"] == projected.shape[1]
        assert built.facts["index_bytes"] == len(built.contents["usearch"])
        assert built.facts["recall_at_10"] > 0.99
        for key in (0, 31, 59):
            match = index.search(projected[rows[key]], 1)
            assert 1 - match.distances[0] == pytest.approx(1, abs=2e-3)
            assert file.item(key) == items[key]


def test_an_index_is_the_same_from_run_to_run(pairs: Built, vectors: NDArray[np.float32], weights: Built) -> None:
    items = decode_items(pairs.contents["items.jsonl"])
    content = weights.contents["safetensors"]
    first, again = (build_search_index(items, vectors, encode_search(items, MODEL_FACTS, content)) for _ in range(2))
    assert first.contents == again.contents
    assert first.digest == again.digest
