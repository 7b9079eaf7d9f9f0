"""Source code -> `code.*` events: what every file defines, calls and imports, at the time of the checked-out commit.

A file is read again when its content changed since the last run, told by a hash. Facts that still hold are left as
they are; a function that is gone, or a file, is taken back by a `code.removed` event.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patina_resources.eventlog.writer import Event, EventlogWriter, payload
from patina_resources.materialize.code.facts import ORDER
from patina_resources.materialize.code.languages import is_source, language_of
from patina_resources.materialize.code.source_files import SourceFiles, Unread, is_there, list_sources, read_source
from patina_resources.materialize.code.worker import CodeWorker, UnreadableSourceError
from patina_resources.materialize.git.git_log import path_text
from patina_resources.materialize.git.repository import Repository
from patina_resources.materialize.reconcile import Reconciler
from patina_resources.materialize.report import Progress, ScraperReport

# Goes up when the same file gives other facts, so that every file is read again.
FACTS_VERSION = 1
SCRAPER = "code"
PROGRESS_EVERY = 50
NAMED_FILES = 5


@dataclass
class _Scan:
    """Which files changed since the last run, and which are as they were."""

    changed: dict[bytes, str] = field(default_factory=dict)
    unchanged: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)


def scrape_code(
    repository: Repository, folder: Path, writer: EventlogWriter, *, full: bool, progress: Progress
) -> ScraperReport:
    """Append what changed in the source files below `folder`, in one transaction.

    Args:
        repository: The repository that `folder` is in.
        folder: Where to look for files.
        writer: Where to append.
        full: Read every file, whatever the last run remembered.
        progress: Told of every few files.

    Raises:
        PatinaError: Git failed, or the eventlog cannot be written.
    """
    with writer.transaction():
        head = repository.head()
        if repository.worktree is None or head is None:
            reason = "there are no commits yet" if head is None else "a bare repository has no files"
            return ScraperReport(SCRAPER, skipped=(f"code: {reason}",))
        commit_time = repository.commit_time(head)
        sources = list_sources(repository, folder)
        before = writer.live_counts(SCRAPER)
        known = {} if full else writer.file_digests(SCRAPER)
        scan = _scan(repository.worktree, sources, known)
        reconciler = Reconciler(writer, SCRAPER, commit_time)
        _update(repository.worktree, scan, reconciler, commit_time, progress)
        _remove_vanished(repository.worktree, scan, reconciler)
    return reconciler.report(SCRAPER, before, (*sources.skipped, *scan.skipped))


def event_file(path: bytes) -> str:
    """Return a path as `code.*` events have it: from the repository's top, with a leading `./`."""
    return f"./{path_text(path)}"


def _scan(top: Path, sources: SourceFiles, known: dict[str, str]) -> _Scan:
    scan = _Scan()
    for path in sources.paths:
        content = read_source(top, path)
        file = event_file(path)
        if isinstance(content, Unread):
            if not content.gone:
                scan.skipped.append(f"{path_text(path)}: {content.reason}")
        elif known.get(file) == (digest := _digest(content)):
            scan.unchanged.add(file)
        else:
            scan.changed[path] = digest
    return scan


def _digest(content: bytes) -> str:
    return f"{FACTS_VERSION}:{hashlib.sha256(content).hexdigest()}"


def _update(top: Path, scan: _Scan, reconciler: Reconciler, commit_time: str, progress: Progress) -> None:
    flawed: list[str] = []
    with CodeWorker() as worker:
        for done, path in enumerate(list(scan.changed)):
            if done % PROGRESS_EVERY == 0:
                progress(SCRAPER, done, len(scan.changed))
            file = event_file(path)
            content = read_source(top, path)
            if isinstance(content, Unread) or _digest(content) != scan.changed[path]:
                scan.skipped.append(f"{path_text(path)}: changed while it was read; run again")
                scan.unchanged.add(file)
                del scan.changed[path]
                continue
            try:
                facts, has_errors = worker.read(language_of(file, content).name, content)
            except UnreadableSourceError as error:  # not remembered, so that every run reports it
                scan.skipped.append(f"{path_text(path)}: {error}")
                del scan.changed[path]
                continue
            if has_errors:
                flawed.append(path_text(path))
            reconciler.update(file, _events(file, commit_time, facts), ORDER)
            reconciler.writer.set_file_digest(SCRAPER, file, scan.changed[path])
    progress(SCRAPER, len(scan.changed), len(scan.changed))
    scan.skipped.extend(_flawed_line(flawed))


def _flawed_line(flawed: Sequence[str]) -> Iterator[str]:
    if flawed:
        named = ", ".join(flawed[:NAMED_FILES]) + (", ..." if len(flawed) > NAMED_FILES else "")
        yield f"code: parts of {len(flawed)} file(s) could not be parsed and are left out: {named}"


def _events(file: str, commit_time: str, facts: Sequence[tuple[str, str, dict[str, Any]]]) -> Iterator[Event]:
    for event_type, key, fields in facts:
        yield Event(event_type, commit_time, f"{file}::{key}", file, payload({"file": file, **fields}))


def _remove_vanished(top: Path, scan: _Scan, reconciler: Reconciler) -> None:
    """Take back the events of files that are gone, or are not to be read any more.

    A file in a language that is not read here, but by another tool that writes to the same eventlog, is left alone.
    """
    writer = reconciler.writer
    kept = scan.unchanged | {event_file(path) for path in scan.changed}
    gone = {file for file in writer.live_files(SCRAPER) - kept if is_source(file) or not is_there(top, file)}
    for file in sorted(gone):
        reconciler.remove(file)
    for file in writer.file_digests(SCRAPER).keys() - kept:
        writer.set_file_digest(SCRAPER, file, None)
