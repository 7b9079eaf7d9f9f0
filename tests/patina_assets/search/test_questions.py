"""What a question asks for: its words, and what the groups say to it."""

import math

import pytest

from patina_assets.passages.passage import Group
from patina_assets.search.question_lists import only_names
from patina_assets.search.questions import Evidence, asked_for

ALIKE = dict.fromkeys(Group, Evidence(0.5, 0.4))


@pytest.mark.parametrize(
    ("question", "group"),
    [
        ("where is the cache emptied", Group.CODE),
        ("which function parses the header", Group.CODE),
        ("when was the cache removed", Group.COMMITS),
        ("how do I install it", Group.DOCS),
    ],
)
def test_the_words_of_a_question_tell_what_it_asks_for(question: str, group: Group) -> None:
    asked = asked_for(question, ALIKE)
    assert max(asked, key=lambda entry: asked[entry]) is group
    assert sum(asked.values()) == pytest.approx(1)


def test_what_answers_better_is_asked_for_rather() -> None:
    evidence = {Group.CODE: Evidence(0.1, 0.2), Group.NOTES: Evidence(0.9, 0.6)}
    asked = asked_for("cache eviction", evidence)
    assert asked[Group.NOTES] > asked[Group.CODE]
    named = asked_for("cache eviction", evidence, {Group.CODE})
    assert named[Group.CODE] > asked[Group.CODE]
    assert asked_for("anything", {}) == {}


# What a question adds to the odds of its group, beside what each group has without a question.
WITHOUT = {Group.CODE: 1.4, Group.DOCS: 0.0, Group.COMMITS: 0.0, Group.NOTES: 0.8}


@pytest.mark.parametrize(
    ("question", "added"),
    [
        ("cache", {}),
        ("WHEN was the cache removed", {Group.COMMITS: 2.5}),
        ("the cache crashed", {Group.COMMITS: 1.0}),
        ("what crashed", {Group.COMMITS: -1.0}),
        ("it crashed?", {Group.COMMITS: -1.0}),
        ("Add a cache", {Group.COMMITS: 1.0}),
        ("why a cache", {Group.NOTES: 1.0, Group.COMMITS: -1.0}),
        ("where is the cache", {Group.CODE: 1.5, Group.COMMITS: -1.0}),
        ("parse an empty file", {}),
        ("how to fill it", {Group.DOCS: 2.0, Group.COMMITS: -1.0}),
    ],
)
def test_a_question_moves_the_odds_of_its_group(question: str, added: dict[Group, float]) -> None:
    asked = asked_for(question, ALIKE)
    for group, prior in WITHOUT.items():
        odds = math.log(asked[group] / asked[Group.DOCS])
        assert odds == pytest.approx(prior + added.get(group, 0) - added.get(Group.DOCS, 0))


def test_evidence_moves_the_odds() -> None:
    def odds(coverage: float, cosine: float, *named: Group) -> float:
        evidence = {Group.CODE: Evidence(coverage, cosine), Group.DOCS: Evidence(0.5, 0.4)}
        asked = asked_for("cache", evidence, named)
        return math.log(asked[Group.CODE] / asked[Group.DOCS])

    assert odds(0.5, 0.4) == pytest.approx(1.4)
    assert odds(0.6, 0.4) == pytest.approx(1.4 + 0.1 * 3.0)
    assert odds(0.5, 0.5) == pytest.approx(1.4 + 0.1 * 6.0)
    assert odds(0.5, 0.4, Group.CODE) == pytest.approx(1.4 + 4.0)


@pytest.mark.parametrize(
    ("query", "only"),
    [
        ("retry", True),
        ("read_recipe", True),
        ("where is read_recipe", True),
        ("since when are null options allowed in app.render", False),
        ("the cache crashed", False),
    ],
)
def test_a_question_may_be_nothing_but_names(query: str, only: bool) -> None:
    assert only_names(query) is only
