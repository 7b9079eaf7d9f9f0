"""The headings of reStructuredText. Nothing else of it is needed, and docutils opens the files that a text names.

A heading is a line with an underline, or between two equal lines, of one punctuation mark; it is not indented, and
begins a paragraph. Each new kind of line is one level deeper than those before it (reStructuredText specification,
*Sections*). Literal blocks, comments and directives are indented, so nothing in them is a heading.
"""

import re
from collections.abc import Iterator, Sequence

from patina_resources.materialize.docs.heading import Heading

PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
FIELD = re.compile(r":[A-Za-z][\w-]*:")
# Of a shorter underline the title may not be longer.
SHORTEST_FOR_ANY_TITLE = 4


def headings(lines: Sequence[str]) -> Iterator[Heading]:
    """Yield the headings of a text, in order.

    Args:
        lines: All lines, without their ends.
    """
    styles: list[tuple[str, bool]] = []
    place = 0
    while place < len(lines):
        found = _over_and_under(lines, place) or _under(lines, place)
        if found is None:
            place = _after_paragraph(lines, place)
            continue
        title, style, end = found
        if style not in styles:
            styles.append(style)
        yield Heading(styles.index(style) + 1, title, place, end)
        place = end


def is_markup(line: str) -> bool:
    """Return whether a line before the first heading is no text: blank, a directive, label, comment or field."""
    return not line.strip() or line[0].isspace() or line.startswith((".. ", "..\t")) or bool(FIELD.match(line))


def _over_and_under(lines: Sequence[str], place: int) -> tuple[str, tuple[str, bool], int] | None:
    """Return title, style and end of a heading that begins with a line over its title."""
    if place + 2 >= len(lines) or not (mark := _mark(lines[place])):
        return None
    title = lines[place + 1].strip()
    closed = _mark(lines[place + 2]) == mark and len(lines[place + 2].rstrip()) == len(lines[place].rstrip())
    return (title, (mark, True), place + 3) if closed and title and not _mark(title) else None


def _under(lines: Sequence[str], place: int) -> tuple[str, tuple[str, bool], int] | None:
    """Return title, style and end of a heading that begins with its title."""
    if place + 1 >= len(lines):
        return None
    title, mark = lines[place].rstrip(), _mark(lines[place + 1])
    if not mark or not title or title[0].isspace() or _mark(title):
        return None
    length = len(lines[place + 1].rstrip())
    return (title, (mark, False), place + 2) if length >= min(len(title), SHORTEST_FOR_ANY_TITLE) else None


def _mark(line: str) -> str:
    """Return the punctuation mark that a whole line is made of, or ""."""
    line = line.rstrip()
    return line[0] if line and line[0] in PUNCTUATION and line == line[0] * len(line) else ""


def _after_paragraph(lines: Sequence[str], place: int) -> int:
    """Return the next line where a heading may begin: after the lines that belong to this one."""
    if not lines[place].strip() or _mark(lines[place]):
        return place + 1
    while place < len(lines) and lines[place].strip():
        place += 1
    return place
