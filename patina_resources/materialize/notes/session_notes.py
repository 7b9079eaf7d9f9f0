"""The notes in a session's Markdown: goals, decisions, patterns, work, context and observations.

A section begins with a heading or a label (`**Key Decisions:**`), and all sections of a kind count. In an Activity
Log, what is in no section of its own is an observation.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from patina_resources.materialize.docs.markdown import (
    CODE,
    HEADING,
    HTML,
    ITEM,
    LABEL,
    LABEL_LINE,
    LIST,
    PARAGRAPH,
    QUOTE,
    RULE,
    Block,
    Markdown,
    heading_text,
    is_comment,
    plain,
)

CHECKBOX = re.compile(r"\[([xX ])\]\s+(\S.*)", re.DOTALL)
ENTRY_TIME = re.compile(r"^\d{1,2}:\d{2}\s*(?:[-–—:]\s*)?")  # noqa: RUF001 - dashes as people type them
COVERING = re.compile(r"(?<!\s)\s*\(covering since [^)]{0,200}\)")

DECISION, PATTERN, WORK, CONTEXT, OBSERVATION, GOAL = "decision", "pattern", "work", "context", "observation", "goal"
ACTIVITY, IGNORED = "activity", "ignored"
SECTIONS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (GOAL, r"(session )?goals?\b"),
        (DECISION, r"((key|design|architectur\w+|technical|important|major) )*decisions?\b"),
        (PATTERN, r"(key )?patterns? (observed|identified|discovered|noted|found)\b"),
        (WORK, r"(work|tasks?) (completed|done)\b"),
        (OBSERVATION, r"challenges?\b"),
        (CONTEXT, r"previous session context\b"),
        (ACTIVITY, r"activity log\b"),
        (IGNORED, r"(git activity|session classification|user prompts|session tags?|beliefs captured)\b"),
    )
)
# Possessive (`*+`): what surrounds the word is never given back, or a search over `____x` would take its square.
NOTHING = re.compile(r"[\W_]*+(?:none|null|nothing|n/a|tbd|todo)?+[\W_]*+", re.IGNORECASE)
# What the tools that write these files put there by themselves.
BOILERPLATE = re.compile(
    r"Session initialized with goal:|Working on branch:|Tagged as:|(Session (Start|End|Started|Ended)|Update|Note):?$"
)
TEXT_KINDS = (PARAGRAPH, LABEL_LINE, QUOTE, HTML)


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes:
        kind: GOAL, DECISION, PATTERN, WORK, CONTEXT or OBSERVATION.
        content: What it says.
        completed: For a goal.
        line: The line where it begins, from 0, in what follows the front matter. The same note may move.
    """

    kind: str
    content: str
    completed: bool = False
    line: int = field(compare=False, kw_only=True)


@dataclass
class _NoteSection:
    """Blocks under a heading or a label.

    Attributes:
        kind: One of SECTIONS, or None.
        line: Where it begins.
        first: The line after its heading or label.
        title: What an Activity Log's entry is called.
        opening: What the label's line says beside the label.
        blocks: What it holds.
    """

    kind: str | None
    line: int = 0
    first: int = 0
    title: str = ""
    opening: str = ""
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class _Text:
    """A paragraph, or a list item without the lists in it."""

    text: str
    line: int
    is_item: bool


def read_notes(body: Markdown) -> list[Note]:
    """Return the notes of a session, in the order of the text."""
    sections = _sections(body)
    ends = [*(section.line for section in sections[1:]), len(body.lines)]
    return [note for section, end in zip(sections, ends, strict=True) for note in _notes(body, section, end)]


def _kind(title: str) -> str | None:
    """Return the kind of section that a heading or label begins, or None."""
    return next((kind for kind, pattern in SECTIONS if pattern.match(title.strip())), None)


def _sections(body: Markdown) -> list[_NoteSection]:
    """Return the text in pieces: one for every heading, and every label that begins or ends a section."""
    sections = [_NoteSection(None)]
    headings: list[tuple[int, str | None]] = []
    around: str | None = None  # what the headings say
    for block in body.blocks:
        current = sections[-1]
        if block.kind == HEADING:
            title = heading_text(block)
            own = _kind(title) if block.level > 1 else None
            headings = [*(held for held in headings if held[0] < block.level), (block.level, own)]
            around = next((kind for _, kind in reversed(headings) if kind), None)
            if around != CONTEXT or own is not None:
                entry = "" if own else COVERING.sub("", ENTRY_TIME.sub("", title))
                sections.append(_NoteSection(around, block.start, block.end, entry))
        elif block.kind == LABEL_LINE and (begun := _labelled(block, current.kind, around)):
            sections.append(begun)
        else:
            current.blocks.append(block)
    return sections


