"""The weights that a question's words get are those that put its answer first."""

import numpy as np
from fit_question_model import GROUPS, Example, components, features, fitted, rank

from patina_assets.passages.passage import Group

SHARES = np.array([1.0, 0.4])


def asked(text: str, right: Group) -> Example:
    shares = {group: (SHARES, 2 if group is right else None) for group in (Group.CODE, Group.COMMITS)}
    return Example({"question": text}, np.zeros(0), {Group.CODE: 0.0, Group.COMMITS: -0.5}, shares)


def test_a_word_that_commits_answer_is_learned() -> None:
    examples = [asked("it was slow", Group.COMMITS), asked("it is slow", Group.CODE)] * 20
    names = ["was", "is"]
    found = features(examples, names, *components(examples))
    assert found.tolist()[:2] == [[1, 0], [0, 1]]
    weights = fitted(examples, found)
    column = GROUPS.index(Group.COMMITS)
    assert weights[0, column] > 0.5 > 0 > weights[1, column]
    assert rank(examples[0], {}) == 4
    assert rank(examples[0], dict(zip(GROUPS, found[0] @ weights, strict=True))) == 2
    assert rank(examples[1], dict(zip(GROUPS, found[1] @ weights, strict=True))) == 2


def test_nothing_counts_against_commits_that_are_asked_for_by_name() -> None:
    shares = {Group.CODE: (SHARES, None), Group.COMMITS: (SHARES, 1)}
    offsets = {Group.CODE: -0.5, Group.COMMITS: 0.0}
    by_name, other = (
        Example({"question": text}, np.zeros(0), offsets, shares)
        for text in ("which commit made it slow", "it was slow")
    )
    assert rank(by_name, {}) == rank(other, {}) == 1
    against = {Group.COMMITS: -3.0}
    assert (rank(by_name, against), rank(other, against)) == (1, 3)
