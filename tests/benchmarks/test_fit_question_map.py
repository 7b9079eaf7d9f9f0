"""The map of questions that is learned puts answers first, also of questions that it has not seen."""

import json

import numpy as np
import pytest
from fit_question_map import (
    FOLDS,
    HELD_BACK,
    TRAINING,
    Repository,
    answering,
    fitted,
    folds,
    packed,
    ranks,
    taught,
    unit,
)

from patina_assets.passages.passage import Group
from patina_assets.search.asking.question_map import maps_from

DIMS = 8


def repository(seed: int) -> Repository:
    """Return 40 passages, and a question to each: its vector with an offset that all questions share."""
    random = np.random.default_rng(seed)
    vectors = unit(random.standard_normal((40, DIMS)).astype(np.float32))
    shared = np.eye(1, DIMS, dtype=np.float32) * 1.5
    own = Repository(str(seed), vectors, [(f"{row}.py", "") for row in range(40)], np.ones(40, bool))
    own.questions = unit(vectors + shared)
    own.answers = [np.asarray([row]) for row in range(40)]
    own.asked = [{"style": "plain"}] * 40
    own.counts = np.ones(40, np.float32)
    return own


def test_what_questions_share_is_taken_from_them() -> None:
    other = repository(9)
    learned = fitted([repository(seed) for seed in range(6)], 0.01)
    before, after = ([1 / rank for _, rank in ranks(other, own)] for own in (None, learned))
    assert np.mean(after) > np.mean(before) + 0.05
    (read,) = maps_from(packed({Group.CODE: learned})).values()
    assert read.weights == pytest.approx(learned.weights, abs=0.01)
    assert read.offset == pytest.approx(learned.offset, abs=0.01)


def test_a_group_begins_with_what_code_taught() -> None:
    few = {Group.DOCS: [repository(0)], Group.COMMITS: [repository(1)]}
    repositories = {Group.CODE: [repository(seed) for seed in range(6)]} | few
    maps = taught(repositories)
    assert maps[Group.CODE].offset[0] < -0.02
    for group in HELD_BACK:
        assert maps[group].offset[0] == pytest.approx(maps[Group.CODE].offset[0], rel=0.5)
    others = taught(repositories, ["5"])
    assert others[Group.CODE].weights.tolist() != maps[Group.CODE].weights.tolist()
    parts = folds(repositories)
    assert sorted(name for part in parts for name in part) == sorted(str(seed) for seed in range(6))
    assert len(parts) == FOLDS


def test_answers_are_files_definitions_and_commits() -> None:
    names = [("a.py", "A.read"), ("a.py", ""), ("a.py", "B.read"), ("0123456789ab", "")]
    own = Repository("r", np.zeros((4, DIMS), np.float32), names, np.ones(4, bool))
    asked = {
        "a.py::read": "function",
        "a.py::B.read": "function",
        "a.py": "file",
        "012345": "commit",
        "0123": "function",
    }
    found = [answering(own, {"kind": kind, "answers": [answer]}).tolist() for answer, kind in asked.items()]
    assert found == [[0, 2], [2], [0, 1, 2], [3], []]


def test_questions_for_training_name_what_answers_them() -> None:
    for line in TRAINING.read_text("utf-8").splitlines():
        entry = json.loads(line)
        assert set(entry) == {"repo", "kind", "answers", "question"}
        assert entry["question"].strip()
        assert all(("::" in answer) == (entry["kind"] == "function") for answer in entry["answers"])