def _labelled(block: Block, current: str | None, around: str | None) -> _NoteSection | None:
    """Return the section that a label begins; None where it is text of the section that it stands in."""
    label, text = (part.strip() for part in LABEL.match(block.text).groups())  # type: ignore[union-attr]
    if own := _kind(label):
        return _NoteSection(own, block.start, block.end, opening=text)
    if current == CONTEXT:
        return None
    if around == ACTIVITY:
        return _NoteSection(ACTIVITY, block.start, block.end, opening=f"{label}: {text}" if text else "")
    return _NoteSection(around, block.start, block.start, blocks=[block]) if current != around else None


def _notes(body: Markdown, section: _NoteSection, end: int) -> Iterator[Note]:
    match section.kind:
        case None | "ignored":
            return
        case "context":
            yield from _context(f"{section.opening}\n{body.text(section.first, end)}", section.line)
        case "goal":
            yield from map(_goal, _items(_opened(body, section, as_item=True)))
        case "activity":
            yield from _observations(body, section)
        case kind:
            texts = _opened(body, section, as_item=True)
            for text in _items(texts) or [text for text in texts if not NOTHING.fullmatch(text.text)]:
                yield Note(kind, text.text, line=text.line)


def _context(text: str, line: int) -> Iterator[Note]:
    text = text.strip()
    if text and not text.startswith("<!--"):
        yield Note(CONTEXT, text, line=line)


def _goal(item: _Text) -> Note:
    if checkbox := CHECKBOX.match(item.text):
        return Note(GOAL, checkbox[2], completed=checkbox[1] != " ", line=item.line)
    return Note(GOAL, item.text, line=item.line)


def _items(texts: Iterable[_Text]) -> list[_Text]:
    return [text for text in texts if text.is_item]


def _opened(
    body: Markdown, section: _NoteSection, *, as_item: bool, without: re.Pattern[str] | None = None
) -> list[_Text]:
    """Return a section's texts; what a label's line says, with the lines that go on from it, is the first of them."""
    texts = list(_texts(body, section.blocks, without))
    if not section.opening:
        return texts
    goes_on = bool(texts) and not texts[0].is_item and texts[0].line == section.first
    opening = f"{section.opening} {texts.pop(0).text}" if goes_on else section.opening
    return [_Text(opening, section.line, as_item), *texts]


def _observations(body: Markdown, section: _NoteSection) -> Iterator[Note]:
    """Yield an entry's paragraphs and list items; its title opens its first paragraph."""
    title = "" if BOILERPLATE.match(section.title) else section.title
    texts = _opened(body, section, as_item=False, without=BOILERPLATE)
    if title and texts and not texts[0].is_item:
        texts[0] = _Text(f"{title}: {texts[0].text}", section.line, is_item=False)
    elif title:
        texts.insert(0, _Text(title, section.line, is_item=False))
    for text in texts:
        yield Note(OBSERVATION, text.text if text.is_item else text.text.removesuffix(":"), line=text.line)


def _texts(body: Markdown, blocks: Sequence[Block], without: re.Pattern[str] | None = None) -> Iterator[_Text]:
    """Yield the paragraphs and list items, in order; a code block outside of a list is neither.

    Args:
        body: The text that the blocks are of.
        blocks: Blocks side by side.
        without: Lines and items that begin so are left out.
    """
    lines: list[str] = []
    begun = at = 0
    for block in blocks:
        is_text = block.kind in TEXT_KINDS and not is_comment(body, block)
        if lines and not (is_text and block.start == at):
            yield _Text(plain("\n".join(lines)), begun, is_item=False)
            lines = []
        if is_text:
            begun = begun if lines else block.start
            stripped = (line.strip() for line in body.lines[block.start : block.end])
            lines += [line for line in stripped if line and not (without and without.match(line))]
            at = block.end
        elif block.kind == LIST:
            yield from (item for item in _list_items(body, block) if not (without and without.match(item.text)))
    if lines:
        yield _Text(plain("\n".join(lines)), begun, is_item=False)


def _list_items(body: Markdown, outermost: Block) -> Iterator[_Text]:
    """Yield the items of a list and of the lists in it, each whole: wrapped lines, further paragraphs, code blocks."""
    pending = [outermost]
    while pending:
        block = pending.pop()
        if block.kind == ITEM:
            own = [held for held in block.blocks if held.kind not in (LIST, RULE) and not is_comment(body, held)]
            if any(held.kind != CODE for held in own):
                yield _Text("\n\n".join(_own_text(body, held) for held in own), block.start, is_item=True)
        pending.extend(reversed([held for held in block.blocks if held.kind in (ITEM, LIST)]))


def _own_text(body: Markdown, block: Block) -> str:
    if block.kind in (QUOTE, HTML):
        return plain(body.text(block.start, block.end))
    return block.text if block.kind == CODE else plain(block.text)
