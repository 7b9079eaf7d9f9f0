"""Pair types on small eventlogs: what becomes an item, and which items belong together."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from deriver import Derived, Deriver, TextPairs
from eventlog_builder import (
    Event,
    call,
    commit,
    function,
    note,
    project_history,
    removal,
    shuffled,
    with_older_keys,
)

from patina_assets.learning.evaluate import ranking_task
from patina_assets.pairs.code_text import file_text, function_text, normal_path
from patina_assets.pairs.relations import MAX_CONTEXT_MEMBERS, Context, Item, PairData, related_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pairs.types import PAIR_TYPES, pair_types_by_source

NAMES = sorted(PAIR_TYPES)
# Those whose relation is an equality or a membership, and is worked out again here.
PLAIN = ["caller_callee", "co_changed", "same_session"]
LONG = "a note that is long enough"


@pytest.fixture
def derive(tmp_path: Path) -> Deriver:
    return Deriver(tmp_path)


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Derived]:
    """Each pair type on the synthetic history."""
    derive = Deriver(tmp_path_factory.mktemp("history"))
    return {name: derive(name, project_history()) for name in NAMES}


def both_ways(groups: Iterable[Iterable[str]]) -> TextPairs:
    return {pair for group in groups for pair in permutations(set(group), 2)}


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


# same_session


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("x" * 20, False),
        ("x" * 21, True),
        ("é" * 21, True),
        (" \n\t" * 10 + "x" * 20 + "\r\n" * 10, False),
        ("\n" * 30, False),
    ],
)
def test_notes_of_over_20_characters_are_items(derive: Deriver, content: str, kept: bool) -> None:
    assert len(derive("same_session", [note(content)]).data.items) == kept


def test_a_note_says_where_it_is_from(derive: Deriver) -> None:
    events = [Event("session.started", {"title": LONG}), note(f"  {LONG}\n", "session-a", "pattern")]
    assert derive("same_session", events).data.items == [Item("pattern", LONG, session="session-a", seq=2)]


def test_every_kind_of_note_counts_and_other_session_events_do_not(derive: Deriver) -> None:
    kinds = ["decision", "pattern", "goal", "work", "context", "observation"]
    events = [note(f"{LONG} of the kind {kind}", "s", kind) for kind in [*kinds, "started", "ended"]]
    assert [item.kind for item in derive("same_session", events).data.items] == kinds


def test_a_note_without_session_id_belongs_to_its_source(derive: Deriver) -> None:
    events = [Event("session.goal", {"content": f"{LONG} {number}"}, source_id="s") for number in range(2)]
    (context,) = derive("same_session", events).data.contexts
    assert {item.session for item in context.members} == {"s"}


def test_a_repeated_note_counts_once_where_it_was_first_said(derive: Deriver) -> None:
    events = [
        note("other words of some length"),
        note(LONG),
        note(LONG),
        note(LONG, "session-b"),
        note(LONG, kind="goal"),
    ]
    derived = derive("same_session", events)
    assert [(item.seq, item.session, item.kind) for item in derived.data.items if item.text == LONG] == [
        (2, "session-a", "decision"),
        (5, "session-a", "goal"),
        (4, "session-b", "decision"),
    ]
    assert derived.related() == both_ways([["other words of some length", LONG]])


def test_a_huge_session_relates_a_part_of_its_notes(derive: Deriver) -> None:
    events = [note(f"{LONG}, number {number:04}") for number in range(1000)]
    derived = derive("same_session", [*events, note(f"{LONG}, elsewhere", "session-b")])
    assert len(derived.data.items) == 1001
    rows = derived.relations.member_rows()
    assert len(rows) == MAX_CONTEXT_MEMBERS
    assert len(related_texts(derived.relations).keys) == MAX_CONTEXT_MEMBERS * (MAX_CONTEXT_MEMBERS - 1)
    assert np.diff(rows).max() <= 1000 / MAX_CONTEXT_MEMBERS + 1


def test_a_session_is_in_one_part_only_and_stays_there(histories: Mapping[str, Derived], derive: Deriver) -> None:
    def parts(derived: Derived) -> dict[str | None, set[Split]]:
        found: dict[str | None, set[Split]] = defaultdict(set)
        for context in derived.data.contexts:
            for item in context.members:
                found[item.session].add(context.split)
        return found

    before = parts(histories["same_session"])
    assert all(len(splits) == 1 for splits in before.values())
    assert {split for splits in before.values() for split in splits} == set(Split)
    more = [note(f"{LONG} {number}", f"new-{number // 3}") for number in range(90)]
    after = parts(derive("same_session", [*more, *project_history()]))
    assert {session: after[session] for session in before} == before


# co_changed


@pytest.mark.parametrize(("count", "kept"), [(0, False), (1, False), (2, True), (50, True), (51, False)])
def test_commits_of_2_to_50_files_count(derive: Deriver, count: int, kept: bool) -> None:
    derived = derive("co_changed", [commit("c", *(f"src/{number}.py" for number in range(count)))])
    assert len(derived.data.items) == (count if kept else 0)
    assert len(derived.data.contexts) == kept


def test_a_file_counts_once_in_a_commit(derive: Deriver) -> None:
    assert derive("co_changed", [commit("c", "a.py", "a.py")]).data == PairData([], [])
    assert derive("co_changed", [commit("c", "a.py", "./a.py")]).data == PairData([], [])
    fifty = [f"src/{number}.py" for number in range(50)]
    twice = derive("co_changed", [commit("c", *fifty, *(f"./{path}" for path in fifty))])
    assert len(twice.data.items) == 50
    assert len(twice.data.contexts) == 1


def test_paths_are_read_with_and_without_a_leading_dot(derive: Deriver) -> None:
    events = [commit("c1", "./src/a.py", ".ci/run"), commit("c2", "src/a.py", "../b.py", hour=1)]
    derived = derive("co_changed", events)
    assert sorted((item.file or "", item.seq) for item in derived.data.items) == [
        ("../b.py", 2),
        (".ci/run", 1),
        ("src/a.py", 1),
    ]


def test_a_commit_that_is_scanned_again_counts_once(derive: Deriver) -> None:
    again = [commit("c", "a.py", "b.py"), commit("c", "b.py", "c.py")]
    derived = derive("co_changed", again)
    assert len(derived.data.contexts) == 1
    assert derived.related() == both_ways([map(file_text, ["a.py", "b.py", "c.py"])])


@pytest.mark.parametrize(
    "data",
    [
        {"sha": "c", "files": ["a.py", "b.py"]},
        {"sha": "c", "files": [{"path": "a.py"}, {"file_path": "b.py"}, {"path": 5}, None, ["x.py"], ""]},
        {"sha": "c", "files_changed": ["a.py", "b.py"]},
        {"sha": "c", "files": None, "files_changed": [{"path": "a.py"}, {"path": "b.py"}]},
        {"files": ["a.py", "b.py"]},
    ],
)
def test_all_ways_of_naming_files_are_read(derive: Deriver, data: dict[str, object]) -> None:
    derived = derive("co_changed", [Event("git.commit", data)])
    assert derived.labels() == {"File: a.py (Python source)", "File: b.py (Python source)"}


@pytest.mark.parametrize("files", ["a.py", 3, {"a.py": 1}, True])
def test_a_commit_that_names_files_otherwise_does_not_hide_the_rest(derive: Deriver, files: object) -> None:
    odd = [Event("git.commit", {"sha": "odd", key: files}) for key in ("files", "files_changed")]
    derived = derive("co_changed", [*odd, commit("c", "x.py", "y.py")])
    assert {item.file for item in derived.data.items} == {"x.py", "y.py"}


def test_the_test_asks_about_later_commits_than_training_saw(histories: Mapping[str, Derived]) -> None:
    in_order_of_time = [context.split for context in histories["co_changed"].data.contexts]
    assert in_order_of_time == [Split.TRAIN] * 96 + [Split.VALIDATION] * 12 + [Split.TEST] * 12


def test_commits_are_ordered_by_moment_not_by_text(derive: Deriver) -> None:
    """The last commit of the day in Auckland comes before the first of the same day in Honolulu."""
    zones = [("2025-06-02T09:00:00+12:00", "auckland"), ("2025-06-02T00:00:00-10:00", "honolulu")]
    events = [replace(commit(sha, f"{sha}.py", "b.py"), timestamp=stamp) for stamp, sha in zones]
    (latest,) = [context for context in derive("co_changed", events).data.contexts if context.split == Split.TEST]
    assert "honolulu.py" in {item.file for item in latest.members}


def test_times_without_a_zone_do_not_depend_on_the_machine(derive: Deriver, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = [f"2025-06-02T{hour:02}:30:00" + ("" if hour % 2 else "+00:00") for hour in range(24)]
    events = [
        replace(commit(f"c{number}", f"{number}.py", "b.py"), timestamp=stamp) for number, stamp in enumerate(stamps)
    ]
    found = []
    for zone in ("UTC", "Pacific/Auckland", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        found.append(derive("co_changed", events).data)
    monkeypatch.undo()
    time.tzset()
    assert found[0] == found[1] == found[2]


def test_times_that_are_none_sort_by_their_text(derive: Deriver) -> None:
    stamps: list[str | bytes] = ["not a time", "", "2025-99-99", "9999-12-31T23:59:59-23:59", b"\xff"]
    events = [replace(commit(f"c{stamp!r}", "a.py", "b.py"), timestamp=stamp) for stamp in stamps]
    assert len(derive("co_changed", events).data.contexts) == len(stamps)


# caller_callee


def calls(derived: Derived) -> set[tuple[str, str]]:
    """Return the related functions as `file:name`, in the order of their names."""
    found = set()
    for context in derived.data.contexts:
        first, second = (f"{item.file}:{item.text.split(': ')[1].split('(')[0]}" for item in context.members)
        found.add((first, second))
    return found


@pytest.mark.parametrize(
    ("functions", "made", "expected"),
    [
        ([("a.rs", "run")], ("a.rs", "main", "run"), ("a.rs:main", "a.rs:run")),
        ([("a.rs", "run"), ("b.rs", "run")], ("a.rs", "main", "run"), ("a.rs:main", "a.rs:run")),
        ([("b.rs", "run")], ("a.rs", "main", "run"), ("a.rs:main", "b.rs:run")),
        ([("b.rs", "run"), ("c.rs", "run")], ("a.rs", "main", "run"), None),
        ([("src/b.rs", "run"), ("c.rs", "run")], ("a.rs", "main", "b::run"), ("a.rs:main", "src/b.rs:run")),
        ([("b/mod.rs", "run"), ("c.rs", "run")], ("a.rs", "main", "b::run"), ("a.rs:main", "b/mod.rs:run")),
        ([("b.py", "run"), ("c.py", "run")], ("a.py", "main", "b.run"), ("a.py:main", "b.py:run")),
        ([("b/x.rs", "run"), ("b/y.rs", "run")], ("a.rs", "main", "b::run"), None),
        ([("b.rs", "run")], ("a.rs", "main", "Type::run"), ("a.rs:main", "b.rs:run")),
        ([("./b.rs", "run")], ("a.rs", "main", "run"), ("a.rs:main", "b.rs:run")),
        ([("b.rs", "run")], ("a.rs", "main", "to_string"), None),
        ([("b.rs", "run")], ("a.rs", "main", "run::to_string"), None),
        ([("a.rs", "main")], ("a.rs", "main", "main"), None),
        ([("a.rs", "main")], ("./a.rs", "main", "self.main"), None),
        ([("b.rs", "Type::run")], ("a.rs", "main", "Type::run"), ("a.rs:main", "b.rs:Type::run")),
        (
            [("b.rs", "First::run"), ("b.rs", "Second::run")],
            ("a.rs", "main", "Second::run"),
            ("a.rs:main", "b.rs:Second::run"),
        ),
        ([("b.rs", "run")], ("a.rs", "main", ""), None),
        ([("b.rs", "run")], ("a.rs", "main", "::"), None),
    ],
)
def test_a_callee_is_resolved_to_a_function_of_the_project(
    derive: Deriver, functions: list[tuple[str, str]], made: tuple[str, str, str], expected: tuple[str, str] | None
) -> None:
    derived = derive("caller_callee", [*(function(*place) for place in functions), call(*made)])
    assert calls(derived) == ({expected} if expected else set())


def test_a_function_is_an_item_with_its_signature(derive: Deriver) -> None:
    events = [function("./src/a.rs", "read", ["path", "&mut self"], "Result<Row>"), call("src/b.rs", "main", "read")]
    assert derive("caller_callee", events).data.items == [
        Item("function", "Function: read(path, &mut self) -> Result<Row> in src/a.rs", file="src/a.rs", seq=1),
        Item("function", "Function: main() in src/b.rs", file="src/b.rs", seq=2),
    ]


def test_the_latest_form_of_a_function_counts_at_its_first_place(derive: Deriver) -> None:
    events = [
        function("./a.rs", "read", ["first"]),
        function("a.rs", "read", ["second"]),
        function("./a.rs", "read", ["third"]),
    ]
    for scans in (events[:2], events[1:], events):
        latest = scans[-1].data["parameters"][0]  # type: ignore[call-overload, index]
        assert derive("caller_callee", scans).data.items == [
            Item("function", f"Function: read({latest}) in a.rs", file="a.rs", seq=1)
        ]


def test_a_tested_call_touches_a_file_that_training_never_saw(histories: Mapping[str, Derived]) -> None:
    contexts = histories["caller_callee"].data.contexts
    files: dict[Split, list[set[str | None]]] = defaultdict(list)
    for context in contexts:
        files[context.split].append({item.file for item in context.members})
    trained = set().union(*files[Split.TRAIN])
    assert all(files[split] for split in Split)
    assert all(touched - trained for touched in files[Split.VALIDATION] + files[Split.TEST])
    assert all(touched - set().union(*files[Split.VALIDATION]) - trained for touched in files[Split.TEST])


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
