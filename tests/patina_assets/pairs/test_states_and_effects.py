"""`state_similarity` and `effect_similarity`: what was worked on, and what a commit did."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commit_events import commits_of_the_history, named, negatives_of
from deriver import Derived, Deriver
from eventlog_builder import build_eventlog, commit, project_history

from patina_assets.pairs import relations
from patina_assets.pairs.commits import module_of
from patina_assets.pairs.items import Item
from patina_assets.pairs.pair_type import PairData
from patina_assets.pairs.relations import nearest_earlier
from patina_assets.pairs.splits import Split
from patina_assets.pairs.types.effect_similarity import SIZE_RANGE, Effect, similarity
from patina_assets.pairs.types.state_similarity import (
    LEAST_SIMILAR,
    MOST_LISTED,
    NEAREST,
    WINDOW,
    jaccard,
    state_text,
)
from patina_assets.pipeline.corpus import corpus_sources, corpus_texts
from patina_resources.eventlog.reader import Eventlog

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
    assert items[-1] == Item("state", "State: working on . (late.py)", commit="d9")
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


def test_the_first_state_is_similar_to_one_whose_window_begins_after_it(derive: Deriver) -> None:
    files = ["a.py", *["b.py"] * (WINDOW - 1), "a.py"]
    events = [commit(f"c{number}", file, hour=number) for number, file in enumerate(files)]
    contexts = derive("state_similarity", events).data.contexts
    assert [[item.commit for item in context.members] for context in contexts] == [["c0", f"c{WINDOW}"]]


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
    second = Effect("fix", frozenset({"b", "c"}), {"modified": 1.0}, 3.0)
    unlike = replace(first, kind="fix", modules=frozenset({"z"}), size=99.0)
    alike = similarity([first, second, unlike])(np.zeros(3, np.int64), np.arange(3))
    assert alike.tolist() == [1.0, pytest.approx((1 / 3 + 0.5 + 0.5 + 0) / 4), 0.25]


def naive_nearest(candidates: list[set[int]], likeness: Callable[[int, int], float]) -> list[tuple[int, int]]:
    found = []
    for later, own in enumerate(candidates):
        ranked = sorted(own, key=lambda earlier: (-likeness(later, earlier), -earlier))[:NEAREST]
        found += [(later, earlier) for earlier in ranked if likeness(later, earlier) >= LEAST_SIMILAR]
    return found


def some_candidates(source: random.Random, places: int) -> list[set[int]]:
    return [set(source.sample(range(place), min(place, source.randrange(12)))) for place in range(places)]


@pytest.mark.parametrize("seed", range(5))
def test_states_are_compared_as_sets_are(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations, "COMPARED_AT_ONCE", 100)
    source = random.Random(seed)
    sets = [tuple(source.sample("abcdefghijklmnop", source.randint(1, MOST_LISTED))) for _ in range(200)]
    candidates = some_candidates(source, len(sets))

    def plain(first: int, second: int) -> float:
        return len({*sets[first]} & {*sets[second]}) / len({*sets[first]} | {*sets[second]})

    assert nearest_earlier(candidates, jaccard(sets), LEAST_SIMILAR, NEAREST) == naive_nearest(candidates, plain)


def test_paths_of_a_large_project_are_told_apart() -> None:
    paths = [f"{number}.py" for number in range(2**15 + 12)]
    sets = [tuple(paths[start : start + 12]) for start in range(0, len(paths) - 11, 11)]
    first = np.arange(1, len(sets))
    assert jaccard(sets)(first, first).tolist() == [1.0] * len(first)
    assert jaccard(sets)(first, first - 1) == pytest.approx(1 / 23)


@pytest.mark.parametrize("seed", range(5))
def test_effects_are_compared_part_by_part(seed: int) -> None:
    source = random.Random(seed)

    def effect() -> Effect:
        kinds = Counter(source.choices(["added", "modified", "deleted", "renamed", "odd"], k=source.randint(1, 7)))
        modules = frozenset(source.sample("abcde", source.randint(1, 3)))
        changes = {kind: count / kinds.total() for kind, count in kinds.items()}
        return Effect(source.choice(["fix", "feat"]), modules, changes, source.random() * 12)

    effects = [effect() for _ in range(200)]
    candidates = some_candidates(source, len(effects))

    def plain(first: int, second: int) -> float:
        one, other = effects[first], effects[second]
        shared = len(one.modules & other.modules) / len(one.modules | other.modules)
        changes = 0.0
        for kind, share in one.changes.items():
            changes += min(share, other.changes.get(kind, 0.0))
        size = max(0.0, 1 - abs(one.size - other.size) / SIZE_RANGE)
        return (shared + changes + size + (one.kind == other.kind)) / 4

    assert nearest_earlier(candidates, similarity(effects), LEAST_SIMILAR, NEAREST) == naive_nearest(candidates, plain)


def test_commits_of_like_effect_belong_together(derive: Deriver) -> None:
    events = [
        commit("c1", "src/a.py", message="feat: a", lines=10),
        commit("c2", "src/b.py", message="feat: b", lines=12, hour=1),
        commit("c3", "src/b.py", message="fix: b", lines=4000, hour=2),
        commit("c4", "docs/b.md", message="feat: c", lines=10, hour=3),
    ]
    assert named(list(derive("effect_similarity", events).data.contexts)) == [["c1", "c2"]]


def test_effects_are_compared_in_the_order_of_time_and_kept_apart_by_modules(derive: Deriver) -> None:
    folders = [f"m{number}" for number in range(9)]
    events = [
        commit("z", *(f"{folder}/a.py" for folder in folders), message="fix: first", lines=10),
        commit("a", *(f"{folder}/b.py" for folder in folders), message="fix: second", lines=10, hour=1),
    ]
    data = derive("effect_similarity", events).data
    assert named(list(data.contexts)) == [["z", "a"]]
    assert list(data.apart.values()) == [set(folders)] * 2


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
    place = {event.source_id: place for place, event in enumerate(project_history())}
    later = [(max(place[item.commit or ""] for item in context.members), context.split) for context in data.contexts]
    assert {split for _, split in later} == set(Split)
    ordered = sorted(later)
    assert [split for _, split in ordered] == sorted(split for _, split in ordered)
