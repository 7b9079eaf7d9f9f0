"""Architecture decision records (ADR), in Nygard's or the MADR form, as notes: one record is one session."""

import re
from collections.abc import Iterator

from patina_resources.materialize.notes.session_notes import CONTEXT, DECISION, OBSERVATION, Note

SECTION = re.compile(r"^#{2,3} +(\S.*)$", re.MULTILINE)
KINDS = (
    (DECISION, re.compile(r"decision( outcome)?$", re.IGNORECASE)),
    (CONTEXT, re.compile(r"(context|problem statement|context and problem statement)$", re.IGNORECASE)),
    (OBSERVATION, re.compile(r"((positive |negative )?consequences|decision drivers)$", re.IGNORECASE)),
)


def read_record(body: str, title: str) -> list[Note]:
    """Return a record's decision (with its title), context and consequences; [] for a file that is no record."""
    notes = list(_notes(body, title))
    return notes if any(note.kind == DECISION for note in notes) else []


def _notes(body: str, title: str) -> Iterator[Note]:
    _, *parts = SECTION.split(body)
    for heading, content in zip(parts[::2], parts[1::2], strict=True):
        kind = next((kind for kind, pattern in KINDS if pattern.match(heading.rstrip())), None)
        text = " ".join(content.split())
        if kind is not None and text:
            yield Note(kind, f"{title}: {text}" if kind == DECISION else text)
