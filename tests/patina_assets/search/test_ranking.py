"""One list out of passages of several groups."""

import math

import pytest
from root import ROOT

from patina_assets.passages.passage import Group
from patina_assets.passages.roles import Role
from patina_assets.search.asking.filters import NO_FILTERS
from patina_assets.search.files.found import DefinitionPart, Found
from patina_assets.search.question_lists import list_weights, merged
from patina_assets.search.ranking import (
    COSINE_POWER,
    COSINE_SCALE,
    COVERED,
    LIST_WEIGHTS,
    NAMES,
    OWN_WORDS_SHARE,
    PROJECTIONS_WEIGHT,
    TOUCHED,
    UNCOVERED,
    UNCOVERED_VECTORS_WEIGHT,
    VECTORS,
    WORD_WEIGHTS,
    WORDS,
    RankedThing,
    demoted,
    lacking,
    mixed,
    nearest_definitions,
    rank_group,
    touched_files,
    vectors_weight,
)


def found(
    key: int,
    score: float,
    thing: str = "",
    role: Role = Role.SOURCE,
    state: str | None = None,
    *,
    has_symbol: bool = True,
) -> Found:
    return Found(key, score, thing or f"path {key}", role, state, has_symbol)


def test_tests_and_removed_files_stand_below() -> None:
    listed = [found(0, 9, role=Role.TEST), found(1, 8), found(2, 7, state="removed"), found(3, 4)]
    assert [entry.key for entry in demoted(listed, Group.CODE)] == [1, 0, 3, 2]
    assert [entry.key for entry in demoted(listed, Group.COMMITS)] == [0, 1, 3, 2]


@pytest.mark.parametrize(
    ("role", "code", "docs", "commits"),
    [
        (Role.SOURCE, 1.0, 1.0, 1.0),
        (Role.TEST, 0.5, 0.5, 1.0),
        (Role.INNER_TEST, 1.0, 1.0, 1.0),
        (Role.EXAMPLE, 0.5, 0.7, 1.0),
        (Role.CHANGELOG, 0.5, 0.5, 1.0),
        (Role.VENDORED, 0.4, 0.4, 1.0),
        (Role.TRANSLATED, 1.0, 0.5, 1.0),
        (Role.GENERATED, 0.4, 0.4, 1.0),
        (Role.BINARY, 0.4, 1.0, 1.0),
        (Role.TEXT, 0.8, 1.0, 1.0),
        (Role.BRIEF, 1.0, 1.0, 0.6),
        (Role.ASIDE, 1.0, 1.0, 0.7),
        (Role.BRIEF_ASIDE, 1.0, 1.0, 0.42),
    ],
)
def test_a_role_counts_so_much(role: Role, code: float, docs: float, commits: float) -> None:
    def score(group: Group, state: str | None = None, power: float = 1.0) -> float:
        return demoted([found(0, 2.0, role=role, state=state)], group, power)[0].score

    assert score(Group.CODE) == pytest.approx(2 * code)
    assert score(Group.DOCS) == pytest.approx(2 * docs)
    assert score(Group.COMMITS) == pytest.approx(2 * commits)
    assert score(Group.NOTES) == 2
    assert score(Group.CODE, "removed") == pytest.approx(code)
    assert score(Group.CODE, "removed", 0.35) == pytest.approx(2 * (code / 2) ** 0.35)


def test_of_equal_scores_the_first_key_comes_first() -> None:
    assert [entry.key for entry in demoted([found(3, 1), found(1, 1), found(2, 2)], Group.CODE)] == [2, 1, 3]


def test_a_file_counts_by_its_best_passages() -> None:
    listed = [found(0, 5, "a"), found(1, 4, "b"), found(2, 4, "b"), found(3, 1, "a")]
    things = rank_group(Group.CODE, {WORDS: listed}, {})
    assert [(thing.name, thing.keys) for thing in things] == [("b", (1, 2)), ("a", (0, 3))]
    assert things[0].ranks == {WORDS: 1}
    assert things[0].scores == {WORDS: 4}


@pytest.mark.parametrize(
    ("other", "first"),
    [
        ([8.0], "many"),  # 5 + 4/2 + 3/3 = 8, and the name decides
        ([8.1], "one"),
        ([7.9], "many"),
    ],
)
def test_three_passages_of_a_file_count_each_less_than_the_one_before(other: list[float], first: str) -> None:
    many = [found(key, score, "many") for key, score in enumerate((5, 4, 3, 3, 2))]
    one = [found(9, score, "one") for score in other]
    for group in (Group.CODE, Group.DOCS, Group.COMMITS):
        things = rank_group(group, {WORDS: [*many, *one]}, {})
        assert things[0].name == first


