"""Session notes and decision records (Markdown) -> `session.*` events, at the time that the session says it began.

A file is read again when its content changed since the last run, told by a hash. Notes that still stand are left as
they are, wherever they moved in the file; what vanished is taken back by a `session.removed` event.

Where the notes of a file stand now is in its `session.file` event, which is replaced as one row when the file changes:

    file    as source_file
    digest  SHA-256 (hex) of the file's content
    lines   {event type: {key: [line, ...]}}, from 1, by the `text_key` of a note's content
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from patina_resources.eventlog.writer import EventlogWriter
from patina_resources.materialize.code.source_files import CHANGED_MEANWHILE, Unread, not_checked_out, read_regular
from patina_resources.materialize.git.git_log import path_text
from patina_resources.materialize.git.last_changed import last_changed
from patina_resources.materialize.git.repository import Repository
from patina_resources.materialize.git.times import NO_TIME
from patina_resources.materialize.note_globs import GlobbedFiles, matching_files, readable_files
from patina_resources.materialize.reconcile import Reconciler
from patina_resources.materialize.report import ScraperReport, TellProgress

# Goes up when the same file gives other notes, so that every file is read again.
NOTES_VERSION = 8
SCRAPER = "sessions"
KIND = "session"
SESSION_GLOBS = ("layer/sessions/*.md",)
RECORD_GLOBS = (
    "docs/adr/*.md", "docs/adrs/*.md", "doc/adr/*.md", "docs/decisions/*.md", "adr/*.md", "adr-*.md",
    "docs/architecture/decisions/*.md", "doc/architecture/decisions/*.md", "docs/architecture/adr/*.md",
)  # fmt: skip
PROGRESS_EVERY = 50


@dataclass(frozen=True)
class NoteFiles:
    """The session files and decision records of a repository.

    Attributes:
        named: Which of them are read, from the folder, and why the others are not.
        records: Those that are decision records.
    """

    named: GlobbedFiles
    records: frozenset[bytes]


def scrape_sessions(
    repository: Repository,
    folder: Path,
    writer: EventlogWriter,
    *,
    globs: Sequence[str],
    full: bool,
    progress: TellProgress,
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
    with writer.transaction():
        head = repository.head()
        before = writer.live_counts(KIND)
        known = {} if full else writer.file_digests(SCRAPER)
        reconciler = Reconciler(writer, KIND, repository.commit_time(head) if head else NO_TIME)
        files = note_files(repository, folder, globs)
        skipped = list(files.named.skipped)
        changed, kept = _changed(folder, files.named.paths, known, skipped)
        _update(repository, folder, reconciler, changed, files.records, skipped, progress)
        _remove_vanished(repository, folder, reconciler, kept | {path_text(path) for path in changed}, skipped)
    return reconciler.report(SCRAPER, before, skipped)


def note_files(repository: Repository, folder: Path, globs: Sequence[str]) -> NoteFiles:
    """Return the session files that globs name, and the decision records in their usual places.

    Raises:
        PatinaError: A glob is none, or leads out of the folder, or git failed.
    """
    records = frozenset[bytes]().union(*(matching_files(folder, pattern) for pattern in RECORD_GLOBS))
    sessions = {pattern: matching_files(folder, pattern) for pattern in globs}
    named = readable_files(repository, folder, records.union(*sessions.values()))
    named.skipped.extend(
        f"sessions: no file matches `{pattern}`"
        for pattern, found in sessions.items()
        if not found and pattern not in SESSION_GLOBS
    )
    return NoteFiles(named, records)


def known_notes(repository: Repository, folder: Path, writer: EventlogWriter, globs: Sequence[str]) -> set[bytes]:
    """Return the session files and decision records, from `folder`, which are no other documents.

    A file in a folder of records that was read and found to be none, such as a README, is not among them.

    Raises:
        PatinaError: A glob is none, or leads out of the folder, or git failed.
    """
    read, live = writer.file_digests(SCRAPER), writer.live_files(KIND)

    def is_template(file: str) -> bool:
        from patina_resources.materialize.notes.decision_records import is_template_name  # most runs ask of no file

        return is_template_name(PurePath(file).stem)

    named = {path: path_text(path) for path in note_files(repository, folder, globs).named.paths}
    return {path for path, file in named.items() if file in live or file not in read or is_template(file)}


def _update(
    repository: Repository,
    folder: Path,
    reconciler: Reconciler,
    changed: Collection[bytes],
    records: frozenset[bytes],
    skipped: list[str],
    progress: TellProgress,
) -> None:
    """Bring the events of changed files in line with their content; add to `skipped` what is to be said of them."""
    touched: dict[bytes, str] | None = None
    for done, path in enumerate(changed):
        # Imported late: most runs find no new note.
        from patina_resources.materialize.notes.note_file import EVENT_TYPES, file_events, read_note_file

        if done % PROGRESS_EVERY == 0:
            progress(SCRAPER, done, len(changed))
        content = read_regular(folder, path)
        if isinstance(content, Unread):
            skipped.append(f"{path_text(path)}: {CHANGED_MEANWHILE}")
            continue
        found = read_note_file(path_text(path), content, is_record=path in records)
        skipped.extend([f"{found.file}: {found.problem}"] if found.problem else [])
        if found.time is None and touched is None:
            touched = _last_changed(repository, folder, changed)
        events = file_events(found, (touched or {}).get(path, reconciler.now))
        reconciler.update(found.file, events, EVENT_TYPES)
        reconciler.writer.set_file_digest(SCRAPER, found.file, _digest(content))
    progress(SCRAPER, len(changed), len(changed))


def _last_changed(repository: Repository, folder: Path, paths: Collection[bytes]) -> dict[bytes, str]:
    """Return the time of the last commit that touched each path, which is from `folder`."""
    top = repository.prefix(folder)
    found = last_changed(repository, [top + path for path in paths])
    return {path.removeprefix(top): time for path, time in found.items()}


def _changed(
    folder: Path, paths: Sequence[bytes], known: dict[str, str], skipped: list[str]
) -> tuple[list[bytes], set[str]]:
    """Return the files that changed since the last run, and the paths of those that did not."""
    changed: list[bytes] = []
    kept: set[str] = set()
    for path in paths:
        content = read_regular(folder, path)
        if isinstance(content, Unread):
            skipped.append(f"{path_text(path)}: {content.reason}")
        elif known.get(path_text(path)) == _digest(content):
            kept.add(path_text(path))
        else:
            changed.append(path)
    return changed, kept


def _digest(content: bytes) -> str:
    return f"{NOTES_VERSION}:{hashlib.sha256(content).hexdigest()}"


def _remove_vanished(
    repository: Repository, folder: Path, reconciler: Reconciler, kept: set[str], skipped: list[str]
) -> None:
    """Take back the events of files that are gone. What a sparse checkout leaves out is not gone."""
    writer = reconciler.writer
    gone = (writer.live_files(KIND) | writer.file_digests(SCRAPER).keys()) - kept
    top = repository.prefix(folder)
    left_out = {path_text(path.removeprefix(top)) for path in not_checked_out(repository)} if gone else set()
    if stays := gone & left_out:
        skipped.append(f"sessions: {len(stays)} file(s) are not checked out: what is known of them stays")
        gone -= stays
    for file in sorted(gone):
        reconciler.remove(file)
        writer.set_file_digest(SCRAPER, file, None)
