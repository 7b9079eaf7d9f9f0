"""The file of passages: which passage an item means, and things by path, symbol, commit and session."""

import re

import pytest

from patina_assets.facts.known_things import KnownThings, first_line
from patina_assets.facts.things import Thing, find_thing
from patina_assets.facts.typed import typed
from patina_assets.pairs.code_text import function_text, told_name, type_text
from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Passage
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.files.passage_tables import encode_passages
from patina_assets.search.files.search_file import paths_like
from patina_resources.errors import PatinaError

PASSAGES = [
    Passage("commit", "Add", symbol="Add", commit="ab12" + "0" * 36),
    Passage("commit", "Drop", symbol="Drop", commit="ab13" + "0" * 36),
    Passage("decision", "Keep it", body="Keep it", session="2024-a"),
    Passage("goal", "Do it", body="Do it", session="2024-a"),
    Passage("decision", "Drop it", body="Drop it", session="2024"),
    Passage("comment", "me too", session="host/o/n#12"),
    Passage("issue", "Too slow", symbol="Too slow", session="host/o/n#12"),
    Passage("issue", "Slow", symbol="Slow", session="host/o/m#2"),
    Passage("pr", "Slow", symbol="Slow", session="host/o/n#2"),
    Passage("function", "first", symbol="first", body="first", path="a.py", line=1, end_line=40),
    Passage("function", "first", symbol="first", body="rest", path="a.py", line=35, end_line=60),
    Passage("function", "second", symbol="T.second", body="second", path="a.py", line=62, end_line=70),
]


@pytest.fixture(scope="module")
def file() -> PassageFile:
    return PassageFile(encode_passages(PASSAGES, {}), "test")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (function_text("T.second", "a (in b).py", "value: int", "str"), "T.second"),
        (function_text("operator", "a in.py"), "operator"),
        (type_text("const", "LIMIT", "src/a.rs"), "LIMIT"),
        ("no text of ours", ""),
        ("", ""),
    ],
)
def test_a_text_tells_its_name(text: str, name: str) -> None:
    assert told_name(text) == name


@pytest.mark.parametrize(
    ("lines", "begins"),
    [
        ([(1, 40), (35, 60)], 1),  # parts of a long one
        ([(4, 4), (5, 5), (9, 13)], 9),  # overloads, declared on lines one after the other
        ([(20, 22), (3, 3)], 20),
        ([(3, 4), (8, 9)], 3),
        ([(None, None)], None),
        ([], None),
    ],
)
def test_a_definition_begins_where_its_longest_one_does(
    lines: list[tuple[int | None, int | None]], begins: int | None
) -> None:
    assert first_line(lines) == begins


def test_an_item_of_an_edited_function_is_found_by_its_name(file: PassageFile) -> None:
    found = file.like(Item("function", function_text("T.second", "a.py"), file="a.py"), 0.5)
    assert found is not None
    assert file.passage(found[1].key).symbol == "T.second"


@pytest.mark.parametrize("text", ["Keep it", "Drop it"])
def test_an_item_of_a_note_is_found_by_its_text(file: PassageFile, text: str) -> None:
    session = {"Keep it": "2024-a", "Drop it": "2024"}[text]
    found = file.like(Item("decision", text, session=session), 0.5)
    assert found is not None
    assert file.passage(found[1].key).text == text


def test_things_are_found_by_their_names(file: PassageFile) -> None:
    known = KnownThings(file)
    assert known.of_path("a.py") == [
        (9, "function", "first", 1, 40), (10, "function", "first", 35, 60), (11, "function", "T.second", 62, 70),
    ]  # fmt: skip
    assert known.of_path("b.py") == []
    assert known.line_of("a.py", "first") == 1
    assert known.line_of("a.py", "third") is None
    assert {sha[:4]: keys for sha, keys in known.of_commit("ab1").items()} == {"ab12": [0], "ab13": [1]}
    assert list(known.of_commit("ab13").values()) == [[1]]
    assert known.of_commit("c") == {}
    assert known.of_session("2024-") == {"2024-a": [2, 3]}
    assert known.of_session("2024") == {"2024": [4]}
    assert known.of_session("20") == {"2024": [4], "2024-a": [2, 3]}
    assert known.symbols() == [("first", "function", "a.py", 1), ("T.second", "function", "a.py", 62)]
    assert known.paths == {"a.py"}


def test_paths_fit_a_glob_as_filters_have_it() -> None:
    paths = ["src/a.rs", "src/deep/b.rs", "a.rs", "[x].rs"]
    assert paths_like(paths, "src/*.rs") == {"src/a.rs", "src/deep/b.rs"}
    assert paths_like(paths, "?.rs") == {"a.rs"}
    assert paths_like(paths, "\udcff") == set()
    assert paths_like([], "*") == set()


def find(file: PassageFile, text: str) -> Thing:
    return find_thing(KnownThings(file), typed(text), lambda _: None, lambda _: None)


@pytest.mark.parametrize("text", ["#12", "issue #12", "host/o/n#12"])
def test_an_issue_is_found_by_its_number(file: PassageFile, text: str) -> None:
    thing = find(file, text)
    assert thing.name == "host/o/n#12"
    assert set(thing.keys) == {5, 6}


def test_what_is_said_about_an_issue_follows_it(file: PassageFile) -> None:
    assert find(file, "#12") == Thing("issue", "host/o/n#12", (6, 5))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("#1", "there is no issue or pull request #1 in the index"),
        ("!12", "there is no issue or pull request !12 in the index"),
        ("#2", "'#2' is the name of 2 things: host/o/m#2, host/o/n#2"),
    ],
)
def test_a_number_of_no_issue_or_of_several_is_said(file: PassageFile, text: str, sentence: str) -> None:
    with pytest.raises(PatinaError, match=re.escape(sentence)):
        find(file, text)


@pytest.mark.parametrize(("text", "name"), [("caf\udce9.py", "caf\\xe9.py"), ("é.py", "é.py"), (" \ud800 ", "\ud800")])
def test_a_path_that_is_no_utf_8_is_named_as_the_eventlog_names_it(text: str, name: str) -> None:
    assert typed(text).text == name
