"""A session note with every kind of note, and what is read of a text."""

from patina_resources.eventlog.writer import Event
from patina_resources.materialize.docs.markdown import parse_markdown
from patina_resources.materialize.notes.note_file import file_events, read_note_file
from patina_resources.materialize.notes.session_notes import Note, read_notes

SESSION = """# Session: Make search quicker
**ID**: 20250804-192537
**Started**: 2025-08-04T23:25:37Z
**LLM**: any
**Git Branch**: faster

## Previous Session Context
We measured.

Then we stopped.

## Goals
- [x] measure again
- [ ] choose an index
* [X] tell the others

## Activity Log
### 19:25 - Session Start
Session initialized with goal: Make search quicker
Working on branch: faster
Tagged as: session-start

### 19:45 - Update (covering since 19:25)

**Git Activity:**
- Commits this session: 4

**Work Completed:**
1. **Measured** the old index
   - twice, on two machines
- Wrote the results down

**Key Decisions:**
- **Use USearch**: it is quick
* Keep one index per projection

**Challenges & Solutions:**
- Slow start -> load lazily

**Patterns Observed:**
- Measure first

### 20:10 - Note
**Finding:** The index is built twice
when a file is saved.

### 20:30 - Cache idea
Keep vectors by digest.
- never embed twice

```bash
# not a heading
- not a note
```

### 21:00 - Update (covering since 19:45)

**Key Decisions and Reasoning:**
1. Store vectors as f16

**Challenges Faced:**
2) Two writers -> one mutex

## Session Classification
- Work Type: pattern-work
- Files Changed:        5
- Commits:        4

## User Prompts (2)
1. `hello`
"""


def notes_of(text: str) -> list[Note]:
    return read_notes(parse_markdown(text, labels=True))


def found(text: str) -> dict[str, list[str]]:
    notes: dict[str, list[str]] = {}
    for note in notes_of(text):
        notes.setdefault(note.kind, []).append(note.content)
    return notes


def events_of(file: str, text: str | bytes, *, is_record: bool = False) -> tuple[list[Event], str]:
    """Return the events of a file but for the one that says where they stand, and what is said about the file."""
    content = text if isinstance(text, bytes) else text.encode()
    read = read_note_file(file, content, is_record=is_record)
    events = file_events(read, "never")
    assert [event.event_type for event in events[-1:]] == ["session.file"] * bool(events)
    return events[:-1], read.problem