def test_a_list_of_more_weight_decides_which_passage_is_shown() -> None:
    words, vectors = [found(0, 9, "a"), found(1, 8, "a")], [found(2, 0.9, "a"), found(1, 0.8, "a")]
    (even,) = rank_group(Group.CODE, {WORDS: words, VECTORS: vectors}, {})
    assert even.keys == (1, 0, 2)  # 1/7 + 1/7, 1/6, 1/6
    (heavy,) = rank_group(Group.CODE, {WORDS: words, VECTORS: vectors}, {VECTORS: 3.0})
    assert heavy.keys == (1, 2, 0)  # 1/7 + 3/7, 3/6, 1/6
    assert heavy.score == pytest.approx(1 / 6 + 3 / 6)
    assert (heavy.ranks, heavy.scores) == ({WORDS: 1, VECTORS: 1}, {WORDS: 9, VECTORS: 0.9})


def test_the_first_passage_of_a_list_is_shown_rather_than_the_second_of_one_a_little_heavier() -> None:
    words, vectors = [found(0, 9, "a")], [found(9, 0.9, "b"), found(1, 0.8, "a")]
    things = rank_group(Group.CODE, {WORDS: words, VECTORS: vectors}, {VECTORS: 1.15})
    assert {thing.name: thing.keys for thing in things}["a"] == (0, 1)  # 1/6 is more than 1.15/7


@pytest.mark.parametrize("rest", [found(0, 9, "a", has_symbol=False), found(0, 9, "a", role=Role.INNER_TEST)])
def test_a_definition_is_shown_rather_than_what_is_left_of_its_file_or_tests_it(rest: Found) -> None:
    def shown(others: int, group: Group = Group.CODE) -> int:
        between = [found(9 + row, 7) for row in range(others)]
        listed = [rest, *between, found(1, 6, "a")]
        return rank_group(group, {WORDS: listed}, {})[0].keys[0]

    assert (shown(2), shown(4)) == (1, 0)  # 0.6/6 is less than 1/9, and more than 1/11
    assert shown(0, Group.NOTES) == 0


def test_of_a_file_the_definition_is_shown_that_is_near_and_not_tiny() -> None:
    definitions = [DefinitionPart(1, "is_empty", 1), DefinitionPart(2, "read", 8), DefinitionPart(3, "write", 8)]
    assert nearest_definitions(definitions, [0.5, 0.45, 0.4], {}, 0.0) == [2, 3, 1]
    assert nearest_definitions(definitions, [0.7, 0.45, 0.4], {}, 0.0) == [1, 2, 3]


def test_words_tell_a_definition_the_less_the_fewer_of_them_are_found() -> None:
    definitions = [DefinitionPart(1, "read", 8), DefinitionPart(2, "write", 8)]
    words = {2: 3.0}
    assert nearest_definitions(definitions, [0.5, 0.4], words, UNCOVERED) == [1, 2]
    assert nearest_definitions(definitions, [0.5, 0.4], words, COVERED) == [2, 1]


def test_a_definition_of_several_passages_is_shown_by_its_nearest() -> None:
    definitions = [DefinitionPart(1, "read", 2), DefinitionPart(2, "read", 8), DefinitionPart(3, "write", 3)]
    assert nearest_definitions(definitions, [0.2, 0.4, 0.4], {}, 0.0) == [2, 3]
    assert nearest_definitions([], [], {}, 0.0) == []


def test_a_session_counts_by_its_best_note() -> None:
    listed = [found(0, 5, "short"), found(1, 4, "long"), found(2, 4, "long"), found(3, 4, "long")]
    assert [thing.name for thing in rank_group(Group.NOTES, {WORDS: listed}, {})] == ["short", "long"]


def test_one_passage_that_is_much_nearer_stands_above_three_that_are_near() -> None:
    many = [found(key, score, "many") for key, score in enumerate((0.5, 0.5, 0.5))]
    for nearer, first in ((0.05, "many"), (0.07, "one")):  # e to the power of 0.6 is 1 + 1/2 + 1/3
        things = rank_group(Group.CODE, {VECTORS: [*many, found(9, 0.5 + nearer, "one")]}, {})
        assert things[0].name == first
    assert rank_group(Group.CODE, {VECTORS: []}, {}) == []


@pytest.mark.parametrize(
    ("coverage", "code", "commits"), [(1.0, 2, 0.5), (0.8, 2, 0.5), (0.65, 5, 4.25), (0.5, 8, 8), (0.0, 8, 8)]
)
def test_vectors_weigh_more_where_no_passage_holds_the_words(coverage: float, code: float, commits: float) -> None:
    assert vectors_weight(Group.CODE, coverage) == pytest.approx(code)
    weights = list_weights(Group.COMMITS, (WORDS, VECTORS, "social"), 0.25, coverage)
    assert weights == pytest.approx({WORDS: 1, VECTORS: commits / 4, NAMES: 10, "social": 0.125})


def test_lists_are_fused_by_rank_and_weight() -> None:
    first, second = [found(0, 9, "a"), found(1, 8, "b")], [found(2, 0.9, "b"), found(0, 0.8, "a")]
    even = rank_group(Group.CODE, {WORDS: first, VECTORS: second}, {})
    assert even[0].score == even[1].score == pytest.approx(1 / 6 + 1 / 7)
    assert [thing.name for thing in even] == ["a", "b"]
    uneven = rank_group(Group.CODE, {WORDS: first, VECTORS: second}, {VECTORS: 2})
    assert uneven[0].name == "b"
    assert uneven[0].keys == (2, 1)


