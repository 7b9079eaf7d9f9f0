"""Documents (Markdown, reStructuredText) -> `doc.*` events: their sections, at the time of the file's last commit.

A file is read again when its content changed since the last run, told by a hash. A section with the same headings and
the same text is the same fact, wherever it moved in its file; what is gone is taken back by a `doc.removed` event. The
text itself stays in git. Payload of `doc.section`:

    file                  from the worktree's top
    title                 of the document
    headings              around and of the section, outermost first; the text before the first one has none
    section               the last of `headings`, or ""
    digest                SHA-256 (hex) of its text: the lines from start_line to end_line, joined by LF, as UTF-8
    start_line, end_line  from 1, where it stood when it was recorded

Where all sections of a file stand now is in its `doc.file` event, which is replaced as one row when the file changes.
It is like `code.file` (see `code.lines`), with the markup as `language`.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from patina_resources.eventlog.writer import Event, EventlogWriter, payload
from patina_resources.materialize.code.lines import file_fields, without_lines
from patina_resources.materialize.code.source_files import (
    CHANGED_MEANWHILE,
    VENDORED,
    Unread,
    not_checked_out,
    read_regular,
)  # fmt: skip
from patina_resources.materialize.docs.markdown import decoded
from patina_resources.materialize.docs.sections import Section, format_of, sections_of
from patina_resources.materialize.git.git_log import path_text
from patina_resources.materialize.git.last_changed import last_changed
from patina_resources.materialize.git.repository import Repository
from patina_resources.materialize.reconcile import Reconciler
from patina_resources.materialize.report import ScraperReport, TellProgress

# Goes up when the same file gives other sections, so that every file is read again.
SECTIONS_VERSION = 4
SCRAPER = "docs"
KIND = "doc"
SECTION_EVENT, FILE_EVENT = "doc.section", "doc.file"
EVENT_TYPES = (SECTION_EVENT, FILE_EVENT)
PROGRESS_EVERY = 50
BINARY_CHARACTERS = 8192


@dataclass
class _DocumentScan:
    """Which documents changed since the last run, and are to be read; and which are as they were."""

    changed: list[bytes] = field(default_factory=list)
    unchanged: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)


def scrape_documents(
    repository: Repository,
    folder: Path,
    writer: EventlogWriter,
    *,
    notes: Collection[bytes],
    full: bool,
    progress: TellProgress,
) -> ScraperReport:
    """Append what changed in the documents below `folder` that git tracks, in one transaction.

    Args:
        repository: The repository that `folder` is in.
        folder: Where to look for files.
        writer: Where to append.
        notes: Files that are session notes or decision records, from `folder`.
        full: Read every file, whatever the last run remembered.
        progress: Told of every few files.

    Raises:
        PatinaError: Git failed, or the eventlog cannot be written.
    """
    with writer.transaction():
        found = repository.checked_out()
        if isinstance(found, str):
            return ScraperReport(SCRAPER, skipped=(f"docs: {found}",))
        worktree, head = found
        before = writer.live_counts(KIND)
        known = {} if full else writer.file_digests(SCRAPER)
        top = repository.prefix(folder)
        paths = [top + path for path in repository.tracked(folder) if path not in notes]
        scan = _scan(worktree, [path for path in paths if _is_document(path_text(path))], known)
        reconciler = Reconciler(writer, KIND, repository.commit_time(head), without_lines)
        _update(repository, worktree, scan, reconciler, progress)
        _remove_vanished(repository, scan, reconciler)
    return reconciler.report(SCRAPER, before, scan.skipped)


def _is_document(path: str) -> bool:
    return format_of(path) is not None and not VENDORED.intersection(PurePosixPath(path).parts[:-1])


def _scan(top: Path, paths: list[bytes], known: Mapping[str, str]) -> _DocumentScan:
    scan = _DocumentScan()
    for path in paths:
        content = read_regular(top, path)
        if isinstance(content, Unread):
            if not content.gone:
                scan.skipped.append(f"{path_text(path)}: {content.reason}")
        elif known.get(path_text(path)) == _digest(content):
            scan.unchanged.add(path_text(path))
        else:
            scan.changed.append(path)
    return scan


def _digest(content: bytes) -> str:
    return f"{SECTIONS_VERSION}:{hashlib.sha256(content).hexdigest()}"


def _update(
    repository: Repository, top: Path, scan: _DocumentScan, reconciler: Reconciler, progress: TellProgress
) -> None:
    times = last_changed(repository, scan.changed)
    for done, path in enumerate(scan.changed):
        if done % PROGRESS_EVERY == 0:
            progress(SCRAPER, done, len(scan.changed))
        content = read_regular(top, path)
        if isinstance(content, Unread):
            scan.skipped.append(f"{path_text(path)}: {CHANGED_MEANWHILE}")
            continue
        file, text = path_text(path), decoded(content)
        is_binary = "\0" in text[:BINARY_CHARACTERS]
        scan.skipped.extend([f"{file}: binary"] if is_binary else [])
        sections = [] if is_binary else sections_of(file, text)
        events = _events(file, content, sections, times.get(path, reconciler.now))
        reconciler.update(file, events, EVENT_TYPES)
        reconciler.writer.set_file_digest(SCRAPER, file, _digest(content))
    progress(SCRAPER, len(scan.changed), len(scan.changed))


def _events(file: str, content: bytes, sections: list[Section], time: str) -> Iterator[Event]:
    """Yield the events of a document; none of one that has no section."""
    facts = [(SECTION_EVENT, " > ".join(section.headings), _fields(section)) for section in sections]
    for event_type, key, fields in facts:
        yield _event(event_type, time, f"{file}::{key}", file, fields)
    if facts:
        about = file_fields(format_of(file) or "", hashlib.sha256(content).hexdigest(), facts)
        yield _event(FILE_EVENT, time, file, file, about)


def _fields(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "headings": list(section.headings),
        "section": section.headings[-1] if section.headings else "",
        "start_line": section.start_line,
        "end_line": section.end_line,
        "digest": section.digest,
    }


def _event(event_type: str, time: str, source_id: str, file: str, fields: Mapping[str, Any]) -> Event:
    return Event(event_type, time, source_id, file, payload({"file": file, **fields}))


def _remove_vanished(repository: Repository, scan: _DocumentScan, reconciler: Reconciler) -> None:
    """Take back the events of documents that are gone. What a sparse checkout leaves out is not gone."""
    writer = reconciler.writer
    kept = scan.unchanged | {path_text(path) for path in scan.changed}
    gone = (writer.live_files(KIND) | writer.file_digests(SCRAPER).keys()) - kept
    left_out = {path_text(path) for path in not_checked_out(repository)} if gone else set()
    if stays := gone & left_out:
        scan.skipped.append(f"docs: {len(stays)} file(s) are not checked out: what is known of them stays")
        gone -= stays
    for file in sorted(gone):
        reconciler.remove(file)
        writer.set_file_digest(SCRAPER, file, None)
