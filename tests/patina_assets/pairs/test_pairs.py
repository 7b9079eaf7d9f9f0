"""What holds for every pair type: what becomes an item, and which items belong together."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from deriver import Derived, Deriver, TextPairs, both_ways
from eventlog_builder import (
    Event,
    project_history,
    removal,
    shuffled,
    with_older_keys,
)

from patina_assets.learning.evaluate import ranking_task
from patina_assets.pairs.code_text import file_text, function_text, normal_path
from patina_assets.pairs.items import Context
from patina_assets.pairs.pair_type import PairData
from patina_assets.pairs.relations import related_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pairs.types import PAIR_TYPES, pair_types_by_source

NAMES = sorted(PAIR_TYPES)
# Those whose relation is an equality or a membership, and is worked out again here.
PLAIN = ["caller_callee", "co_changed", "same_session"]


def test_recipes_and_remembered_digests_know_sources_by_these_names() -> None:
    assert {source.name for entry in PAIR_TYPES.values() for source in entry.sources} == {
        "code.call_graph", "code.definitions", "code.functions", "code.types", "git.authors",
        "git.co_changes", "git.commits", "git.paths", "git.transitions", "sessions.observations",
    }  # fmt: skip


def expected_relations(name: str) -> TextPairs:
    """Return the definition of each pair type, applied to the events themselves."""
    events = [event for event in project_history() if isinstance(event.data, Mapping)]
    payloads: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    for event in events:
        payloads[event.kind.split(".")[0] if event.kind != "code.call" else "call"].append(event.data)  # type: ignore[arg-type]
    if name == "same_session":
        sessions: dict[object, list[str]] = defaultdict(list)
        for data in payloads["session"]:
            if "content" in data:
                sessions[data["session_id"]].append(str(data["content"]))
        return both_ways(sessions.values())
    if name == "co_changed":
        commits = [[change["path"] for change in data["files"]] for data in payloads["git"]]  # type: ignore[attr-defined]
        return both_ways([file_text(path) for path in files] for files in commits if len(files) >= 2)
    text = {
        data["name"]: function_text(
            str(data["name"]),
            str(data["file"]),
            ", ".join(data["parameters"]),
            str(data["return_type"] or ""),  # type: ignore[arg-type]
        )
        for data in payloads["code"]
    }
    calls = [(data["caller"], data["callee"]) for data in payloads["call"]]
    return both_ways((text[caller], text[callee]) for caller, callee in calls if callee in text)


# All pair types


def test_each_source_names_its_pair_types() -> None:
    assert pair_types_by_source() == {
        "sessions.observations": ["same_session"],
        "git.commits": ["commit_touches", "effect_similarity"],
        "git.co_changes": ["co_changed"],
        "code.call_graph": ["caller_callee"],
        "code.functions": ["ast_similar", "same_module"],
        "git.authors": ["same_author"],
        "git.transitions": ["state_similarity"],
    }


def test_the_synthetic_history_is_of_the_expected_size(histories: Mapping[str, Derived]) -> None:
    assert {name: len(derived.data.items) for name, derived in histories.items()} == {
        "same_session": 240,
        "co_changed": 60,
        "caller_callee": 80,
        "ast_similar": 80,
        "same_module": 80,
        "commit_touches": 180,
        "same_author": 180,
        "state_similarity": 120,
        "effect_similarity": 120,
    }


@pytest.mark.parametrize("name", PLAIN)
def test_texts_are_related_exactly_where_the_definition_says(histories: Mapping[str, Derived], name: str) -> None:
    expected = expected_relations(name)
    assert len(expected) > 200
    assert histories[name].related() == expected


@pytest.mark.parametrize("name", PLAIN)
def test_positives_share_a_context_and_negatives_never_do(histories: Mapping[str, Derived], name: str) -> None:
    derived = histories[name]
    expected = expected_relations(name)
    triplets = [tuple(derived.texts[row] for row in triplet) for triplet in derived.triplets().tolist()]
    assert len(triplets) == 500
    assert all((anchor, positive) in expected for anchor, positive, _ in triplets)
    assert all((anchor, negative) not in expected and anchor != negative for anchor, _, negative in triplets)


@pytest.mark.parametrize("name", NAMES)
def test_triplets_follow_from_the_seed(histories: Mapping[str, Derived], name: str) -> None:
    derived = histories[name]
    assert np.array_equal(derived.triplets(seed=3), derived.triplets(seed=3))
    assert not np.array_equal(derived.triplets(seed=3), derived.triplets(seed=4))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_events_does_not_matter(histories: Mapping[str, Derived], derive: Deriver, name: str) -> None:
    first, other = histories[name], derive(name, shuffled(project_history()))
    assert other.texts == first.texts
    assert sorted(item.order() for item in other.data.items) == sorted(item.order() for item in first.data.items)
    assert np.array_equal(other.relations.members, first.relations.members)
    assert np.array_equal(other.relations.offsets, first.relations.offsets)
    assert np.array_equal(other.relations.split, first.relations.split)
    assert np.array_equal(other.triplets(), first.triplets())


@pytest.mark.parametrize("name", NAMES)
def test_the_keys_of_older_writers_say_the_same(histories: Mapping[str, Derived], derive: Deriver, name: str) -> None:
    older = derive(name, with_older_keys(project_history()))
    assert older.data == histories[name].data


@pytest.mark.parametrize("name", NAMES)
def test_events_that_are_scanned_again_change_nothing(
    histories: Mapping[str, Derived], derive: Deriver, name: str
) -> None:
    history = project_history()
    assert derive(name, [*history, *history]).data == histories[name].data


@pytest.mark.parametrize("name", NAMES)
def test_every_member_of_a_context_is_an_item(histories: Mapping[str, Derived], name: str) -> None:
    data = histories[name].data
    assert {item for context in data.contexts for item in context.members} <= set(data.items)
    assert len(set(data.items)) == len(data.items)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", ["{}", "[]", "5", "null", '"text"', '{"files": {}, "content": {}, "file": []}', "{"])
def test_a_payload_of_another_shape_is_no_item(derive: Deriver, name: str, data: str) -> None:
    kinds = ["session.goal", "git.commit", "code.call", "code.function"]
    derived = derive(name, [Event(kind, data) for kind in kinds], checked=False)
    assert derived.data == PairData([], [])
    assert derived.triplets().shape == (0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_taken_back_is_no_item(histories: Mapping[str, Derived], derive: Deriver, name: str) -> None:
    history = project_history()
    last = replace(history[-1], source_id="again")
    seqs = [seq for seq, event in enumerate([*history, last], 1) if event.kind != "session.started"]
    removals = [removal(kind, *seqs) for kind in ("session", "git", "code")]
    assert derive(name, [*history, last, *removals]).data == PairData([], [])
    assert derive(name, [*history, last, *removals, *history]).texts == histories[name].texts


@pytest.mark.parametrize("name", NAMES)
def test_no_tested_pair_is_in_training(histories: Mapping[str, Derived], name: str) -> None:
    relations = histories[name].relations
    trained = relations.only(Split.TRAIN)
    fitted = sample_triplets(trained, related_texts(trained), 5000, 0)[:, :2].tolist()
    test = ranking_task(relations.only(Split.TEST), related_texts(relations.only(Split.TRAIN, Split.VALIDATION)))
    asked = {divmod(key, relations.texts) for key in test.relevant.keys.tolist()}
    assert asked
    assert asked.isdisjoint({tuple(pair) for pair in fitted} | {tuple(reversed(pair)) for pair in fitted})


# What is derived


# Of each pair type: its version, and what it gives for the synthetic history. Whoever changes the second raises the
# first: without that, no project builds its pairs again.
GIVEN = {
    "ast_similar": (3, "19a695a64c75"),
    "caller_callee": (4, "2458ea6f10d4"),
    "co_changed": (4, "35863f23f19b"),
    "commit_touches": (3, "6881246347eb"),
    "effect_similarity": (3, "efc9382e38ed"),
    "same_author": (4, "539bdd6cbc52"),
    "same_module": (3, "8e9629edaa61"),
    "same_session": (3, "59843f26d4bb"),
    "state_similarity": (3, "dd6aa1916f3c"),
}


def given(data: PairData) -> str:
    """Return the first digits of a hash of items, contexts and keys, whatever their order."""
    contexts = sorted((sorted(item.order() for item in context.members), context.split) for context in data.contexts)
    items = sorted((item.order(), item.line, item.state) for item in data.items)
    apart = sorted((text, sorted(keys)) for text, keys in data.apart.items())
    return hashlib.sha256(repr((items, contexts, apart)).encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_derived_belongs_to_a_version(histories: Mapping[str, Derived], name: str) -> None:
    assert (PAIR_TYPES[name].version, given(histories[name].data)) == GIVEN[name]


def test_what_pair_types_declare() -> None:
    teaching = {name for name, kind in PAIR_TYPES.items() if kind.teaches_corpus_model}
    assert set(PAIR_TYPES) - teaching == {"effect_similarity", "state_similarity"}
    assert {name for name, kind in PAIR_TYPES.items() if kind.hard_negatives} == {"co_changed"}
    assert {name: kind.min_count for name, kind in PAIR_TYPES.items() if kind.min_count} == {"co_changed": 1}


# Texts


def test_texts_of_files_and_functions() -> None:
    assert file_text("src/eventlog.rs") == "File: src/eventlog.rs (Rust source)"
    assert file_text("README.MD") == "File: README.MD (Markdown document)"
    assert file_text("Makefile") == "File: Makefile (file)"
    assert function_text("run", "a.py") == "Function: run() in a.py"
    assert function_text("run", "a.py", "x, y", "int") == "Function: run(x, y) -> int in a.py"
    assert [normal_path(path) for path in ("./a", "a", "../a", ".a", "././a")] == ["a", "a", "../a", ".a", "./a"]


def test_a_contexts_members_are_distinct(histories: Mapping[str, Derived]) -> None:
    contexts: list[Context] = [context for derived in histories.values() for context in derived.data.contexts]
    assert all(len(set(context.members)) == len(context.members) for context in contexts)
