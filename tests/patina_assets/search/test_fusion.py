"""Which items are one thing in a list of results, and the first k of them."""

from dataclasses import replace

import pytest

from patina_assets.pairs.code_text import told_name
from patina_assets.pairs.items import Item
from patina_assets.search.fusion import KINDS_NOT_ASKED_FOR, Place, distinct, identity

NOTE = Item("decision", "text", file="a.md", session="s", commit="c", line=3)


@pytest.mark.parametrize(
    ("values", "is_same"),
    [
        ({"text": "other words"}, False),
        ({"line": 9}, True),
        ({"state": "superseded"}, True),
        ({"kind": "goal"}, False),
        ({"file": "b.md"}, False),
        ({"file": None}, False),
        ({"session": "t"}, False),
        ({"session": None}, False),
        ({"commit": "d"}, False),
        ({"commit": None}, False),
    ],
)
def test_a_note_is_its_kind_place_and_text(values: dict[str, object], is_same: bool) -> None:
    assert (identity(replace(NOTE, **values)) == identity(NOTE)) == is_same  # type: ignore[arg-type]


def test_a_file_is_its_path_and_a_commit_its_sha() -> None:
    file, commit = Item("file", "one", file="a.py"), Item("commit", "one", file="a.py", commit="c")
    assert identity(file) == identity(replace(file, text="two")) != identity(replace(file, file="b.py"))
    assert identity(commit) == identity(replace(commit, text="two")) != identity(replace(commit, commit="d"))
    assert len({identity(file), identity(commit), identity(replace(file, file=None))}) == 3
    assert identity(replace(file, file=None)) == ("file", "")
    assert identity(replace(commit, commit=None)) == ("commit", "")


def test_a_function_is_its_name_in_its_file() -> None:
    function = Item("function", "Function: read(path) in src/a.py", file="src/a.py")
    assert identity(function) == identity(replace(function, text="Function: read(path, strict) in a.py", line=9))
    assert identity(function) != identity(replace(function, text="Function: write(path) in src/a.py"))
    assert identity(function) != identity(replace(function, file="src/b.py"))
    assert identity(function) != identity(replace(function, kind="type"))
    assert identity(replace(function, file=None)) == ("function", "", "read")
    made = Item("type", "Class: Reader in src/a.py", file="src/a.py")
    assert identity(made) == identity(replace(made, line=9)) == ("type", "src/a.py", told_name(made.text))


def test_a_list_has_each_thing_once_at_its_best_rank() -> None:
    things = {1: ("file", "a"), 2: ("state", "s"), 3: ("file", "a"), 4: ("file", "b"), 5: ("file", "c")}
    found = distinct([(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6), (5, 0.5)], things.__getitem__, 2, KINDS_NOT_ASKED_FOR)
    assert (len(found), found.keys, found.scores) == (2, [1, 4], [0.9, 0.6])
    assert [(found.key(thing), found.place(thing)) for thing in (("file", "a"), ("file", "b"))] == [
        (1, Place(1, 0.9)),
        (4, Place(2, 0.6)),
    ]
    assert distinct([(1, 0.9)], things.__getitem__, 0).keys == []
