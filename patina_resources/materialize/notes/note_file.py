"""What one session file or decision record says, as events."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from patina_resources.eventlog.payloads import text_key
from patina_resources.eventlog.writer import Event, payload
from patina_resources.materialize.docs.markdown import decoded
from patina_resources.materialize.notes.decision_records import (
    DecisionRecord,
    is_template,
    read_decision_record,
    record_state,
    whole_status,
)
from patina_resources.materialize.notes.session_header import Header, read_header, session_time
from patina_resources.materialize.notes.session_notes import GOAL, Note, read_notes

FILE_EVENT = "session.file"
EVENT_TYPES = ("session.started", "session.goal", "session.decision", "session.pattern", "session.work",
               "session.context", "session.observation", FILE_EVENT)  # fmt: skip


@dataclass(frozen=True)
class FileNotes:
    """What a session file or decision record says.

    Attributes:
        file: Its path, as events have it.
        digest: SHA-256 (hex) of its content.
        header: What it says about itself.
        notes: Its notes; none for a file that gives no events.
        time: When it says that it was written (ISO 8601); None where it does not.
        status: A decision record's status, as it is written; None where there is none.
        problem: What to say about the file, or "".
        is_read: Whether the file gives events.
    """

    file: str
    digest: str
    header: Header
    notes: Sequence[Note]
    time: str | None
    status: str | None = None
    problem: str = ""
    is_read: bool = True


def read_note_file(file: str, content: bytes, *, is_record: bool) -> FileNotes:
    """Return what a file says.

    Args:
        file: Its path, as events have it.
        content: Its content.
        is_record: Whether it is a decision record rather than a session.
    """
    name = PurePath(file).stem
    header = read_header(decoded(content), name)
    time = session_time(header, name)
    digest = hashlib.sha256(content).hexdigest()
    if not is_record:
        notes = read_notes(header.body)
        problem = header.problem or ("" if notes else "no notes in any known section: only its title is taken")
        return FileNotes(file, digest, header, notes, time, problem=problem)
    record = read_decision_record(header.body, header.title)
    if problem := _no_record(name, header, record):
        return FileNotes(file, digest, header, [], time, problem=problem, is_read=False)
    status = whole_status(header.status or record.status, header.superseded_by or record.superseded_by)
    return FileNotes(file, digest, header, record.notes, time, status, header.problem)


def _no_record(name: str, header: Header, record: DecisionRecord) -> str:
    """Return why a file in a folder of decision records is none, or ""."""
    if is_template(name, header.body):
        return "a template of decision records"
    if not record.notes:
        return header.problem or "no section `Decision` or `Decision Outcome`: not a decision record"
    return ""


def file_events(found: FileNotes, otherwise: str) -> list[Event]:
    """Return a file's events.

    Args:
        found: What it says.
        otherwise: The time of a file that does not say when it was written (ISO 8601).
    """
    return list(_events(found, PurePath(found.file).stem, found.time or otherwise)) if found.is_read else []


def _events(found: FileNotes, session: str, time: str) -> Iterator[Event]:
    header = found.header
    started = {
        "title": header.title,
        "started_at": header.started_at,
        "ended_at": header.ended_at,
        "branch": header.branch,
        "classification": header.classification,
        "files_changed": header.files_changed,
        "commits_made": header.commits_made,
        "file_path": found.file,
    } | _status(found.status)
    yield Event("session.started", time, session, found.file, payload(started))
    for note in sorted(found.notes, key=lambda note: note.kind != GOAL):  # goals first
        fields: dict[str, str | bool] = {"session_id": session, "content": note.content}
        if note.kind == GOAL:
            fields["completed"] = note.completed
        else:
            fields["observation_type"] = note.kind
        yield Event(f"session.{note.kind}", time, session, found.file, payload(fields))
    about = {"file": found.file, "digest": found.digest, "lines": _lines(found)}
    yield Event(FILE_EVENT, time, session, found.file, payload(about))


def _lines(found: FileNotes) -> dict[str, dict[str, list[int]]]:
    lines: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for note in found.notes:
        lines[f"session.{note.kind}"][text_key(note.content)].append(found.header.first_line + note.line)
    return lines


def _status(status: str | None) -> dict[str, str]:
    """Return the keys of a status, which session files of other tools do not have."""
    if status is None:
        return {}
    state = record_state(status)
    return {"status": status} | ({"state": state} if state else {})
