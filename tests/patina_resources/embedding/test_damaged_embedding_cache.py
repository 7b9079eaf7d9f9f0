"""Damage, full disks and other processes: no wrong vector comes out of the cache."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from counting_embedder import DIMS, KEYS, TEXTS, VECTORS, CountingEmbedder, embed
from refusals import refusal
from root import ROOT

from patina_resources.embedding.cache import (
    EmbeddingCache,
    text_digest,
)
from patina_resources.errors import PatinaError


def damage_row(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE vector SET vector = ? WHERE text = ?", VECTORS[7, :-1].tobytes()),
        ("UPDATE vector SET vector = ? WHERE text = ?", b""),
        ("UPDATE vector SET vector = ? WHERE text = ?", VECTORS[8].tobytes()),
        (
            "UPDATE vector SET (vector, check_value) = (SELECT vector, check_value FROM vector WHERE text = ?)"
            " WHERE text = ?",
            text_digest("passage: " + TEXTS[8]),
        ),
        ("UPDATE vector SET vector = ? WHERE text = ?", "not bytes"),
        ("UPDATE vector SET vector = CAST(? AS TEXT) WHERE text = ?", b"\xff" * 4 * DIMS),
        ("UPDATE vector SET vector = ? WHERE text = ?", 7),
        ("UPDATE vector SET check_value = ? WHERE text = ?", "0"),
        ("UPDATE vector SET check_value = check_value + ? WHERE text = ?", 1),
    ],
    ids=["short", "empty", "another text's", "another row", "text", "not UTF-8", "number", "text check", "wrong check"],
)
def test_a_damaged_row_is_embedded_again(statement: str, value: object, path: Path) -> None:
    embed(path, CountingEmbedder(), TEXTS)
    damage_row(path, statement, value, text_digest("passage: " + TEXTS[7]))
    embedder = CountingEmbedder()
    result = embed(path, embedder, TEXTS)
    assert embedder.asked == [[TEXTS[7]]]
    assert (result.new, result.reused) == (1, len(TEXTS) - 1)
    np.testing.assert_array_equal(result.vectors, VECTORS)
    assert embed(path, CountingEmbedder(), TEXTS).new == 0


def test_a_flipped_byte_of_a_vector_in_the_file_is_found(filled: Path) -> None:
    content = bytearray(filled.read_bytes())
    content[content.index(VECTORS[20].tobytes()) + 9] ^= 0x10
    filled.write_bytes(content)
    with EmbeddingCache(filled) as cache:
        vectors, found = cache.get_many("model", KEYS, DIMS)
    assert np.flatnonzero(~found).tolist() == [20]
    np.testing.assert_array_equal(vectors[found], VECTORS[found])


def test_no_damage_gives_a_wrong_vector(filled: Path) -> None:
    content = filled.read_bytes()
    rng = np.random.default_rng(0)
    refused = missed = 0
    for place in rng.integers(0, len(content), 150).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        filled.write_bytes(flipped)
        try:
            with EmbeddingCache(filled) as cache:
                vectors, found = cache.get_many("model", KEYS, DIMS)
        except PatinaError:
            refused += 1
            continue
        missed += int(not found.all())
        np.testing.assert_array_equal(vectors[found], VECTORS[found])
    assert refused > 0
    assert missed > 0


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def other_database(path: Path) -> None:
    path.unlink()
    damage_row(path, "CREATE TABLE vector (something TEXT)")


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        other_database,
        lambda path: path.write_bytes(b"a text file, not a database " * 400),
        lambda path: damage_row(path, "PRAGMA user_version = 7"),
    ],
    ids=["truncated", "other tables", "text", "another format"],
)
def test_a_damaged_file_is_named_and_may_be_deleted(damage: Callable[[Path], None], filled: Path) -> None:
    damage(filled)
    sentence = refusal(lambda: embed(filled, CountingEmbedder(), TEXTS))
    assert sentence.startswith(f"{filled}: the embedding cache is damaged")
    assert "delete it and run `patina oxidize` again" in sentence
    filled.unlink()
    assert embed(filled, CountingEmbedder(), TEXTS).new == len(TEXTS)


def test_a_place_that_cannot_be_written_is_no_reason_to_delete(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    sentence = refusal(lambda: EmbeddingCache(tmp_path / "file" / "cache.db"))
    assert "cannot be written" in sentence
    assert "delete" not in sentence


def test_a_full_disk_adds_nothing_and_the_cache_goes_on(filled: Path) -> None:
    keys = [text_digest(f"new {number}") for number in range(2000)]
    with EmbeddingCache(filled) as cache:
        (pages,) = cache._connection.execute("PRAGMA page_count").fetchone()
        cache._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        sentence = refusal(lambda: cache.put_many("model", keys, np.ones((2000, DIMS), np.float32)))
        assert "full" in sentence
        assert "delete" not in sentence
        assert not cache.get_many("model", keys, DIMS)[1].any()
        cache.put_many("model", keys[:1], VECTORS[:1])
    with EmbeddingCache(filled) as cache:
        assert cache.get_many("model", [keys[0], *KEYS], DIMS)[1].all()


def test_a_writer_that_never_ends_is_said_to_be_one(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patina_resources.embedding.cache.BUSY_TIMEOUT_SECONDS", 0.05)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with EmbeddingCache(filled) as cache:
        assert cache.get_many("model", KEYS, DIMS)[1].all()
        assert "busy" in refusal(lambda: cache.put_many("model", KEYS, VECTORS))
        other.execute("COMMIT")
        cache.put_many("model", KEYS, VECTORS)
    other.close()


WRITER = """
import sys
from pathlib import Path
import numpy as np
from patina_resources.embedding.cache import EmbeddingCache, text_digest
path, writer = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with EmbeddingCache(path) as cache:
    for chunk in range(15):
        keys = [text_digest(f"{writer % 2} {chunk} {row}") for row in range(20)]
        vectors = np.full((20, 8), chunk, np.float32)
        cache.put_many("model", keys, vectors)
        read, found = cache.get_many("model", keys, 8)
        assert found.all() and (read == vectors).all()
"""


def test_processes_write_and_read_one_new_file_at_once(path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    results = []
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        results.append((writer.returncode, errors))
    assert results == [(0, "")] * 4
    keys = [text_digest(f"{half} {chunk} {row}") for half in range(2) for chunk in range(15) for row in range(20)]
    with EmbeddingCache(path) as cache:
        assert cache.get_many("model", keys, 8)[1].all()