@pytest.mark.parametrize("name", ["words", "vectors", "names"])
def test_a_projection_of_any_name_adds_a_list(name: str) -> None:
    words, near, named, projected = ({Group.CODE: [found(key, 1)]} for key in range(4))
    (lists,) = merged(words, near, named, {Group.CODE: {name: projected[Group.CODE]}}, NO_FILTERS).values()
    assert [entry.key for entries in lists.values() for entry in entries] == [0, 1, 2, 3]


def test_the_best_of_each_group_comes_before_long_blocks() -> None:
    def things(group: Group, count: int) -> list[RankedThing]:
        return [RankedThing(group, f"{group} {row}", 1 / (row + 1), (row,)) for row in range(count)]

    groups = {Group.CODE: things(Group.CODE, 20), Group.COMMITS: things(Group.COMMITS, 20), Group.DOCS: []}
    ranked = mixed(groups, {Group.CODE: 0.7, Group.COMMITS: 0.3, Group.DOCS: 0.0}, 10)
    names = [thing.name for thing, _ in ranked]
    assert names[:2] == ["code 0", "commits 0"]
    assert len(names) == len(set(names)) == 10
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
    assert mixed(groups, {}, 3)[0][1] == 0
    assert len(mixed(groups, {Group.CODE: 1.0}, 100)) == 40


def test_a_result_counts_by_its_rank_and_its_score_in_its_group() -> None:
    things = [RankedThing(Group.CODE, str(row), score, (row,)) for row, score in enumerate((8.0, 6.0, 4.0, 4.0))]
    ranked = mixed({Group.CODE: things}, {Group.CODE: 0.5}, 12)
    assert [score for _, score in ranked] == pytest.approx([0.5, 0.5 * 0.75 / 2, 0.5 * 0.5 / 3, 0.5 * 0.5 / 4])
    groups = {group: [RankedThing(group, name, 1, (0,)) for name in "ba"] for group in (Group.DOCS, Group.CODE)}
    even = mixed(groups, {Group.CODE: 0.5, Group.DOCS: 0.5}, 4)
    assert [(thing.group, thing.name) for thing, _ in even] == [
        (Group.CODE, "b"),
        (Group.DOCS, "b"),
        (Group.CODE, "a"),
        (Group.DOCS, "a"),
    ]


def test_the_page_on_search_states_the_weights() -> None:
    def shown(values: tuple[float, ...]) -> str:
        return ", ".join(f"{value:g}" for value in values)

    page = (ROOT / "docs" / "search.md").read_text("utf-8")
    for group in Group:
        lists = LIST_WEIGHTS[group]
        assert (
            f"| {group} | {shown(WORD_WEIGHTS[group])} | {shown((lists[WORDS], lists[VECTORS], lists[NAMES]))} |"
            in page
        )
    sentences = " ".join(page.split())
    assert f"All of them together have the weight {PROJECTIONS_WEIGHT:g}" in sentences
    assert f"by the factor to the power of {COSINE_POWER:g}" in sentences
    assert OWN_WORDS_SHARE == 0.25
    assert "vectors have a quarter of this weight" in sentences
    assert f"At {COVERED:.0%} or more".replace("%", " %") in sentences
    assert f"At {UNCOVERED:.0%} or less".replace("%", " %") in sentences
    assert f"and the weight is {UNCOVERED_VECTORS_WEIGHT:g}." in sentences
    assert f"larger by {COSINE_SCALE:g} is made to count e" in sentences


def test_files_that_near_commits_touched_are_found_by_them() -> None:
    commits = [found(7, 0.6, "commit a"), found(8, 0.55, "commit b"), found(9, 0.55, "commit c")]
    paths = {7: ("src/a.py", "gone.py"), 8: ("src/b.py",), 9: tuple(f"src/{name}.py" for name in "bcdefghij")}
    lists = {
        WORDS: [found(1, 9, "path src/b.py"), found(2, 8, "path src/a.py"), found(3, 7, "path src/c.py")],
        VECTORS: [found(4, 0.5, "path src/a.py"), found(5, 0.4, "path src/d.py")],
    }
    touched = touched_files(commits, paths, lists)
    assert [(entry.key, entry.thing) for entry in touched] == [(4, "path src/a.py"), (1, "path src/b.py")]
    assert [entry.score for entry in touched] == pytest.approx([1 / math.sqrt(2), math.exp(-1)])
    lists[WORDS][1] = lists[WORDS][1]._replace(role=Role.TEST)
    lists[VECTORS] = []
    assert [entry.key for entry in touched_files(commits, paths, lists)] == [1, 2]
    assert touched_files([], {}, lists) == []


@pytest.mark.parametrize(("coverage", "share"), [(1.0, 0.0), (0.8, 0.0), (0.65, 0.5), (0.5, 1.0), (0.0, 1.0)])
def test_words_lack_what_they_do_not_cover(coverage: float, share: float) -> None:
    assert lacking(coverage) == pytest.approx(share)
    weights = list_weights(Group.CODE, [WORDS, TOUCHED], 1.0, coverage)
    assert weights[TOUCHED] == pytest.approx(2 * share)
