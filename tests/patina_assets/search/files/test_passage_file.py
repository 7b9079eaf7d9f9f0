"""The file of passages: words, filters and what comes back."""

import gc
import sqlite3

import pytest
from refusals import refusal
from searched_project import without_module

from patina_assets.passages.encoding import decode_passages, encode_passages_lines
from patina_assets.passages.passage import Group, Passage
from patina_assets.passages.roles import Role
from patina_assets.search import question_lists
from patina_assets.search.asking.filters import Filters
from patina_assets.search.files import word_file
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.files.passage_tables import encode_passages
from patina_assets.search.question_lists import near_lists, word_lists
from patina_assets.search.ranking import COSINE_POWER, WORD_WEIGHTS


def passage(text: str, **fields: object) -> Passage:
    return Passage("decision", text, body=text, **fields)  # type: ignore[arg-type]


def passage_file(*texts: str) -> bytes:
    return encode_passages([passage(text, session=f"s{row}") for row, text in enumerate(texts)], {})


def keys(file: PassageFile, expression: str, k: int = 10) -> list[int]:
    found = file.words(expression, Group.NOTES, WORD_WEIGHTS[Group.NOTES], k)
    assert found is not None
    assert [entry.score for entry in found] == sorted((entry.score for entry in found), reverse=True)
    return [entry.key for entry in found]


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    file = PassageFile(passage_file("the cache grows", "the cache shrinks", "the cache is purged nightly"), "x")
    assert keys(file, '"cache" OR "purged"')[0] == 2
    assert keys(file, '"purges"') == [2]
    assert keys(file, '"absent"') == []
    assert len(keys(file, '"cache"', 2)) == 2
    assert (file.frequency("cache"), file.frequency("purged"), file.frequency("absent")) == (3, 1, 0)
    assert file.holding("cached", {Group.NOTES: [1, 2]}) == {1, 2}


def test_a_word_of_nearly_every_passage_is_not_looked_for() -> None:
    file = PassageFile(passage_file(*(f"cache {number}" for number in range(9)), "cache purged"), "x")
    found = word_lists(file, "cache purged", 10, Filters())
    assert found is not None
    assert [entry.key for entry in found[Group.NOTES]] == [9]
    common = word_lists(file, "cache", 10, Filters())
    assert common is not None
    assert len(common[Group.NOTES]) == 10


@pytest.mark.parametrize(
    ("most", "found"),
    [
        (5, {0, 1, 2, 3, 4}),  # rare 1, some 4
        (4, {0}),
        (0, {0}),  # the rarest word is always looked for
    ],
)
def test_the_rarest_words_are_looked_for(monkeypatch: pytest.MonkeyPatch, most: int, found: set[int]) -> None:
    file = PassageFile(passage_file("rare", *["some"] * 4, *["filler"] * 45), "name")
    monkeypatch.setattr(question_lists, "MOST_HOLDERS", most)
    lists = word_lists(file, "some rare", 10, Filters())
    assert lists is not None
    assert {entry.key for entry in lists[Group.NOTES]} == found


