"""Which items are one thing in a list of results, and the first k of them."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from patina_assets.pairs.code_text import told_name
from patina_assets.pairs.items import Item
from patina_assets.search.fusion import KINDS_NOT_ASKED_FOR, Place, Ranked, distinct, identity

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


A_FILE, A_COMMIT = Item("file", "File: a", file="a"), Item("commit", "Commit: one", commit="c1")
A_FUNCTION = Item("function", "Function: f() in src/a.py", file="src/a.py")
A_NOTE = Item("decision", "Use it", file="n.md", session="s1", commit="c1")


@pytest.mark.parametrize(
    ("item", "other", "expected"),
    [
        (A_FILE, replace(A_FILE, text="File: a, defines b"), True),
        (A_FILE, replace(A_FILE, file="b"), False),
        (A_COMMIT, replace(A_COMMIT, text="Commit: one, at length"), True),
        (A_COMMIT, replace(A_COMMIT, commit="c2"), False),
        (A_COMMIT, replace(A_COMMIT, kind="file", file="c1"), False),
        (A_NOTE, replace(A_NOTE, line=7), True),
        (A_FUNCTION, replace(A_FUNCTION, text="Function: f(x) -> int in a.py", line=7), True),
        (A_FUNCTION, replace(A_FUNCTION, text="Function: g() in a.py"), False),
        (A_FUNCTION, replace(A_FUNCTION, file="lib/a.py"), False),
        (A_FUNCTION, replace(A_FUNCTION, kind="type"), False),
        *((A_NOTE, replace(A_NOTE, **{key: value}), False) for key, value in
          (("kind", "goal"), ("file", "m.md"), ("session", "s2"), ("commit", "c2"))),
        (replace(A_NOTE), replace(A_NOTE), True),
        (replace(A_NOTE), replace(A_NOTE, text="Use another"), False),
    ],
)  # fmt: skip
def test_two_items_are_one_thing_or_two(item: Item, other: Item, expected: bool) -> None:
    assert (identity(item) == identity(other)) == expected


@pytest.mark.parametrize("item", [Item("file", "t"), Item("commit", "t"), Item("decision", "t"), Item("goal", "t")])
def test_an_item_without_file_session_or_commit_is_a_thing(item: Item) -> None:
    thing = identity(item)
    assert thing[0] == item.kind
    assert all(isinstance(part, str) for part in thing)


def test_a_list_names_each_thing_once() -> None:
    f, again, g, state = (
        Item("function", "Function: f()", file="a.py"),
        Item("function", "Function: f(x) in a.py", file="a.py"),
        Item("function", "Function: g()", file="a.py"),
        Item("state", "a.py b.py", commit="c0ffee"),
    )
    items = [(state, 0.9), (f, 0.8), (again, 0.7), (g, 0.6)]

    def listed(k: int, without: Collection[str] = ()) -> Ranked:
        found = enumerate(score for _, score in items)
        return distinct(found, lambda key: identity(items[key][0]), k, without)

    found = listed(3)
    assert (found.keys, found.scores) == ([0, 1, 3], [0.9, 0.8, 0.6])
    assert [found.place(identity(item)) for item in (state, again, g)] == [Place(1, 0.9), Place(2, 0.8), Place(3, 0.6)]
    assert found.key(identity(again)) == 1
    assert listed(2, {"state"}).keys == [1, 3]
    assert [listed(k).keys for k in (0, 1, 2)] == [[], [0], [0, 1]]
    assert len(found) == 3
