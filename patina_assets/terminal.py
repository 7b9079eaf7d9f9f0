"""How results and reports read on a terminal: values to lines of text."""

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from patina_assets.plain_text import draw, harmless, one_line
from patina_assets.progress import bar

if TYPE_CHECKING:  # search prints without loading the recipe
    from patina_assets.fusion import Hit
    from patina_assets.search import Answer
    from patina_assets.staleness import StageVerdict
    from patina_resources.materialize.report import ScraperReport

TEXT_LINES = 3
MEASURES = {"lexical": "BM25"}
PROGRESS_SECONDS = 0.1
MOST_SHOWN = 500


class ProgressLine:
    """One line on stderr that is written over as work goes on; says nothing where nobody watches."""

    def __init__(self) -> None:
        self._last = 0.0
        self._shown = False

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            draw(sys.stderr, "")

    def show(self, doing: str, done: int, total: int | None) -> None:
        """Show what is being done as a bar, at most ten times a second."""
        now = time.monotonic()
        if not is_interactive(sys.stderr) or now - self._last < PROGRESS_SECONDS:
            return
        self._last, self._shown = now, True
        text = (bar(f"{doing}: {done} of {total}") if total else None) or doing
        width = shutil.get_terminal_size().columns - 1
        draw(sys.stderr, text[:width])


def is_interactive(stream: TextIO) -> bool:
    """Return whether someone watches: the stream is a terminal, and not that of continuous integration (`CI=true`)."""
    return stream.isatty() and os.environ.get("CI", "").lower() in ("", "0", "false")


def answer_lines(answer: "Answer", *, explain: bool) -> list[str]:
    """Return search results as lines; with `explain` also what each list found, and which took no part."""
    lines = [line for rank, hit in enumerate(answer.hits, 1) for line in hit_lines(rank, hit, explain=explain)]
    if explain:
        lines += ["", *(f"{name}: {count} items" for name, count in answer.found.items())]
        lines += [f"{name}: left out, {reason}" for name, reason in answer.left_out.items()]
    return lines


def hit_lines(rank: int, hit: "Hit", *, explain: bool = False) -> list[str]:
    """Return a search result as lines: rank, score, kind and place, then the first lines of its text.

    With `explain` the rank and the score in each list stand on lines of their own.
    """
    item = hit.item
    place = item.file or (f"session {item.session}" if item.session else f"commit {item.commit}")
    lists = "" if explain else "; " + ", ".join(f"{name} #{found.rank}" for name, found in hit.places.items())
    width = max(40, min(shutil.get_terminal_size().columns, 120))
    text = harmless(item.text[: MOST_SHOWN * TEXT_LINES])
    body = textwrap.wrap(text, width - 6, max_lines=TEXT_LINES, placeholder=" ...")
    reasons = [
        f"     {name:<12} #{found.rank:<4} {MEASURES.get(name, 'cosine')} {found.score:.4f}"
        for name, found in (hit.places.items() if explain else ())
    ]
    return [
        f"{rank:3}. {item.kind}  {harmless(place[:MOST_SHOWN])}  (score {hit.score:.4f}{lists})",
        *(f"     {line}" for line in body),
        *reasons,
    ]


def hit_document(rank: int, hit: "Hit") -> dict[str, Any]:
    """Return a search result for JSON output; `ranks` and `scores` are those of each list that found it."""
    item = hit.item
    return {
        "rank": rank,
        "score": round(hit.score, 6),
        "kind": item.kind,
        "text": item.text,
        "file": item.file,
        "session": item.session,
        "commit": item.commit,
        "seq": item.seq,
        "ranks": {name: place.rank for name, place in hit.places.items()},
        "scores": {name: round(place.score, 6) for name, place in hit.places.items()},
    }


def verdict_lines(verdicts: "Iterable[StageVerdict]") -> list[str]:
    """Return one line per stage: its name, fresh, stale or missing, and why."""
    rows = [
        (v.projection if v.projection == v.stage else f"{v.projection}/{v.stage}", v.status, "; ".join(v.reasons))
        for v in verdicts
    ]
    width = max(len(name) for name, _, _ in rows)
    return [f"{name:<{width}}  {status:<7}  {reasons}".rstrip() for name, status, reasons in rows]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an aligned text table; numbers stand to the right, and no cell can break a line or steer the terminal."""
    cells = [[one_line(str(cell)) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(_aligned(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def report_table(reports: "Iterable[ScraperReport]") -> str:
    """Return what `patina materialize` did: what was skipped, then events by type, new, already known, retracted."""
    rows = []
    skipped = []
    for report in reports:
        for kind in sorted({*report.new, *report.known, *report.retracted}):
            rows.append((kind, *(counts.get(kind, 0) for counts in (report.new, report.known, report.retracted))))
        skipped += [f"skipped {one_line(reason)}" for reason in report.skipped]
    total = [f"skipped: {len(skipped)}, named above"] if skipped else []
    return "\n".join([*skipped, table(("event", "new", "known", "retracted"), rows), *total])


def size_text(count: int) -> str:
    """Return a number of bytes for people, such as `1.5 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _aligned(cell: str, width: int) -> str:
    number = cell.replace(".", "", 1).replace("-", "", 1).isdecimal()
    return cell.rjust(width) if number else cell.ljust(width)
