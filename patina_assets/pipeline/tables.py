"""Values as text tables, for a terminal and for the log of a run."""

from collections.abc import Iterable, Sequence

from patina_assets.pipeline.plain_text import one_line
from patina_resources.materialize.report import KINDS_OF_TYPES, ScraperReport


def text_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an aligned text table; numbers stand to the right, and no cell can break a line or steer the terminal."""
    cells = [[one_line(str(cell)) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(_aligned(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


REPORT_HEADER = ("event", "new", "known", "retracted")


def report_rows(reports: Iterable[ScraperReport]) -> list[tuple[str, int, int, int]]:
    """Return what `patina materialize` did: events by type, new, already known, retracted. A type is counted once."""
    rows = []
    for report in reports:
        kinds = {*report.new, *report.known, *report.retracted}
        if "code.type" in kinds:
            kinds.difference_update(KINDS_OF_TYPES)
        rows += [
            (kind, report.new.get(kind, 0), report.known.get(kind, 0), report.retracted.get(kind, 0))
            for kind in sorted(kinds)
        ]
    return rows


def report_table(reports: Sequence[ScraperReport]) -> str:
    """Return what `patina materialize` did as text: what was skipped, then the events."""
    skipped = [f"skipped {one_line(reason)}" for report in reports for reason in report.skipped]
    total = [f"skipped: {len(skipped)}, named above"] if skipped else []
    return "\n".join([*skipped, text_table(REPORT_HEADER, report_rows(reports)), *total])


def size_text(count: int) -> str:
    """Return a number of bytes for people, such as `1.5 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number, which stands to the right."""
    return cell.replace(".", "", 1).replace("-", "", 1).isdecimal()


def _aligned(cell: str, width: int) -> str:
    return cell.rjust(width) if is_number(cell) else cell.ljust(width)
