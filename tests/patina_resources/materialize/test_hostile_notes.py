"""Any text in the place of a session note or decision record: events that can be stored, in linear time."""

import json

import pytest
from fixed_examples import FIXED
from hypothesis import example, given
from hypothesis import strategies as st

from patina_resources.materialize.docs.markdown import parse_markdown
from patina_resources.materialize.notes.decision_records import read_decision_record
from patina_resources.materialize.notes.note_file import file_events, read_note_file
from patina_resources.materialize.notes.session_header import LONGEST_TITLE, read_header
from patina_resources.materialize.notes.session_notes import read_notes


@FIXED
@given(st.binary(max_size=400), st.booleans())
@example(b'---\ntitle: "\\U99999999"\n---\n', False)
@example(b'---\ntitle: "\\uD800"\n---\n## Goals\n- [x] a goal\n', False)
@example(b'---\ngit: {branch: "\\uDFFF"}\n---\n', False)
@example(b'---\ndate: "\\uD800T05:00"\n---\n', True)
@example(b"---\n? [a]\n: b\n---\n", False)
@example(b"---\n" + b"[" * 5000 + b"\n---\n", False)
def test_any_session_file_gives_events_that_can_be_stored(content: bytes, is_record: bool) -> None:
    name = "layer/sessions/2025-01-01-notes.md"
    read = read_note_file(name, content, is_record=is_record)
    assert "\n" not in read.problem
    for event in file_events(read, "2025-01-01T00:00:00Z"):
        json.loads(event.data)
        f"{event.data}{event.timestamp}{event.source_id}".encode()


WORDS = ("## Goals\n", "- [x] goal", "**Key Decisions:**\n", "- a", "\n", "### 05:57 - x", "## Activity Log\n", "```\n",
         "## Work Completed\n", "1. a\n", "**Started**: 2025", "# Session: t\n", "---\n", " ", "\t", "#", "*", "## ",
         "(covering since ", ")", "## Previous Session Context\n", "Date: ", "**", ":",
         "Files Changed: 9" * 3)  # fmt: skip


@FIXED
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=30).map("".join))
def test_any_markdown_gives_notes_of_known_kinds(text: str) -> None:
    kinds = {"goal", "decision", "pattern", "work", "context", "observation"}
    body = parse_markdown(text, labels=True)
    assert {note.kind for note in [*read_notes(body), *read_decision_record(body, "title").notes]} <= kinds


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("\n" * 1_000_000, 0),
        ("## a" + " " * 1_000_000 + "b", 0),
        ("## Decisions " + "#" * 1_000_000 + "\n- one\n", 1),
        ("# a" + " " * 1_000_000 + "b c", 0),
        ("## Activity Log\n### x" + " " * 1_000_000 + "y\n- one\n", 2),
        ("## Activity Log\n### " + "(covering since " * 60_000 + "\n- one\n", 2),
    ],
    ids=["blank lines", "spaces in a section", "closing marks", "spaces in a title", "spaces in an entry", "covering"],
)
def test_a_session_file_takes_time_in_proportion_to_its_length(text: str, notes: int) -> None:
    # With the square of the length each would take hours.
    assert len(read_note_file("a.md", text.encode(), is_record=False).notes) == notes
    read_note_file("a.md", text.encode(), is_record=True)


def test_a_long_title_is_not_repeated_whole_with_every_decision() -> None:
    text = "# " + "T" * 500_000 + "\n" + "## Decision\nThis.\n" * 2_000
    events = file_events(read_note_file("docs/adr/1.md", text.encode(), is_record=True), "2025-01-01T00:00:00Z")
    assert sum(len(event.data) for event in events) < 2_000 * (LONGEST_TITLE + 300)


def test_headings_mean_what_they_meant() -> None:
    body = (
        "## Key Decisions ##\n- one\n## Patterns observed #\n- two\n### 05:57 - Started (covering since 05:00)\n- x\n"
    )
    notes = [(note.kind, note.content) for note in read_notes(parse_markdown(body, labels=True))]
    assert notes == [("decision", "one"), ("pattern", "two"), ("pattern", "x")]
    entry = "## Activity Log\n### 05:57 - Started  (covering since 05:00)\nText\n"
    assert [note.content for note in read_notes(parse_markdown(entry, labels=True))] == ["Started: Text"]
    empty = "# Title\n## Context\n\n## Decision\n<!-- what -->\n## Consequences\nMore.\n"
    assert read_decision_record(parse_markdown(empty), "Title").notes == []
    record = "# Title\n## Decision Outcome  \n\n\nThis one.\n### Consequences\nMore.\n"
    assert [note.content for note in read_decision_record(parse_markdown(record), "Title").notes] == [
        "Title: This one.",
        "More.",
    ]
    assert read_header("- **Date:** 2025-01-01\n", "n").started_at == "2025-01-01"
    assert read_header("text\n\n  Date: 2025-01-01\n", "n").started_at == "2025-01-01"
