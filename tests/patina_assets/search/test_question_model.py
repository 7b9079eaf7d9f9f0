"""What is learned of a question's words and vector adds to what its rules say of the groups."""

from dataclasses import replace

import numpy as np
import pytest

from patina_assets.passages.passage import Group
from patina_assets.search.asking.question_model import LENGTH, STATIC, leanings, part_of, signs_of
from patina_assets.search.questions import Evidence, asked_for
from patina_resources.embedding.side_by_side import BaseSpec, resolve_base
from patina_resources.models.registry import EMBEDDED
from patina_resources.models.registry_files import load_registry
from patina_resources.store.mothership import mothership

MINILM = "all-minilm-l6-v2"
EVEN = {group: Evidence(0.5, 0.5) for group in (Group.CODE, Group.DOCS, Group.COMMITS)}


def base(name: str) -> BaseSpec:
    return resolve_base(load_registry(mothership()), name)


def test_signs_are_little_words_and_endings_and_what_stands_beside_them() -> None:
    signs = signs_of("Who crashed it, and WHY are 3 parsers less quickly parsing? ")
    assert [name for name in signs if " " not in name] == [
        "<first>", "who", "<ed>", "it", ",", "and", "why", "are", "<number>", "<s>", "less", "<ly>", "<ing>", "?",
        "<last>", "<constant>", "<length>"]  # fmt: skip
    assert {"<first> who", "<ed> it", "it ,", "why are", "? <last>"} < signs.keys()
    assert "<word>" in signs_of("fed class")
    few, many = signs_of("redirects ?"), signs_of("a " * 100)
    assert few[LENGTH] == pytest.approx(np.log(5))
    assert signs[LENGTH] == pytest.approx(np.log(10))
    assert many[LENGTH] == pytest.approx(np.log(25))


def test_models_that_know_words_alone_learn_from_words_alone() -> None:
    spec = base(EMBEDDED)
    vector = np.ones(spec.dims, np.float32)
    past, present = (leanings(f"the tool {verb} slow", spec, vector) for verb in ("was", "is"))
    assert set(past) == {Group.DOCS, Group.COMMITS}
    assert past[Group.COMMITS] > present[Group.COMMITS]
    assert leanings("the tool was slow", spec, None) == past
    assert part_of(spec, vector)[0] == STATIC


def test_a_vector_counts_where_its_model_was_learned_with() -> None:
    spec = base(MINILM)
    one, other = np.eye(spec.dims, dtype=np.float32)[:2]
    assert leanings("a question", spec, one) == pytest.approx(leanings("a question", spec, 3 * one))
    assert leanings("a question", spec, one) != pytest.approx(leanings("a question", spec, other))
    beside = base(f"{EMBEDDED}+{MINILM}")
    before = np.ones(beside.dims - spec.dims, np.float32)
    joined = leanings("a question", beside, np.concatenate([before, one]))
    assert joined == pytest.approx(leanings("a question", spec, one))


NUMBERS = [np.zeros(384, np.float32), np.full(384, np.nan, np.float32), np.full(384, np.inf, np.float32)]


@pytest.mark.parametrize("vector", [None, *NUMBERS])
def test_without_a_vector_nothing_is_added(vector: np.ndarray | None) -> None:
    assert leanings("when was it slow", base(MINILM), vector) == {}


def test_nothing_is_added_for_a_model_that_was_not_learned_with() -> None:
    spec = base("bge-small-en-v1.5")
    assert leanings("when was it slow", spec, np.ones(spec.dims, np.float32)) == {}


def test_what_is_learned_makes_a_group_likelier() -> None:
    plain, leaning = (asked_for("the tool", EVEN, leaning=added) for added in ({}, {Group.COMMITS: 1.0}))
    assert leaning[Group.COMMITS] > plain[Group.COMMITS]
    assert leaning[Group.DOCS] / leaning[Group.CODE] == pytest.approx(plain[Group.DOCS] / plain[Group.CODE])
    assert sum(leaning.values()) == pytest.approx(1)


def test_nothing_is_added_for_another_model_of_the_name() -> None:
    (part,) = base(MINILM).parts
    spec = BaseSpec((replace(part, dims=8),))
    assert leanings("when was it slow", spec, np.ones(8, np.float32)) == {}


@pytest.mark.parametrize(("question", "is_known"), [
    ("redirects", True), ("", True), ("timeout über alles", True), ("Wie geht das über `timeout`?", False),
    ("如何配置超时", False), ("как настроить timeout?", False), ("配置 timeout 的方法是什么呢在这里", False),
])  # fmt: skip
def test_nothing_is_added_for_a_question_in_another_language(question: str, *, is_known: bool) -> None:
    assert bool(leanings(question, base(EMBEDDED), None)) is is_known


def test_what_is_learned_says_nothing_against_commits_that_are_asked_for_by_name() -> None:
    against = {Group.COMMITS: -1.0}
    for question in ("which commit gave the reader an answer", "The commit that made retries slow"):
        assert asked_for(question, EVEN, leaning=against) == asked_for(question, EVEN)
        assert asked_for(question, EVEN, leaning={Group.COMMITS: 1.0}) != asked_for(question, EVEN)
    assert asked_for("get the branch and commit", EVEN, leaning=against) != asked_for("get the branch and commit", EVEN)
