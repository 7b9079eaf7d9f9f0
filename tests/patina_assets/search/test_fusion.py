"""Which items are one thing in a list of results, and the first k of them."""

from dataclasses import replace

import pytest

from patina_assets.pairs.items import Item
from patina_assets.search.fusion import Place, distinct, identity

NOTE = Item("decision", "text", file="a.md", session="s", commit="c", seq=7, line=3)


@pytest.mark.parametrize(
    ("values", "is_same"),
    [
        ({"text": "other words"}, True),
        ({"line": 9}, True),
        ({"state": "superseded"}, True),
        ({"kind": "goal"}, False),
        ({"file": "b.md"}, False),
        ({"file": None}, False),
        ({"session": "t"}, False),
        ({"session": None}, False),
        ({"commit": "d"}, False),
        ({"commit": None}, False),
        ({"seq": 8}, False),
    ],
)
def test_one_event_tells_of_one_thing(values: dict[str, object], is_same: bool) -> None:
    assert (identity(replace(NOTE, **values)) == identity(NOTE)) == is_same  # type: ignore[arg-type]


def test_a_file_is_its_path_and_a_commit_its_sha() -> None:
    file, commit = Item("file", "one", file="a.py", seq=1), Item("commit", "one", file="a.py", commit="c", seq=1)
    assert identity(file) == identity(replace(file, text="two", seq=2)) != identity(replace(file, file="b.py"))
    assert identity(commit) == identity(replace(commit, text="two", seq=2)) != identity(replace(commit, commit="d"))
    assert len({identity(file), identity(commit), identity(replace(file, file=None))}) == 3


def test_without_an_event_words_tell_things_apart() -> None:
    plain = replace(NOTE, seq=0)
    assert identity(plain) == identity(replace(plain))
    assert identity(plain) != identity(replace(plain, text="other words"))


def test_a_list_has_each_thing_once_at_its_best_rank() -> None:
    things = {1: ("file", "a"), 2: ("state", "s"), 3: ("file", "a"), 4: ("file", "b"), 5: ("file", "c")}
    found = distinct([(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6), (5, 0.5)], things.__getitem__, 2, {"state"})
    assert (len(found), found.keys, found.scores) == (2, [1, 4], [0.9, 0.6])
    assert [(found.key(thing), found.place(thing)) for thing in (("file", "a"), ("file", "b"))] == [
        (1, Place(1, 0.9)),
        (4, Place(2, 0.6)),
    ]
    assert distinct([(1, 0.9)], things.__getitem__, 0).keys == []
