"""`commit_touches`: a commit and the files that it touched."""

from collections.abc import Mapping

import pytest
from commit_events import commits_of_the_history, named, negatives_of
from deriver import Derived, Deriver
from eventlog_builder import Event, commit, function

from patina_assets.pairs.code_text import file_text
from patina_assets.pairs.definitions import MOST_NAMES
from patina_assets.pairs.items import Item

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
        Item("commit", "Commit: feat: read rows", commit="c"),
        Item("file", file_text("src/a.py"), file="src/a.py"),
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