@pytest.mark.parametrize("most", [0, 1, 9])
def test_who_holds_a_word_is_told_however_it_is_looked_for(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(word_file, "READ_WHOLE", most)
    file = PassageFile(passage_file("the cache grows", "caches", "words"), "x")
    assert file.holding("cache", {Group.NOTES: [2, 1]}) == {1}
    assert file.holding("absent", {Group.NOTES: [0, 1, 2]}) == set()


def test_the_garbage_collector_does_not_follow_places_that_are_kept() -> None:
    file = PassageFile(encode_passages(COMMITTED, {}), "x")
    found = file.found(dict.fromkeys(range(4), 0.5))
    assert sum(map(len, found.values())) == len(file._places) == 4
    gc.collect()
    assert not any(map(gc.is_tracked, file._places.values()))


def test_the_nearest_passage_of_a_group_is_told_after_what_stands_lower() -> None:
    passages = [
        Passage("function", name, name, "", "words", path=path, line=1)
        for name, path in (("a", "tests/test_a.py"), ("b", "tests/test_b.py"), ("c", "src/c.py"), ("d", "src/d.py"))
    ]
    file = PassageFile(encode_passages([*passages, passage("a note", session="s")], {}), "x")
    own = {0: 0.9, 1: 0.88, 4: 0.7, 2: 0.65, 3: 0.6}
    near, nearest = near_lists(file, own, {Group.CODE: {3: 0.5, 4: 0.4, 0: 0.3}}, Filters())
    assert nearest == {Group.CODE: 0.65}
    assert {group: [(entry.key, entry.score) for entry in found] for group, found in near.items()} == {
        Group.CODE: [(3, 0.5), (0, 0.3)],
        Group.NOTES: [(4, 0.7)],
    }
    _, nearest = near_lists(file, {0: 0.9, 1: 0.88}, {Group.CODE: {}}, Filters())
    assert nearest == {Group.CODE: 0.9 * 0.5**COSINE_POWER}


def test_equal_passages_give_equal_bytes() -> None:
    assert passage_file("read_recipe", "b") == passage_file("read_recipe", "b")


def test_without_the_module_the_rest_of_the_file_still_answers() -> None:
    file = PassageFile(without_module(passage_file("cache")), "base.search.db")
    assert file.words('"cache"', Group.NOTES, (1, 1, 1, 1), 3) is None
    assert file.passage(0) == passage("cache", session="s0")


def test_a_role_that_a_newer_version_has_written_counts_as_source() -> None:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(passage_file("cache"))
    connection.execute("UPDATE passage SET role = 'newer'")
    connection.commit()
    found = PassageFile(connection.serialize(), "x").words('"cache"', Group.NOTES, WORD_WEIGHTS[Group.NOTES], 3)
    connection.close()
    assert found is not None
    assert [entry.role for entry in found] == [Role.SOURCE]


def test_a_passage_comes_back_as_it_was() -> None:
    whole = Passage(
        "function", "a.py f", "A.f", "f(x)", "def f(x): ...", "src/a.py", 3, 9, None, None, "removed",
        "2026-01-01T00:00:00+00:00", "Ada", ("x", "y"),
    )  # fmt: skip
    file = PassageFile(encode_passages([whole], {"model": "m"}), "x")
    assert file.passage(0) == whole
    assert file.facts == {"model": "m"}
    assert list(decode_passages(encode_passages_lines([whole]))) == [whole]


COMMITTED = [
    Passage("commit", "old", "old", "", "words", commit="a", time="2020-01-01T00:00:00+00:00", author="Ada",
            paths=("src/x.rs",)),
    Passage("commit", "new", "new", "", "words", commit="b", time="2026-01-01T00:00:00+00:00", author="Bob"),
    Passage("function", "f", "f", "", "words", path="src/x.rs", line=1),
    Passage("function", "g", "g", "", "words", path="lib/y.py", line=1),
]  # fmt: skip


@pytest.mark.parametrize("change", ["ALTER TABLE content DROP COLUMN author", "DROP TABLE passage"])
def test_passages_of_another_version_are_one_sentence(change: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(encode_passages(COMMITTED, {}))
    connection.execute(change)
    connection.commit()
    said = refusal(lambda: PassageFile(connection.serialize(), "base.search.db"))
    assert said == "base.search.db: is of an older build: run `patina oxidize`"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), {0, 1, 2, 3}),
        (Filters(path="src/*"), {0, 2}),
        (Filters(suffixes=(".py",)), {3}),
        (Filters(since="2025-01-01T00:00:00+00:00"), {1}),
        (Filters(author="ad"), {0}),
        (Filters(path="'; DROP TABLE item; --"), set()),
    ],
)
def test_filters_limit_words_and_vectors(filters: Filters, expected: set[int]) -> None:
    file = PassageFile(encode_passages(COMMITTED, {}), "x")
    words = [entry.key for group in Group for entry in file.words('"words"', group, (1, 1, 1, 1), 9, filters) or []]
    near = file.found(dict.fromkeys(range(4), 0.5), filters)
    assert set(words) == {entry.key for found in near.values() for entry in found} == expected


def test_a_name_that_is_spelt_out_is_found() -> None:
    file = PassageFile(encode_passages(COMMITTED, {}), "x")
    assert {entry.key for entry in file.named(["F"], 9)[Group.CODE]} == {2}
    assert {entry.key for entry in file.named(["lib/y.py"], 9)[Group.CODE]} == {3}
    assert file.named(["nothing"], 9) == {}


CALLED = [
    Passage("function", "a", symbol, "", "words", path=f"src/{number}.rb", line=1)
    for number, symbol in enumerate(
        ["Puma.DSL.fork_worker", "before_fork_worker", "fork_worker", "cluster::fork_worker", "Puma.DSL.fork"]
    )
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fork_worker", [2, 0, 3]),
        ("Fork_Worker", [2, 0, 3]),
        ("DSL.fork_worker", [0]),
        ("Puma.DSL.fork_worker", [0]),
        ("cluster::fork_worker", [3]),
        ("fork", []),
        ("fork_", []),
        ('fork_worker" OR "words', []),
        ("_._", []),
    ],
)
def test_a_name_with_parts_is_found_as_the_end_of_a_longer_one(name: str, expected: list[int]) -> None:
    file = PassageFile(encode_passages(CALLED, {}), "x")
    assert [entry.key for entry in file.named([name], 9).get(Group.CODE, [])] == expected


def test_names_are_found_as_a_whole_where_sqlite_has_no_index_of_words() -> None:
    file = PassageFile(without_module(encode_passages(CALLED, {})), "x")
    assert [entry.key for entry in file.named(["fork_worker"], 9)[Group.CODE]] == [2]
