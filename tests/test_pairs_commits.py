"""Pair types that learn from commits: what they touch, who made them, the states between them, and their effects."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from deriver import Derived, Deriver
from eventlog_builder import Event, build_eventlog, commit, function, project_history

from patina_assets.pairs.code_text import file_text
from patina_assets.pairs.commits import commit_kind, current_path, module_of
from patina_assets.pairs.definitions import MOST_NAMES
from patina_assets.pairs.relations import Context, Item, PairData
from patina_assets.pairs.splits import Split
from patina_assets.pairs.types.effect_similarity import Effect, similarity
from patina_assets.pairs.types.state_similarity import LEAST_SIMILAR, MOST_LISTED, NEAREST, WINDOW, state_text
from patina_assets.pipeline.corpus import corpus_sources, corpus_texts
from patina_resources.eventlog.reader import Eventlog

NAMES = ["commit_touches", "same_author", "state_similarity", "effect_similarity"]


@pytest.fixture
def derive(tmp_path: Path) -> Deriver:
    return Deriver(tmp_path)


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Derived]:
    """Each pair type on the synthetic history."""
    derive = Deriver(tmp_path_factory.mktemp("history"))
    return {name: derive(name, project_history()) for name in NAMES}


def commits_of_the_history() -> dict[str, list[str]]:
    """Return the paths of each commit of the synthetic history, oldest first."""
    return {
        str(event.data["sha"]): [change["path"] for change in event.data["files"]]
        for event in project_history()
        if event.kind == "git.commit" and isinstance(event.data, Mapping)
    }


def negatives_of(derived: Derived) -> Iterator[tuple[Item, Item]]:
    """Yield the items of anchor and negative of each triplet; of items with one text, the last."""
    item_of = {item.text: item for item in derived.data.items}
    for anchor, _, negative in derived.triplets().tolist():
        yield item_of[derived.texts[anchor]], item_of[derived.texts[negative]]


def named(contexts: list[Context] | tuple[Context, ...]) -> list[list[str | None]]:
    return [[item.file or item.commit for item in context.members] for context in contexts]


# Commits as they are read


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("src/a.py", "src/a.py"),
        ("./src/a.py", "src/a.py"),
        ("{brain => layer}/core.md", "layer/core.md"),
        ("src/{old.py => new.py}", "src/new.py"),
        ("src/{deep => }/a.py", "src/a.py"),
        ("src/{ => deep}/a.py", "src/deep/a.py"),
        ("old.py => new.py", "new.py"),
    ],
)
def test_a_renamed_file_is_known_by_its_new_path(derive: Deriver, written: str, path: str) -> None:
    assert current_path(written) == path
    assert {item.file for item in derive("commit_touches", [commit("c", written)]).data.items} == {None, path}
    assert path in {item.file for item in derive("co_changed", [commit("c", written, "b.py")]).data.items}


@pytest.mark.parametrize(
    ("message", "parsed", "kind"),
    [
        ("Add a thing", None, "other"),
        ("feat: add", None, "feat"),
        ("Fix(core)!: it", None, "fix"),
        ("docs: x", "spec", "spec"),
        ("see http://x: y", None, "other"),
    ],
)
def test_the_kind_of_a_commit(message: str, parsed: str | None, kind: str) -> None:
    assert commit_kind(message, parsed) == kind


def test_a_module_is_a_folder_of_at_most_three_levels() -> None:
    assert [module_of(path) for path in ("a.py", "src/a.py", "a/b/c/d/e.py")] == [".", "src", "a/b/c"]


@pytest.mark.parametrize("name", NAMES)
def test_the_latest_form_of_a_commit_counts_at_its_first_place(derive: Deriver, name: str) -> None:
    others = [commit(f"c{number}", "b.py", f"{number}.py", hour=number) for number in range(8)]
    rescanned = [*others, commit("c0", "z.py", message="Say it otherwise")]
    items = {(item.commit or item.file, item.text): item.seq for item in derive(name, rescanned).data.items}
    assert "0.py" not in " ".join(text for _, text in items)
    assert items.get(("c0", "Commit: Say it otherwise"), 1) == 1
    assert items.get(("z.py", file_text("z.py")), 1) == 1
    broken = Event("git.commit", "{broken", source_id="c0")
    assert derive(name, [*others, broken], checked=False).data == derive(name, others).data


# commit_touches


def test_a_commit_belongs_with_each_file_that_it_touched(histories: Mapping[str, Derived]) -> None:
    contexts = histories["commit_touches"].data.contexts
    expected = [[sha, path] for sha, paths in commits_of_the_history().items() for path in sorted(paths)]
    assert named(list(contexts)) == expected


def test_a_negative_is_of_the_other_kind(histories: Mapping[str, Derived]) -> None:
    pairs = list(negatives_of(histories["commit_touches"]))
    assert len(pairs) > 450
    assert all({anchor.kind, negative.kind} == {"commit", "file"} for anchor, negative in pairs)


def test_a_commit_is_told_by_its_subject_alone(derive: Deriver) -> None:
    events = [
        commit("c", "src/a.py", message="\n feat: read rows \n\nsrc/a.py is new\n"),
        commit("d", "b.py", message=" "),
    ]
    assert derive("commit_touches", events).data.items == [
        Item("commit", "Commit: feat: read rows", commit="c", seq=1),
        Item("file", file_text("src/a.py"), file="src/a.py", seq=1),
    ]


def test_a_file_is_told_with_what_it_defines(derive: Deriver) -> None:
    events = [
        commit("c", "a.rs", "b.rs", "c.rs"),
        function("./a.rs", "read"),
        function("a.rs", "read"),
        Event("code.struct", {"file": "./a.rs", "name": "Row"}),
        *(function("b.rs", f"f{number:02}") for number in range(20)),
    ]
    texts = [item.text for item in derive("commit_touches", events).data.items[1:]]
    names = ", ".join(f"f{number:02}" for number in range(MOST_NAMES))
    assert texts == [
        f"{file_text('a.rs')}. Defines: Row, read",
        f"{file_text('b.rs')}. Defines: {names}",
        file_text("c.rs"),
    ]


@pytest.mark.parametrize(("count", "kept"), [(0, False), (1, True), (50, True), (51, False)])
def test_commits_of_1_to_50_files_count(derive: Deriver, count: int, kept: bool) -> None:
    event = commit("c", *(f"src/{number}.py" for number in range(count)))
    assert len(derive("commit_touches", [event]).data.items) == (count + 1 if kept else 0)
    for name in ("state_similarity", "effect_similarity"):
        assert len(derive(name, [event]).data.items) == kept


# same_author


def test_two_authors_with_five_commits_each_are_needed(derive: Deriver) -> None:
    def events(second: int) -> list[Event]:
        ada = [commit(f"a{number}", f"a{number}.py", message=f"Mine {number}") for number in range(9)]
        return ada + [commit(f"g{n}", f"g{n}.py", message=f"Hers {n}", author="grace") for n in range(second)]

    assert derive("same_author", events(4)).data.contexts == []
    assert {item.file for item in derive("same_author", events(4)).data.items if item.kind == "file"} == {
        f"a{number}.py" for number in range(9)
    }
    assert derive("same_author", events(5)).data.contexts
    one_person = [replace(event, data={**event.data, "author_email": "Ada@example.org"}) for event in events(9)]  # type: ignore[dict-item]
    assert derive("same_author", one_person).data.contexts == []


def test_contexts_hold_what_one_author_did_first(histories: Mapping[str, Derived]) -> None:
    derived = histories["same_author"]
    author_of: dict[str, str] = {}
    for event in project_history():
        if event.kind == "git.commit" and isinstance(event.data, Mapping):
            author_of[str(event.data["sha"])] = event.data["author_email"]
            for change in event.data["files"]:
                author_of.setdefault(change["path"], event.data["author_email"])
    groups = [
        {author_of[item.file or item.commit or ""] for item in context.members} for context in derived.data.contexts
    ]
    assert {frozenset(group) for group in groups} == {
        frozenset({f"{name}@example.org"}) for name in ("ada", "grace", "linus")
    }
    assert all(
        author_of[anchor.file or anchor.commit or ""] != author_of[negative.file or negative.commit or ""]
        for anchor, negative in negatives_of(derived)
    )
    assert not any(name in item.text for item in derived.data.items for name in ("ada", "example.org"))


def test_what_an_author_did_later_is_asked_about(histories: Mapping[str, Derived]) -> None:
    last: dict[Split, int] = defaultdict(int)
    first: dict[Split, int] = defaultdict(lambda: 10**9)
    for context in histories["same_author"].data.contexts:
        for item in context.members:
            last[context.split] = max(last[context.split], item.seq)
            first[context.split] = min(first[context.split], item.seq)
    assert last[Split.TRAIN] < first[Split.VALIDATION] <= last[Split.VALIDATION] < first[Split.TEST]


# state_similarity


def working_sets() -> dict[str, set[str]]:
    """Return the working set after each commit, from the definition; those over the limit are left out."""
    commits = commits_of_the_history()
    shas = list(commits)
    found = {}
    for place, sha in enumerate(shas):
        window = shas[max(0, place - WINDOW + 1) : place + 1]
        touched = {path for other in window for path in commits[other]}
        if len(touched) <= MOST_LISTED:
            found[sha] = touched
    return found


def test_a_state_lists_its_working_set_by_folder(derive: Deriver) -> None:
    events = [
        commit("c1", "src/a.py", "src/b.py"),
        commit("c2", "README.md", "src/b.py", hour=1),
        commit("c3", *(f"x{number}" for number in range(51)), hour=2),
        *(commit(f"d{number}", "late.py", hour=3 + number) for number in range(WINDOW)),
    ]
    items = derive("state_similarity", events).data.items
    assert [item.text for item in items[:3]] == [
        "State: working on src (a.py, b.py)",
        "State: working on src (b.py, a.py), . (README.md)",
        "State: working on src (b.py, a.py), . (late.py, README.md)",
    ]
    assert items[-1] == Item("state", "State: working on . (late.py)", commit="d9", seq=13)
    assert state_text(["b/x", "a/y", "b/z"]) == "State: working on b (x, z), a (y)"


def test_similar_states_share_files_and_no_commit(histories: Mapping[str, Derived]) -> None:
    place = {sha: number for number, sha in enumerate(commits_of_the_history())}
    contexts = histories["state_similarity"].data.contexts
    assert len(contexts) > 50
    sets = working_sets()
    for context in contexts:
        earlier, later = (item.commit or "" for item in context.members)
        assert place[later] - place[earlier] >= WINDOW
        if earlier in sets and later in sets:
            assert len(sets[earlier] & sets[later]) / len(sets[earlier] | sets[later]) >= LEAST_SIMILAR
    per_state: dict[str | None, int] = defaultdict(int)
    for context in contexts:
        per_state[context.members[1].commit] += 1
    assert max(per_state.values()) == NEAREST


def test_negatives_of_a_state_share_no_file(derive: Deriver) -> None:
    """Three areas are worked on in turn, with one file that the first two have in common."""
    areas = [["a1.py", "a2.py", "shared.py"], ["b1.py", "b2.py", "shared.py"], ["c1.py", "c2.py", "c3.py"]]
    events = [commit(f"c{n}", *areas[n // 15 % 3], f"{areas[n // 15 % 3][0]}{n % 4}", hour=n) for n in range(180)]
    derived = derive("state_similarity", events)
    pairs = list(negatives_of(derived))
    assert len(pairs) > 100
    for anchor, negative in pairs:
        files = [set(item.text.split("(")[1].strip(")").split(", ")) for item in (anchor, negative)]
        assert not files[0] & files[1]


def test_states_of_a_file_in_every_commit_stay_linear(derive: Deriver) -> None:
    events = [commit(f"{number:04}", "all.py", f"{number % 40}.py", hour=number) for number in range(1200)]
    assert len(derive("state_similarity", events).data.contexts) <= 1200 * NEAREST
    assert len(derive("effect_similarity", events).data.contexts) <= 1200 * NEAREST


def test_words_are_not_learned_from_states(tmp_path: Path) -> None:
    path = build_eventlog(tmp_path / "patina.db", project_history())
    texts = corpus_texts({name: read.rows for name, read in Eventlog(path).read(corpus_sources()).items()})
    assert any(text.startswith("Commit: Change") for text in texts)
    assert not any(text.startswith("State:") for text in texts)


# effect_similarity


def test_the_similarity_of_two_effects_is_the_mean_of_four_parts() -> None:
    first = Effect("feat", frozenset({"a", "b"}), {"added": 0.5, "modified": 0.5}, 6.0)
    assert similarity(first, first) == 1.0
    second = Effect("fix", frozenset({"b", "c"}), {"modified": 1.0}, 3.0)
    assert similarity(first, second) == pytest.approx((1 / 3 + 0.5 + 0.5 + 0) / 4)
    assert similarity(first, replace(first, kind="fix", modules=frozenset({"z"}), size=99.0)) == 0.25


def test_commits_of_like_effect_belong_together(derive: Deriver) -> None:
    events = [
        commit("c1", "src/a.py", message="feat: a", lines=10),
        commit("c2", "src/b.py", message="feat: b", lines=12, hour=1),
        commit("c3", "src/b.py", message="fix: b", lines=4000, hour=2),
        commit("c4", "docs/b.md", message="feat: c", lines=10, hour=3),
    ]
    assert named(list(derive("effect_similarity", events).data.contexts)) == [["c1", "c2"]]


def test_negatives_of_an_effect_share_no_module(histories: Mapping[str, Derived]) -> None:
    modules: dict[str, set[str]] = defaultdict(set)
    texts = {item.commit: item.text for item in histories["effect_similarity"].data.items}
    for sha, paths in commits_of_the_history().items():
        modules[texts[sha]] |= {module_of(path) for path in paths}
    pairs = list(negatives_of(histories["effect_similarity"]))
    assert len(pairs) > 300
    assert all(not modules[anchor.text] & modules[negative.text] for anchor, negative in pairs)


@pytest.mark.parametrize("name", ["state_similarity", "effect_similarity"])
def test_a_pair_belongs_to_the_part_of_its_later_commit(histories: Mapping[str, Derived], name: str) -> None:
    data: PairData = histories[name].data
    later = [(max(item.seq for item in context.members), context.split) for context in data.contexts]
    assert {split for _, split in later} == set(Split)
    ordered = sorted(later)
    assert [split for _, split in ordered] == sorted(split for _, split in ordered)
