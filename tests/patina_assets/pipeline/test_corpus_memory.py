"""What the corpus model has not seen is counted again once enough came or went: of all that it learns from together."""

from dataclasses import replace
from pathlib import Path

import pytest

from patina_assets.pipeline.corpus import Unseen, recalled_unseen, remember_unseen
from patina_resources.store.manifests import StageRecord

MODEL = StageRecord("f", {}, "digest", {}, {})
ROWS = {"notes": 20, "commits": 980}
UNSEEN = Unseen(0.01, 0.2, exact=False)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    path = tmp_path / "unseen.json"
    remember_unseen(path, MODEL, ROWS, 5_000, UNSEEN)
    return path


@pytest.mark.parametrize(
    ("rows", "last_seq"),
    [(ROWS, 5_000), (ROWS, 5_050), ({"notes": 30, "commits": 980}, 5_000), ({"notes": 15, "commits": 985}, 5_000)],
)
def test_few_rows_do_not_change_it_though_they_are_many_of_their_source(
    memory: Path, rows: dict[str, int], last_seq: int
) -> None:
    assert recalled_unseen(memory, MODEL, rows, last_seq) == UNSEEN


@pytest.mark.parametrize(
    ("rows", "last_seq"),
    [
        (ROWS, 5_051),
        (ROWS, None),
        ({"notes": 20, "commits": 991}, 5_000),
        ({"notes": 14, "commits": 985}, 5_000),
        ({"commits": 980}, 5_000),
        ({**ROWS, "more": 1}, 5_000),
    ],
)
def test_it_is_counted_again_after_more(memory: Path, rows: dict[str, int], last_seq: int | None) -> None:
    assert recalled_unseen(memory, MODEL, rows, last_seq) is None


def test_it_is_counted_again_for_another_model_and_where_nothing_is_remembered(memory: Path) -> None:
    assert recalled_unseen(memory, replace(MODEL, digest="other"), ROWS, 5_000) is None
    assert recalled_unseen(memory.parent / "none.json", MODEL, ROWS, 5_000) is None
    memory.write_text('{"model": "digest", "rows": [], "last_seq": 5000, "words": 0.01, "texts": 0.2}')
    assert recalled_unseen(memory, MODEL, ROWS, 5_000) is None
