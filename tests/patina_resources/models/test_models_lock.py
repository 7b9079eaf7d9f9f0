import multiprocessing
import random
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import refusal

from patina_resources.errors import PatinaError
from patina_resources.models.lock import LockRecord, read_lock, record_model

RECORD = LockRecord(
    downloaded="2026-01-02T03:04:05Z",
    source_model="hub/onnx/model.onnx",
    source_tokenizer="hub/tokenizer.json",
    sha256_model="a" * 64,
    sha256_tokenizer="b" * 64,
    size_bytes=123,
    dimensions=384,
    revision="c0ffee",
    precision="int8",
)
# As the tool that came before writes it: no revision, no precision.
OLDER = f"""# Patina Model Lock File

[e5-base-v2]
downloaded = "2025-12-16T19:30:00Z"
source_model = "there/model.onnx"
source_tokenizer = "there/tokenizer.json"
sha256_model = "{"c" * 64}"
sha256_tokenizer = "{"d" * 64}"
size_bytes = 110000000
dimensions = 768
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "models.lock"


def test_what_was_recorded_is_read_again(lock: Path) -> None:
    described = replace(RECORD, pooling="cls", max_tokens=8192, query_prefix="q: ", passage_prefix="")
    record_model(lock, "all-minilm-l6-v2", RECORD)
    record_model(lock, "bge-small-en-v1.5", described)
    assert read_lock(lock) == {"all-minilm-l6-v2": RECORD, "bge-small-en-v1.5": described}
    assert "\n[all-minilm-l6-v2]\n" in lock.read_text()


def test_no_file_is_no_records(lock: Path) -> None:
    assert read_lock(lock) == {}


def test_an_older_file_is_read_and_kept(lock: Path) -> None:
    lock.write_text(OLDER)
    record_model(lock, "mine", RECORD)
    records = read_lock(lock)
    assert records["e5-base-v2"].dimensions == 768
    assert records["e5-base-v2"].precision == ""
    assert records["mine"] == RECORD


@pytest.mark.parametrize("text", ['quote " and \\', "line\nbreak\ttab", "\x00\x1f\x7f", "é 漢 🙂", "\u2028"])
def test_any_text_survives(lock: Path, text: str) -> None:
    record_model(lock, "mine", replace(RECORD, source_model=text))
    assert read_lock(lock)["mine"].source_model == text


def test_a_path_that_is_not_unicode_does_not_break_the_file(lock: Path) -> None:
    record_model(lock, "mine", replace(RECORD, source_model="/home/\udcff/model"))
    assert read_lock(lock)["mine"].source_model == "/home/?/model"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ('sha256_model = "short"\n', "sha256_model"),
        ("size_bytes = 0\n", "size_bytes"),
        ('size_bytes = "123"\n', "size_bytes"),
        ("dimensions = true\n", "dimensions"),
        ("pooling = 5\n", "pooling"),
        ("precison = 'int8'\n", "did you mean 'precision'"),
    ],
)
def test_a_hand_edited_file_is_an_error_and_is_left_alone(lock: Path, damage: str, named: str) -> None:
    key = damage.split(" ")[0]
    lines = [line for line in OLDER.splitlines(keepends=True) if not line.startswith(key)]
    lock.write_text("".join(lines) + damage)
    before = lock.read_bytes()
    for action in (lambda: read_lock(lock), lambda: record_model(lock, "mine", RECORD)):
        sentence = refusal(action)
        assert named in sentence
        assert "e5-base-v2" in sentence
        assert f"mv {lock} {lock}.bad" in sentence
    assert lock.read_bytes() == before


@pytest.mark.parametrize("text", ["[a]\n[a]\n", "a = 1\n", "[a", "[a]\n", "\x00"])
def test_a_damaged_file_is_an_error_and_is_left_alone(lock: Path, text: str) -> None:
    lock.write_text(text)
    assert "damaged" in refusal(lambda: record_model(lock, "mine", RECORD))
    assert lock.read_text() == text


def test_no_bytes_give_a_traceback(lock: Path) -> None:
    rng = random.Random(5)
    refused = 0
    for _ in range(300):
        data = bytearray(OLDER.encode())
        data[rng.randrange(len(data))] = rng.randrange(256)
        lock.write_bytes(bytes(data[: rng.randrange(len(data))] if rng.random() < 0.3 else data))
        try:
            read_lock(lock)
        except PatinaError:
            refused += 1
    assert refused > 50


def _record_ten(lock: Path, worker: int) -> None:
    for number in range(10):
        record_model(lock, f"model-{worker}-{number}", RECORD)


def test_parallel_writers_lose_nothing(lock: Path) -> None:
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_record_ten, args=(lock, worker)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(read_lock(lock)) == 40
    assert [path.name for path in lock.parent.iterdir() if path.name.startswith(".tmp")] == []
