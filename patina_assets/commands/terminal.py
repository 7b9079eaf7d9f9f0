"""How results and reports read on a terminal: values to lines of text."""

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from patina_assets.pipeline.plain_text import draw, harmless
from patina_assets.pipeline.progress import bar

if TYPE_CHECKING:  # search prints without loading the recipe
    from patina_assets.pipeline.staleness import StageVerdict
    from patina_assets.search.fusion import Hit
    from patina_assets.search.searcher import Answer

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
