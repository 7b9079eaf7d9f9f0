"""A question in another language than English is not weighed by what was learned of English little words."""

import pytest

from patina_assets.passages.passage import Group
from patina_assets.search.asking.language import ENGLISH, is_english, language_of
from patina_assets.search.lexical import telling_terms
from patina_assets.search.questions import Evidence, asked_for

EVEN = {group: Evidence(0.5, 0.5) for group in (Group.CODE, Group.DOCS, Group.COMMITS)}


@pytest.mark.parametrize(("question", "language"), [
    ("Wo wird entschieden, ob ein Job übersprungen wird?", "de"),
    ("Où décide-t-on si une tâche est ignorée ?", "fr"),
    ("¿Dónde se decide si un trabajo se salta?", "es"),
    ("Waar wordt bepaald of een taak overgeslagen wordt?", "nl"),
    ("Onde é decidido se uma tarefa é ignorada?", "pt"),
    ("Dove viene deciso se un lavoro viene saltato?", "it"),
    ("where is it decided whether a job is skipped?", ENGLISH),
    ("let the process die", ENGLISH),
    ("comment on URL normalization", ENGLISH),
    ("ES module wrapper", ENGLISH),
    ("redirects", ENGLISH),
    ("", ENGLISH),
])  # fmt: skip
def test_the_language_of_a_question_is_told_by_its_little_words(question: str, language: str) -> None:
    assert language_of(question) == language
    assert is_english(question) is (language == ENGLISH)


def test_little_words_of_the_questions_language_are_not_looked_for() -> None:
    assert telling_terms("Wo wird der Cache geleert?") == ["cache", "geleert"]
    assert telling_terms("where does it die") == ["die"]
    assert telling_terms("wo wird der") == ["wo", "wird", "der"]


def test_english_rules_say_nothing_of_another_language() -> None:
    neutral = asked_for("cache", EVEN)
    assert asked_for("Was passiert mit der Länge?", EVEN) == neutral
    assert asked_for("what was the length?", EVEN) != neutral
