"""Artifact formats: what is written comes back, and other tools can read it."""

import json
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal
from safetensors.numpy import load, save

from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.relations import Relations, relate, related_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pipeline.formats import (
    MOST_PAIRS_BYTES,
    RelationsFile,
    decode_embeddings,
    decode_items,
    decode_relations,
    encode_embeddings,
    encode_items,
    encode_pairs,
    encode_relations,
)
from patina_assets.search.files.search_file import SearchFile, encode_search
from patina_assets.search.fusion import identity

ODD_TEXT = "line\nbreaks\r\n\u2028 and \x00 \x85 \"quotes\" 'and' \\ é 日本 \U0001f600"
ITEMS = [
    Item("decision", ODD_TEXT, session="2025-01-01"),
    Item("file", "File: a.py (Python source)", file="a.py", commit="c0ffee"),
    Item("function", "", file="./b.py"),
]
FACTS = {"model": "corpus-static", "model_digest": "5e" * 32}


def some_relations() -> Relations:
    members = [tuple(Item("note", letter) for letter in word) for word in ("abc", "cd", "ef", "ag")]
    return relate(list("abcdefg"), [Context(each, Split(place % 3)) for place, each in enumerate(members)])


def test_items_come_back_in_order() -> None:
    content = encode_items(ITEMS)
    assert decode_items(content) == ITEMS
    assert content.count(b"\n") == len(ITEMS)
    assert [json.loads(line)["kind"] for line in content.decode().split("\n")[:-1]] == ["decision", "file", "function"]
    assert decode_items(encode_items([])) == []


def test_what_a_plugin_gives_instead_of_a_text_is_written_as_json() -> None:
    odd = Item("note", "text", session=7, line=True)  # type: ignore[arg-type]
    assert decode_items(encode_items([odd])) == [odd]
    assert json.loads(encode_items([odd])) == {
        "kind": "note", "text": "text", "file": None, "session": 7, "commit": None, "line": True}  # fmt: skip


PLACED = [
    Item("decision", "Use one queue", file="docs/adr/0001.md", session="0001", line=12),
    Item("decision", "Use threads", file="docs/adr/0000.md", session="0000", line=5, state="superseded"),
    Item("file", "File: gone.py", file="gone.py", state="removed"),
]


def test_a_line_and_a_state_come_back() -> None:
    assert decode_items(encode_items(PLACED)) == PLACED
    file = SearchFile(encode_search([*PLACED, *ITEMS], FACTS, None), "base.search.db")
    assert file.items() == [*PLACED, *ITEMS]
    assert [file.item(key) for key in (2, 0, 5, 1)] == [PLACED[2], PLACED[0], ITEMS[2], PLACED[1]]


def test_files_of_items_without_line_or_state_are_those_of_older_builds() -> None:
    assert encode_items([Item("file", "File: a.py", file="a.py")]) == (
        b'{"kind": "file", "text": "File: a.py", "file": "a.py", "session": null, "commit": null}\n'
    )
    connection = sqlite3.connect(":memory:")
    connection.deserialize(encode_search(ITEMS, FACTS, b"w"))
    assert connection.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall() == [
        ("fact",), ("item",), ("sqlite_autoindex_fact_1",), ("sqlite_autoindex_weights_1",), ("weights",),
    ]  # fmt: skip
    connection.close()


def test_lines_and_vectors_have_the_bytes_of_the_libraries_that_define_them() -> None:
    for item in [*ITEMS, *PLACED]:
        fields = {name: getattr(item, name) for name in ("kind", "text", "file", "session", "commit")}
        further = {name: value for name in ("line", "state") if (value := getattr(item, name)) is not None}
        assert encode_items([item]).decode() == json.dumps({**fields, **further}) + "\n"
    triplet = {"anchor": ODD_TEXT, "positive": "\ud800", "negative": ""}
    lines = encode_pairs(list(triplet.values()), np.array([[0, 1, 2]], np.int32))
    assert lines.decode() == json.dumps(triplet) + "\n"
    for shape in ((0, 3), (1, 1), (5, 3), (1000, 64)):
        vectors = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        assert encode_embeddings(vectors) == save({"vectors": vectors})


def test_pairs_are_lines_of_anchor_positive_and_negative() -> None:
    content = encode_pairs(["a", ODD_TEXT, "c"], np.array([[0, 1, 2], [2, 0, 1]], np.int32))
    assert [json.loads(line) for line in content.decode().split("\n")[:-1]] == [
        {"anchor": "a", "positive": ODD_TEXT, "negative": "c"},
        {"anchor": "c", "positive": "a", "negative": ODD_TEXT},
    ]
    assert encode_pairs(["a"], np.zeros((0, 3), np.int32)) == b""


