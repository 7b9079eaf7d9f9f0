"""Tables of what was done: aligned, of one line a row, each thing counted once."""

from patina_assets.pipeline.tables import report_rows, size_text, text_table
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
