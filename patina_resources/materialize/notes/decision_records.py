"""Architecture decision records (ADR), in Nygard's or the MADR form, as notes: one record is one session."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from patina_resources.materialize.docs.markdown import CODE, HEADING, HTML, RULE, Block, Markdown, is_comment
from patina_resources.materialize.notes.session_notes import CONTEXT, DECISION, NOTHING, OBSERVATION, Note

# Deeper headings are text of the section.
SECTION_LEVELS = (1, 2, 3)
KINDS = (
    (DECISION, re.compile(r"decision( outcome)?$", re.IGNORECASE)),
    (CONTEXT, re.compile(r"(context|problem statement|context and problem statement)$", re.IGNORECASE)),
    (OBSERVATION, re.compile(r"((positive |negative )?consequences|decision drivers)$", re.IGNORECASE)),
)
# A section `Status`, or a heading that says it itself: `Status: rejected`.
STATUS = re.compile(r"status(?:[ \t]*+:[ \t]*+(\S.*+))?+$", re.IGNORECASE)
SUPERSEDED = re.compile(r"(?:superseded|superceded|replaced)[ \t]++by(?:[ \t]*+:?[ \t]*+(\S.*+))?+$", re.IGNORECASE)
LONGEST_STATUS = 1_000
# Why a record ranks below others, by the word that its status has for it; "Superceded" is how adr-tools spell it.
STATES = {
    "superseded": "superseded", "superceded": "superseded", "replaced": "superseded", "deprecated": "deprecated",
    "obsolete": "deprecated", "rejected": "rejected", "withdrawn": "rejected",
}  # fmt: skip
STATE_WORD = re.compile(rf"(?<!\bnot )\b({'|'.join(STATES)})\b", re.IGNORECASE)
STRUCK_OUT = re.compile(r"~~[^~\n]*+~~")

# A record may be about templates: `0005-use-a-template-engine` is none itself.
TEMPLATE_NAME = "template"
TEMPLATE_NAME_WORDS = frozenset({
    TEMPLATE_NAME, "adr", "adrs", "architectural", "architecture", "bare", "basic", "decision", "default", "full",
    "long", "madr", "minimal", "nnn", "nnnn", "nygard", "record", "records", "short", "simple", "xxx", "xxxx",
})  # fmt: skip
CODE_SPAN = re.compile(r"`[^`\n]*`")
# `{short title}`, with one more pair inside at most; in a title also `[short title]`, which is no link.
PLACEHOLDER = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
TITLE_PLACEHOLDER = re.compile(r"NUMBER\. TITLE|(?:\d+[.:)]?\s*)?(?:\{[^{}]*\}|\[[^][]*\]|<[^<>]*>)")
# What the MADR form itself says around the placeholders.
FORM_WORDS = re.compile(r"\b(chosen option|because|we will|we)\b", re.IGNORECASE)
WORD = re.compile(r"\w+")
NAME_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class DecisionRecord:
    """What a decision record says.

    Attributes:
        notes: Its decision (with its title), context and consequences.
        status: What the section `Status` says, or None.
        superseded_by: What the section `Superseded by` says, or None.
    """

    notes: list[Note]
    status: str | None
    superseded_by: str | None


@dataclass(frozen=True)
class _RecordSection:
    heading: Block
    text: str
    prose: str  # without code


def read_decision_record(body: Markdown, title: str) -> DecisionRecord:
    """Return what a record says; no notes for a file that is no record."""
    sections = list(_sections(body))
    notes = list(_notes(sections, title))
    return DecisionRecord(
        notes if any(note.kind == DECISION for note in notes) else [],
        _said(sections, STATUS),
        _said(sections, SUPERSEDED),
    )


def _said(sections: list[_RecordSection], heading: re.Pattern[str]) -> str | None:
    """Return what the first section with such a heading says, in the heading or below it."""
    found = ((heading.match(section.heading.text.rstrip()), section.text) for section in sections)
    return next((head[1] or text for head, text in found if head), "")[:LONGEST_STATUS] or None


def whole_status(status: str | None, superseded_by: str | None) -> str | None:
    """Return the status of a record with what takes its place, if the status does not say so itself."""
    if superseded_by is None or NOTHING.fullmatch(superseded_by) or (status and record_state(status) == "superseded"):
        return status
    return (f"{status}, " if status else "") + f"superseded by {superseded_by}"


def record_state(status: str) -> str | None:
    """Return why a record of this status ranks below others: superseded, deprecated or rejected; None for others."""
    found = STATE_WORD.search(STRUCK_OUT.sub("", status))
    return STATES[found[1].lower()] if found else None


def is_template(name: str, body: Markdown) -> bool:
    """Return whether a file is a form to be filled in: its name says so, or its title or decision is a placeholder.

    Args:
        name: The file's name without its ending.
        body: What it says.
    """
    if is_template_name(name):
        return True
    title = next((block.text for block in body.blocks if block.kind == HEADING and block.level == 1), "")
    decisions = [section.prose for section in _sections(body) if _kind(section.heading) == DECISION]
    return bool(TITLE_PLACEHOLDER.fullmatch(title.strip())) or any(map(_is_placeholder, decisions))


def is_template_name(name: str) -> bool:
    """Return whether a file's name, without its ending, says that it is a template of records."""
    words = {word for word in NAME_WORD.findall(name.lower()) if not word.isdecimal()}
    return TEMPLATE_NAME in words and words <= TEMPLATE_NAME_WORDS


def _is_placeholder(text: str) -> bool:
    """Return whether a text has placeholders, and no more words of its own than they have."""
    text = CODE_SPAN.sub("", text)
    left = PLACEHOLDER.sub("", text)
    held = len(WORD.findall(text)) - len(WORD.findall(left))
    return held > 0 and len(WORD.findall(FORM_WORDS.sub("", left))) < held


def _notes(sections: list[_RecordSection], title: str) -> Iterator[Note]:
    for section in sections:
        kind = _kind(section.heading)
        if kind is not None and section.text:
            text = f"{title}: {section.text}" if kind == DECISION else section.text
            yield Note(kind, text, line=section.heading.start)


def _kind(heading: Block) -> str | None:
    return next((kind for kind, pattern in KINDS if pattern.match(heading.text.rstrip())), None)


def _sections(body: Markdown) -> Iterator[_RecordSection]:
    """Yield the sections, each with its text on one line; comments are no text."""
    starts = [place for place, block in enumerate(body.blocks) if block.level in SECTION_LEVELS]
    for place, following in itertools.pairwise([*starts, len(body.blocks)]):
        heading, *blocks = [block for block in body.blocks[place:following] if not is_comment(body, block)]
        blocks = [block for block in blocks if block.kind != RULE]
        prose = [block for block in blocks if block.kind not in (CODE, HTML)]
        yield _RecordSection(heading, _on_one_line(body, blocks), _on_one_line(body, prose))


def _on_one_line(body: Markdown, blocks: list[Block]) -> str:
    return " ".join(word for block in blocks for word in body.text(block.start, block.end).split())