def test_pairs_of_long_texts_take_no_more_room_than_they_may() -> None:
    texts = ["a" * 20_000, "b" * 20_000, "c" * 20_000]  # a note may be so long, and a hundred of them have 10,000 pairs
    content = encode_pairs(texts, np.array([[0, 1, 2]] * 2_000, np.int32))
    assert MOST_PAIRS_BYTES - 70_000 < len(content) <= MOST_PAIRS_BYTES
    assert {tuple(json.loads(line).values()) for line in content.splitlines()} == {tuple(texts)}


def test_relations_come_back() -> None:
    relations = some_relations()
    triplets = sample_triplets(relations, related_texts(relations), 50, 0)
    file = RelationsFile(relations, triplets, triplets[triplets[:, 0] < 3])
    content = encode_relations(file)
    back = decode_relations(content)
    assert back.relations.texts == 7
    for name in ("offsets", "members", "split"):
        written, read = getattr(relations, name), getattr(back.relations, name)
        assert np.array_equal(written, read)
        assert written.dtype == read.dtype
    assert np.array_equal(back.triplets, triplets)
    assert np.array_equal(back.training_triplets, file.training_triplets)
    assert encode_relations(back) == content


def test_relations_of_nothing_come_back() -> None:
    nothing = np.zeros((0, 3), np.int32)
    back = decode_relations(encode_relations(RelationsFile(relate([], []), nothing, nothing)))
    assert back.relations.texts == 0
    assert back.triplets.shape == back.training_triplets.shape == (0, 3)
    assert back.relations.only(Split.TRAIN).member_rows().tolist() == []


def test_embeddings_come_back() -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    content = encode_embeddings(vectors)
    assert np.array_equal(decode_embeddings(content), vectors)
    assert encode_embeddings(np.asfortranarray(vectors)) == content
    assert np.array_equal(load(content)["vectors"], vectors)
    assert decode_embeddings(encode_embeddings(np.zeros((0, 3), np.float32))).shape == (0, 3)


def test_a_search_file_answers_by_key() -> None:
    file = SearchFile(encode_search(ITEMS, FACTS, b"\x00weights"), "temporal.search.db")
    assert [file.item(key) for key in (2, 0, 1)] == [ITEMS[2], ITEMS[0], ITEMS[1]]
    assert file.items() == ITEMS
    assert [file.identity(key) for key in (2, 0, 2)] == [identity(ITEMS[key]) for key in (2, 0, 2)]
    assert file.facts == FACTS
    assert file.weights == b"\x00weights"
    for key in (-1, 3):
        with pytest.raises(KeyError):
            file.item(key)
        with pytest.raises(KeyError):
            file.identity(key)


def test_raw_embeddings_have_no_weights() -> None:
    assert SearchFile(encode_search([], {}, None), "base.search.db").weights is None


def test_a_search_file_is_an_sqlite_file(tmp_path: Path) -> None:
    path = tmp_path / "temporal.search.db"
    path.write_bytes(encode_search(ITEMS, FACTS, None))
    connection = sqlite3.connect(path)
    assert connection.execute('SELECT key, "commit" FROM item WHERE kind = ?', ("file",)).fetchall() == [(1, "c0ffee")]
    connection.close()


def test_equal_input_gives_equal_bytes() -> None:
    shuffled = dict(reversed(FACTS.items()))
    assert encode_search(ITEMS, FACTS, b"weights") == encode_search(ITEMS, shuffled, b"weights")
    assert encode_search(ITEMS, FACTS, b"weights") != encode_search(ITEMS[::-1], FACTS, b"weights")


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _without(table: str, content: bytes) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(content)
    connection.execute(f"DROP TABLE {table}")
    changed = connection.serialize()
    connection.close()
    return changed


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"text" * 2000,
        lambda content: content[100:],
        _truncated,
        partial(_without, "fact"),
        partial(_without, "weights"),
    ],
    ids=["empty", "text", "no header", "truncated", "no facts", "no weights"],
)
def test_what_is_no_search_file_is_refused(damage: Callable[[bytes], bytes]) -> None:
    content = damage(encode_search(ITEMS, FACTS, b"w" * 50_000))
    sentence = refusal(lambda: SearchFile(content, "temporal.search.db"))
    assert sentence.startswith("temporal.search.db: not a search file (")
    assert sentence.endswith("run `patina oxidize --full`")
