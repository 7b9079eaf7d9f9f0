"""The notes in a session's Markdown: goals, decisions, patterns, work, context and observations.

A section begins with a heading or a bold line (`**Key Decisions:**`), and all sections of a kind count. In an Activity
Log, what is in no section of its own is an observation.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HEADING = re.compile(r"(#{1,6})\s+(.*)$")
BOLD_LINE = re.compile(r"\*\*([^*]+?)(?::\*\*|\*\*:)\s*(.*)$")
NUMBERED = re.compile(r"\d+[.)]\s+(.+)$")
CHECKBOX = re.compile(r"[-*+] \[([xX ])\] (.+)")
FENCE = re.compile(r"```|~~~")
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
NOTHING = re.compile(r"[\W_]*+(?:none|nothing|n/a|tbd|todo)?+[\W_]*+", re.IGNORECASE)
# What the tools that write these files put there by themselves.
BOILERPLATE = re.compile(
    r"Session initialized with goal:|Working on branch:|Tagged as:|(Session (Start|End|Started|Ended)|Update|Note):?$"
)


@dataclass(frozen=True)
class Note:
    """One note; `completed` is for a goal."""

    kind: str
    content: str
    completed: bool = False


@dataclass
class _Section:
    kind: str | None
    title: str = ""
    lines: list[str] = field(default_factory=list)


def read_notes(body: str, text: str | None = None) -> list[Note]:
    """Return the notes of a session, in the order of the text.

    Args:
        body: What follows the front matter.
        text: The whole file, front matter included; None where it has none.
    """
    notes = [note for section in _sections(body) for note in _notes(section)]
    # Other readers of this format take the first section of a name in a cruder way: what only they see is kept too.
    found = Counter(notes)
    for note in first_sections(body if text is None else text):
        if found[note]:
            found[note] -= 1
        else:
            notes.append(note)
    return notes


def _kind(title: str) -> str | None:
    """Return the kind of section that a heading or bold line begins, or None."""
    return next((kind for kind, pattern in SECTIONS if pattern.match(title.strip())), None)


def _sections(body: str) -> list[_Section]:
    """Return the text in pieces: one for every heading, and every bold line that begins or ends a section."""
    sections = [_Section(None)]
    headings: list[tuple[int, str | None]] = []
    around: str | None = None  # what the headings say
    fenced = False
    for raw in body.split("\n"):
        line, current = raw.strip(), sections[-1]
        fenced ^= FENCE.match(line) is not None
        heading = None if fenced else HEADING.match(line)
        bold = None if fenced else BOLD_LINE.match(line)
        if heading:
            level, title = len(heading[1]), heading[2].rstrip("#").rstrip()
            own = _kind(title) if level > 1 else None
            headings = [*(held for held in headings if held[0] < level), (level, own)]
            around = next((kind for _, kind in reversed(headings) if kind), None)
            if around == CONTEXT and own is None:
                current.lines.append(raw)
            else:
                entry = around == ACTIVITY and own is None
                sections.append(_Section(around, COVERING.sub("", ENTRY_TIME.sub("", title)) if entry else ""))
        elif bold and (own := _kind(bold[1])):
            sections.append(_Section(own, lines=[f"- {bold[2]}" if bold[2] and own != CONTEXT else bold[2]]))
        elif bold and current.kind != CONTEXT and around == ACTIVITY:
            sections.append(_Section(ACTIVITY, lines=[f"{bold[1]}: {bold[2]}" if bold[2] else ""]))
        elif bold and current.kind not in (CONTEXT, around):
            sections.append(_Section(around, lines=[raw]))
        else:
            current.lines.append(raw)
    return sections


def _notes(section: _Section) -> Iterator[Note]:
    match section.kind:
        case None | "ignored":
            return
        case "context":
            yield from _context("\n".join(section.lines))
        case "goal":
            for line in _outside_fences(section.lines):
                yield from _goal(line)
        case "activity":
            yield from _observations(section)
        case kind:
            lines = list(_outside_fences(section.lines))
            for text in [item for line in lines if (item := _item(line))] or _paragraphs(lines):
                yield Note(kind, text)


def _outside_fences(lines: Iterable[str]) -> Iterator[str]:
    """Yield the stripped lines that are not in a code block; a code block counts as an empty line."""
    fenced = False
    for raw in lines:
        line = raw.strip()
        is_fence = FENCE.match(line) is not None
        fenced ^= is_fence
        yield "" if fenced or is_fence else line


def _item(line: str) -> str:
    """Return the text of a list item, "" for any other line."""
    if numbered := NUMBERED.match(line):
        return numbered[1].strip()
    if line.startswith("+ "):
        return line[2:].strip()
    return line.lstrip("-").lstrip("*").strip() if line.startswith(("-", "*")) else ""


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Yield the paragraphs of a section without a list; comments and "none" are no notes."""
    for has_text, group in itertools.groupby(lines, key=bool):
        text = " ".join(group)
        if has_text and not text.startswith("<!--") and not NOTHING.fullmatch(text):
            yield text


def _goal(line: str) -> Iterator[Note]:
    if checkbox := CHECKBOX.search(line):
        yield Note(GOAL, checkbox[2].strip(), completed=checkbox[1] != " ")
    elif item := _item(line):
        yield Note(GOAL, item)


def _context(text: str) -> Iterator[Note]:
    text = text.strip()
    if text and not text.startswith("<!--"):
        yield Note(CONTEXT, text)


def _observations(section: _Section) -> Iterator[Note]:
    """Yield an entry's paragraphs and list items; its title opens its first paragraph."""
    title = f"{section.title}:"
    paragraph = [title] if section.title and not BOILERPLATE.match(section.title) else []
    for line in [*_outside_fences(section.lines), ""]:
        item = _item(line)
        if line and not item:
            if not BOILERPLATE.match(line):
                paragraph.append(line)
            continue
        if paragraph and (item or paragraph[-1] is not title):
            yield Note(OBSERVATION, " ".join(paragraph).removesuffix(":"))
            paragraph = []
        if item and not BOILERPLATE.match(item):
            yield Note(OBSERVATION, item)
    if paragraph:
        yield Note(OBSERVATION, " ".join(paragraph).removesuffix(":"))


def first_sections(body: str) -> Iterator[Note]:
    """Yield the notes of the first section of each name, as the format's first tool delimits it.

    A bold section ends at the next line that begins bold, a heading's at the next `## `, whatever is between.
    """
    _, _, goals = body.partition("## Goals")
    for done, text in re.findall(r"- \[([xX ])\] (.+)", re.split(r"## Goals|\n## ", goals)[0]):
        yield Note(GOAL, text.strip(), completed=done != " ")
    for kind, title in ((DECISION, "Key Decisions"), (PATTERN, "Patterns Observed")):
        for line in _first_section(body, title).split("\n"):
            if line.strip().startswith(("-", "*")) and (text := line.strip().lstrip("-").lstrip("*").strip()):
                yield Note(kind, text)
    for line in _first_section(body, "Work Completed").split("\n"):
        if found := re.match(r"\d+\.\s+(.+)$", line.strip()):
            yield Note(WORK, found[1])
    yield from _context(_first_section(body, "Previous Session Context"))


def _first_section(body: str, title: str) -> str:
    _, bold, rest = body.partition(f"**{title}:**")
    if bold:
        rest = rest.lstrip()
        return rest.partition("\n**")[0] if "\n**" in rest else rest.partition("\n## ")[0]
    _, heading, rest = body.partition(f"## {title}")
    return rest.lstrip().partition("\n## ")[0] if heading else ""
