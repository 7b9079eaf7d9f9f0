"""A document -> its sections: the text under each heading, up to the next one. A changelog -> its versions.

The one place that says what a section is, for the events about them and for whoever reads their text again.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from patina_resources.materialize.docs import restructured
from patina_resources.materialize.docs.front_matter import front_matter
from patina_resources.materialize.docs.heading import Heading
from patina_resources.materialize.docs.markdown import (
    HEADING,
    LINE_END,
    Markdown,
    heading_text,
    is_comment,
    parse_markdown,
)

MARKDOWN, RESTRUCTURED = "Markdown", "reStructuredText"
FORMATS = {
    ".md": MARKDOWN, ".markdown": MARKDOWN, ".mdown": MARKDOWN, ".mdx": MARKDOWN, ".mkd": MARKDOWN, ".qmd": MARKDOWN,
    ".rst": RESTRUCTURED, ".rest": RESTRUCTURED,
}  # fmt: skip
# Without one of these endings, a text is a document only by its name or its folder.
PLAIN_ENDINGS = ("", ".txt")
README = re.compile(r"readme([._-]|$)", re.IGNORECASE)
CHANGELOG = re.compile(r"(change(s|log|[-_ ]?logs?)?|history|news|release([-_ ]?notes|s))([._-]|$)", re.IGNORECASE)
DOCUMENT_FOLDERS = frozenset({"doc", "docs", "documentation"})
VERSION = re.compile(r"\b\d+\.\d+|\bunreleased\b|\d{4}-\d{2}-\d{2}|\bv\d", re.IGNORECASE)
LONGEST_TITLE = 200
DEEPEST = 8


@dataclass(frozen=True)
class Section:
    """A section of a document.

    Attributes:
        title: The document's title, which its front matter may have, else the name of its file.
        headings: The headings around and of it, outermost first; empty for what stands before the first one.
        start_line: Its first line, from 1: its heading's.
        end_line: Its last line that is not blank.
        text: These lines, joined by LF.
    """

    title: str
    headings: tuple[str, ...]
    start_line: int
    end_line: int
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the text."""
        return hashlib.sha256(self.text.encode("utf-8", "replace")).hexdigest()


def format_of(path: str) -> str | None:
    """Return the markup of a document by its path, or None for what is no document."""
    name = PurePosixPath(path)
    if found := FORMATS.get(name.suffix.lower()):
        return found
    is_plain = name.suffix.lower() in PLAIN_ENDINGS
    if is_plain and (README.match(name.name) or CHANGELOG.match(name.name)):
        return RESTRUCTURED
    in_documents = any(part.lower() in DOCUMENT_FOLDERS for part in name.parts[:-1])
    return RESTRUCTURED if in_documents and name.suffix.lower() == ".txt" else None


def sections_of(path: str, text: str) -> list[Section]:
    """Return the sections of a document that have a text beside their heading, in order.

    A plain text (`docs/requirements.txt`) without any heading has none, unless it is a README.

    Args:
        path: Its path, which `format_of` takes for a document's.
        text: Its content, as `markdown.decoded` returns it.
    """
    lines = LINE_END.sub("\n", text).split("\n")
    if format_of(path) == MARKDOWN:
        begun, own_title = front_matter(lines)
        body = parse_markdown("\n".join(lines[begun:]))
        headings = [_shifted(heading, begun) for heading in _markdown_headings(body)]
        comments = [block for block in body.blocks if is_comment(body, block)]
        skipped = {begun + line for block in comments for line in range(block.start, block.end)}
    else:
        begun, own_title = 0, ""
        headings = list(restructured.headings(lines))
        before = headings[0].start if headings else 0
        skipped = {place for place, line in enumerate(lines[:before]) if restructured.is_markup(line)}
    name = PurePosixPath(path)
    if CHANGELOG.match(name.name):
        headings = _versions(headings)
    if own_title and not (_title(headings) and headings[0].level == 1):
        headings.insert(0, Heading(0, own_title, begun, begun))
    if not headings and name.suffix.lower() not in FORMATS and not README.match(name.name):
        return []
    return list(_sections(_title(headings) or name.name, lines, begun, headings, skipped))


def _title(headings: Sequence[Heading]) -> str:
    """Return the first heading, where it is the only one of its level and none is above it."""
    outermost = min((heading.level for heading in headings), default=0)
    titles = [heading.title for heading in headings if heading.level == outermost]
    return titles[0][:LONGEST_TITLE] if len(titles) == 1 and headings[0].level == outermost else ""


def _sections(
    title: str, lines: Sequence[str], begun: int, headings: Sequence[Heading], skipped: set[int]
) -> Iterator[Section]:
    around: list[Heading] = []
    ends = [heading.start for heading in headings] + [len(lines)]
    yield from _section(title, (), lines, begun, begun, ends[0], skipped)
    for heading, end in zip(headings, ends[1:], strict=True):
        around = [held for held in around if held.level < heading.level][: DEEPEST - 1]
        around.append(heading)
        path = tuple(held.title[:LONGEST_TITLE] for held in around)
        yield from _section(title, path, lines, heading.start, heading.end, end, skipped)


def _section(
    title: str, headings: tuple[str, ...], lines: Sequence[str], start: int, content: int, end: int, skipped: set[int]
) -> Iterator[Section]:
    """Yield the section of these lines, unless nothing but comments and the like follows its heading."""
    written = [line for line in range(content, end) if lines[line].strip() and line not in skipped]
    if written:
        first = start if start < content else written[0]
        yield Section(title, headings, first + 1, written[-1] + 1, "\n".join(lines[first : written[-1] + 1]))


def _markdown_headings(body: Markdown) -> Iterator[Heading]:
    for block in body.blocks:
        if block.kind == HEADING and (title := heading_text(block)):
            yield Heading(block.level, title, block.start, block.end)


def _shifted(heading: Heading, lines: int) -> Heading:
    return Heading(heading.level, heading.title, heading.start + lines, heading.end + lines)


def _versions(headings: Iterable[Heading]) -> list[Heading]:
    """Return the headings of a changelog without those inside a version, whose text is one section."""
    kept: list[Heading] = []
    version: int | None = None
    for heading in headings:
        if version is None or heading.level <= version:
            version = heading.level if VERSION.search(heading.title) else None
            kept.append(heading)
    return kept
