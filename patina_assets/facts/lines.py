"""Which definition a line belongs to, and which lines of HEAD these are. Pure: contents in, line numbers out."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from patina_assets.facts.typed import ambiguous, has_last_parts, last_part, unknown
from patina_assets.passages.code import CODE_FILES, FUNCTION_EVENT, TYPE_EVENT
from patina_assets.passages.documents import DOCUMENTS, SECTION_EVENT
from patina_assets.passages.files import line_spans
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Row

SOURCES = (CODE_FILES, DOCUMENTS)
EXPECTED = "the path of a file in the eventlog, PATH:LINE, or the name of a function or type"
KINDS = {FUNCTION_EVENT: "function", TYPE_EVENT: "type", SECTION_EVENT: "section"}


@dataclass(frozen=True)
class Span:
    """Lines of a file, from 1, and what is defined there; `symbol` and `kind` are "" for a line of no definition."""

    first: int
    last: int
    kind: str = ""
    symbol: str = ""


@dataclass(frozen=True)
class ReadFile:
    """A file as the eventlog last read it: the SHA-256 (hex) of its content, and where its definitions stand."""

    digest: str
    spans: tuple[Span, ...]

    def around(self, line: int) -> Span | None:
        """Return the innermost definition that a line belongs to; None for a line of none."""
        holding = [span for span in self.spans if span.first <= line <= span.last]
        return min(holding, key=lambda span: (span.last - span.first, -span.first), default=None)


def read_file(rows: Iterable[Row], path: str) -> ReadFile | None:
    """Return what the rows of `SOURCES` say of a file; None where they do not know it."""
    for file, digest, lines in rows:
        if file == path:
            spans = [
                Span(place.first, place.last, kind, place.key)
                for event_type, kind in KINDS.items()
                for place in line_spans(lines, event_type)
            ]
            return ReadFile(digest, tuple(spans))
    return None


def known_symbol(rows: Iterable[Row], name: str, paths: Collection[str]) -> tuple[str, int, str]:
    """Return file, first line and whole name of the one function or type of a name.

    Args:
        rows: The rows of `SOURCES`.
        name: Its whole name, or the last parts of it.
        paths: What else the name might have been meant for, for the error.

    Raises:
        PatinaError: Nothing is called so, or several things are.
    """
    every: dict[tuple[str, str], tuple[int, int]] = {}
    for file, _, lines in rows:
        for event_type in (FUNCTION_EVENT, TYPE_EVENT):
            for place in line_spans(lines, event_type):
                # Of namesakes in one file the longest counts: the others are declarations, as a rule.
                size = (place.last - place.first, -place.first)
                every[place.key, file] = max(size, every.get((place.key, file), size))
    found = [key for key in sorted(every) if key[0] == name] or [
        key for key in sorted(every) if has_last_parts(key[0].lower(), name.lower())
    ]
    if not found:
        names = {symbol for symbol, _ in every}
        raise unknown(name, {*names, *map(last_part, names), *paths}, EXPECTED)
    if len(found) > 1:
        told = (f"{symbol} ({file}:{-every[symbol, file][1]})" for symbol, file in found)
        raise ambiguous(name, told, "name one as PATH:LINE")
    symbol, file = found[0]
    return file, -every[symbol, file][1], symbol


@dataclass(frozen=True)
class AtHead:
    """What of a file can be asked of HEAD's history.

    Attributes:
        span: The lines at HEAD, with what is defined there; None where they are not known.
        why_not: Why they are not.
    """

    span: Span | None
    why_not: str = ""


def span_at_head(line: int, worktree: bytes | None, head: bytes | None, read: ReadFile | None) -> AtHead:
    """Return the lines at HEAD of the definition around a line, or of the line where it belongs to none.

    Args:
        line: The line in the working tree; where the file is not there, at HEAD.
        worktree: The file in the working tree.
        head: The file at HEAD.
        read: The file as the eventlog last read it.

    Raises:
        PatinaError: The file has no such line.
    """
    own = worktree if worktree is not None else head
    if own is None:
        return AtHead(None, "it is neither in the working tree nor at HEAD")
    count = len(lines_of(own))
    if line > count:
        raise PatinaError(f"there is no line {line}: the file has {count} line{'' if count == 1 else 's'}")
    if head is None:
        return AtHead(None, "HEAD does not have this file")
    moved = _Moved(lines_of(own), lines_of(head))
    if read is not None and read.digest == hashlib.sha256(own).hexdigest():
        around = read.around(line) or Span(line, line)
        first, last = moved.at_head(around.first), moved.at_head(around.last)
        if first is not None and last is not None:
            return AtHead(Span(first, last, around.kind, around.symbol))
    there = moved.at_head(line)
    if there is None:
        return AtHead(None, "this line has changes that are not committed")
    knows_head = read is not None and read.digest == hashlib.sha256(head).hexdigest()
    return AtHead((read.around(there) if read is not None and knows_head else None) or Span(there, there))


def lines_of(content: bytes) -> list[bytes]:
    """Return the lines of a file, as git counts them."""
    lines = content.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


class _Moved:
    """Where lines stand at HEAD: those before the first line that differs, and those after the last one."""

    def __init__(self, own: Sequence[bytes], head: Sequence[bytes]) -> None:
        self._own, self._head = len(own), len(head)
        most = min(len(own), len(head))
        self._before = next((row for row in range(most) if own[row] != head[row]), most)
        rest = most - self._before
        self._after = next((row for row in range(rest) if own[-1 - row] != head[-1 - row]), rest)

    def at_head(self, line: int) -> int | None:
        """Return the number of a line at HEAD; None where it stands among lines that differ."""
        if line <= self._before:
            return line
        return line - self._own + self._head if line > self._own - self._after else None
