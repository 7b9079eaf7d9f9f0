"""Values as text tables, for a terminal and for the log of a run."""

from collections.abc import Iterable, Sequence

from patina_assets.pipeline.plain_text import one_line
from patina_resources.materialize.report import KINDS_OF_TYPES, ScraperReport


def text_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return aligned text; columns of numbers stand to the right, and no cell breaks a line or steers the terminal."""
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    columns = [_aligned(name, column) for name, *column in zip(header, *cells, strict=True)]
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


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


def is_numeric(column: Iterable[str]) -> bool:
    """Return whether all that a column tells is numbers; `-` tells nothing. Such a column stands to the right."""
    told = [cell for cell in column if cell != "-"]
    return bool(told) and all(cell.replace(".", "", 1).lstrip("+-").isdecimal() for cell in told)


def _aligned(name: str, column: Sequence[str]) -> list[str]:
    cells = [name, *column]
    width = max(map(len, cells))
    return [cell.rjust(width) if is_numeric(column) else cell.ljust(width) for cell in cells]
