"""Session notes and decision records (Markdown) -> `session.*` events, at the time that the session says it began.

A file is read again when its content changed since the last run, told by a hash. Notes that still stand are left as
they are; what vanished is taken back by a `session.removed` event.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from patina_resources.eventlog.writer import Event, EventlogWriter, payload
from patina_resources.materialize.code.source_files import Unread, read_regular
from patina_resources.materialize.git.git_log import NO_TIME, path_text
from patina_resources.materialize.git.repository import Repository
from patina_resources.materialize.note_globs import matching_files
from patina_resources.materialize.notes.decision_records import read_record
from patina_resources.materialize.notes.session_header import Header, read_header, session_time
from patina_resources.materialize.notes.session_notes import GOAL, Note, read_notes
from patina_resources.materialize.reconcile import Reconciler
from patina_resources.materialize.report import Progress, ScraperReport

# Goes up when the same file gives other notes, so that every file is read again.
NOTES_VERSION = 2
SCRAPER = "sessions"
KIND = "session"
SESSION_GLOBS = ("layer/sessions/*.md",)
RECORD_GLOBS = ("docs/adr/*.md", "docs/adrs/*.md", "doc/adr/*.md", "docs/decisions/*.md", "adr/*.md")
EVENT_TYPES = ("session.started", "session.goal", "session.decision", "session.pattern", "session.work",
               "session.context", "session.observation")  # fmt: skip
PROGRESS_EVERY = 50


def scrape_sessions(
    repository: Repository,
    folder: Path,
    writer: EventlogWriter,
    *,
    globs: Sequence[str],
    full: bool,
    progress: Progress,
) -> ScraperReport:
    """Append what changed in the session files and decision records below `folder`, in one transaction.

    Args:
        repository: The repository that `folder` is in.
        folder: Where to look; paths in events are relative to it.
        writer: Where to append.
        globs: Session files, relative to `folder`; decision records are looked for in their usual places too.
        full: Read every file, whatever the last run remembered.
        progress: Told of every few files.

    Raises:
        PatinaError: A glob is none, or leads out of the folder, git failed, or the eventlog cannot be written.
    """
    skipped: list[str] = []
    with writer.transaction():
        head = repository.head()
        before = writer.live_counts(KIND)
        known = {} if full else writer.file_digests(SCRAPER)
        reconciler = Reconciler(writer, KIND, repository.commit_time(head) if head else NO_TIME)
        records = set().union(*(matching_files(folder, pattern) for pattern in RECORD_GLOBS))
        sessions = {pattern: matching_files(folder, pattern) for pattern in globs}
        skipped.extend(
            f"sessions: no file matches `{pattern}`"
            for pattern, found in sessions.items()
            if not found and pattern not in SESSION_GLOBS
        )
        changed, kept = _changed(folder, sorted(records.union(*sessions.values())), known, skipped)
        _update(reconciler, changed, records, skipped, progress)
        _remove_vanished(reconciler, kept | {path_text(path) for path in changed})
    return reconciler.report(SCRAPER, before, skipped)


def _update(
    reconciler: Reconciler, changed: Mapping[bytes, bytes], records: set[bytes], skipped: list[str], progress: Progress
) -> None:
    """Bring the events of changed files in line with their content; add to `skipped` what is to be said of them."""
    for done, (path, content) in enumerate(changed.items()):
        if done % PROGRESS_EVERY == 0:
            progress(SCRAPER, done, len(changed))
        file = path_text(path)
        text = content.decode("utf-8", "replace")
        events, problem = file_events(file, text, path in records, reconciler.now)
        skipped.extend([f"{file}: {problem}"] if problem else [])
        reconciler.update(file, events, EVENT_TYPES)
        reconciler.writer.set_file_digest(SCRAPER, file, _digest(content))
    progress(SCRAPER, len(changed), len(changed))


def file_events(file: str, text: str, is_record: bool, otherwise: str) -> tuple[list[Event], str]:
    """Return a file's events, and what to say about it ("" for nothing).

    Args:
        file: Its path, as events have it.
        text: Its content.
        is_record: Whether it is a decision record rather than a session.
        otherwise: The time of a file that does not say when it was written (ISO 8601).
    """
    name = PurePath(file).stem
    header = read_header(text, name)
    notes = read_record(header.body, header.title) if is_record else read_notes(header.body, text)
    if is_record and not notes:
        return [], header.problem or "no section `Decision` or `Decision Outcome`: not a decision record"
    problem = header.problem or ("" if notes else "no notes in any known section: only its title is taken")
    return list(_events(file, name, header, notes, session_time(header, name, otherwise))), problem


def _events(file: str, session: str, header: Header, notes: Sequence[Note], time: str) -> Iterator[Event]:
    started = {
        "title": header.title,
        "started_at": header.started_at,
        "ended_at": header.ended_at,
        "branch": header.branch,
        "classification": header.classification,
        "files_changed": header.files_changed,
        "commits_made": header.commits_made,
        "file_path": file,
    }
    yield Event("session.started", time, session, file, payload(started))
    for note in sorted(notes, key=lambda note: note.kind != GOAL):  # goals first
        fields: dict[str, str | bool] = {"session_id": session, "content": note.content}
        if note.kind == GOAL:
            fields["completed"] = note.completed
        else:
            fields["observation_type"] = note.kind
        yield Event(f"session.{note.kind}", time, session, file, payload(fields))


def _changed(
    folder: Path, paths: Sequence[bytes], known: dict[str, str], skipped: list[str]
) -> tuple[dict[bytes, bytes], set[str]]:
    """Return the content of files that changed since the last run, and the paths of those that did not."""
    changed: dict[bytes, bytes] = {}
    kept: set[str] = set()
    for path in paths:
        content = read_regular(folder, path)
        if isinstance(content, Unread):
            skipped.append(f"{path_text(path)}: {content.reason}")
        elif known.get(path_text(path)) == _digest(content):
            kept.add(path_text(path))
        else:
            changed[path] = content
    return changed, kept


def _digest(content: bytes) -> str:
    return f"{NOTES_VERSION}:{hashlib.sha256(content).hexdigest()}"


def _remove_vanished(reconciler: Reconciler, kept: set[str]) -> None:
    writer = reconciler.writer
    for file in sorted(writer.live_files(KIND) - kept):
        reconciler.remove(file)
    for file in writer.file_digests(SCRAPER).keys() - kept:
        writer.set_file_digest(SCRAPER, file, None)
