"""Tables of what was done: aligned, of one line a row, each thing counted once."""

import io

import pytest
from rich.cells import cell_len

from patina_assets.pipeline.measures.evaluation import HEADER, SPARE
from patina_assets.pipeline.tables import report_rows, size_text, text_table
from patina_assets.terminal.bars import draw_table
from patina_resources.materialize.report import ScraperReport


def test_a_type_is_counted_once() -> None:
    both = ScraperReport(
        "code", {"code.type": 5, "code.class": 3, "code.function": 2}, {"code.struct": 1}, {"code.enum": 4}
    )
    assert report_rows([both]) == [("code.function", 2, 0, 0), ("code.type", 5, 0, 0)]


def test_kinds_of_types_that_stand_alone_are_shown() -> None:
    older = ScraperReport("code", known={"code.class": 3, "code.trait": 1}, retracted={"code.class": 2})
    assert report_rows([older]) == [("code.class", 0, 3, 2), ("code.trait", 0, 1, 0)]


def test_rows_stand_in_the_order_of_the_readers() -> None:
    reports = [ScraperReport("git", {"git.removed": 1, "git.commit": 2}), ScraperReport("docs", {"doc.file": 3})]
    assert [row[0] for row in report_rows(reports)] == ["git.commit", "git.removed", "doc.file"]


def test_columns_of_numbers_stand_to_the_right_and_no_cell_breaks_a_line() -> None:
    rows = [("a", 5, "-0.5", 1), ("long", 12_000, "+12", "many"), ("x\ny\x1b[2J", "-", "-", "-")]
    assert text_table(("name", "count", "change", "mixed"), rows).splitlines() == [
        "name         count  change  mixed",
        "a                5    -0.5  1",
        "long         12000     +12  many",
        r"x\ny\x1b[2J      -       -  -",
    ]
    assert text_table(("name", "count"), []) == "name  count"


def test_sizes() -> None:
    assert [size_text(count) for count in (0, 999, 1000, 1_500_000, 999_999_999, 2_000_000_000)] == [
        "0 B", "999 B", "1.0 kB", "1.5 MB", "1000.0 MB", "2.0 GB",
    ]  # fmt: skip


GAIN = "[-0.0845, +0.0901]"
ROWS = [
    ["action-encoder", 9974, "", "0.7071", "0.5430", GAIN, 87, "no clear difference", "no"],
    ["temporal", 10_000, "", "0.8123", "0.8087", GAIN, 35, "better", "yes"],
]


def drawn(columns: int, monkeypatch: pytest.MonkeyPatch, *table: object) -> tuple[list[str], list[str]]:
    """Return the lines of a table on a terminal of so many columns, and what it left out."""
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = io.StringIO()
    left_out = draw_table(terminal, *table)  # type: ignore[arg-type]
    return [line.rstrip() for line in terminal.getvalue().splitlines()], left_out


def test_a_table_fits_a_narrow_terminal_and_no_number_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "projection",
        "pairs",
        "long",
        "held-out MRR",
        "base MRR",
        "gain, 95 %",
        "queries",
        "beats base",
        "in search",
    )
    rows = [[*row[:2], "texts", *row[3:]] for row in ROWS]
    assert drawn(120, monkeypatch, names, rows, [2, 5])[1] == []
    lines, left_out = drawn(80, monkeypatch, names, rows, [2, 5, 1])
    assert left_out == ["long", "gain, 95 %"]
    assert lines == [
        "                       held-out    base                                in",
        "projection      pairs       MRR     MRR  queries  beats base           search",
        "action-encoder   9974    0.7071  0.5430       87  no clear difference  no",
        "temporal        10000    0.8123  0.8087       35  better               yes",
    ]
    lines, left_out = drawn(20, monkeypatch, names, rows, [2, 5, 1])
    assert left_out == ["pairs", "long", "gain, 95 %"]
    assert "0.7071  0.5430" in lines[2]


def test_the_table_of_measures_keeps_the_mrr_with_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ["action-encoder", "trained", 87, *["+0.7071", GAIN] * 3, "no clear difference", "yes"]
    lines, left_out = drawn(80, monkeypatch, HEADER, [row], SPARE)
    assert left_out == ["recall@10", "95 %", "triplet accuracy", "95 %", "beats base"]
    assert max(map(cell_len, lines)) <= 80
    assert f"+0.7071  {GAIN}  yes" in lines[-1]


def test_a_table_without_rows_has_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(80, monkeypatch, ("name", "count"), []) == (["name  count"], [])
