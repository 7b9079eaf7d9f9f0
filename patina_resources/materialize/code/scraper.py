"""Source code -> `code.*` events: what every file defines, calls and imports, at the time of the checked-out commit.

Of other text (`plain_text`), only its `code.file` event is told.

A file is read again when its content changed since the last run, told by a hash. Facts that still hold are left as
they are, wherever they moved in the file (`lines`); a function that is gone, or a file, is taken back by a
`code.removed` event.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patina_resources.eventlog.writer import Event, EventlogWriter, payload
from patina_resources.materialize.code.languages.languages import is_source, language_of, origin_of
from patina_resources.materialize.code.lines import FILE_EVENT, file_fields, without_lines
from patina_resources.materialize.code.plain_text import LANGUAGE as TEXT
from patina_resources.materialize.code.plain_text import holds_key
from patina_resources.materialize.code.source_files import (
    CHANGED_MEANWHILE,
    DEFAULT_INCLUDE,
    SourceFiles,
    Unread,
    is_text,
    is_there,
    list_sources,
    not_checked_out,
    read_source,
)  # fmt: skip
from patina_resources.materialize.code.worker import CodeWorker, UnreadableSourceError
from patina_resources.materialize.git.git_log import path_text
from patina_resources.materialize.git.repository import Repository
from patina_resources.materialize.reconcile import Reconciler
from patina_resources.materialize.report import TYPES_OF_FACTS, ScraperReport, TellProgress

# Goes up when the same file gives other facts, so that every file is read again.
FACTS_VERSION = 12
SCRAPER = "code"
# The types of the events that are written here, so that they are also taken back here.
OWNED = (*TYPES_OF_FACTS, FILE_EVENT)
PROGRESS_EVERY = 50
NAMED_FILES = 5


@dataclass
class _CodeScan:
    """Which files changed since the last run, and which are as they were.

    Attributes:
        changed: The digest of each file that is to be read, by path.
        unchanged: Files whose events stay.
        skipped: Why files were left out.
        unparsed: By language: bytes that could not be parsed, of each file that has any; all where the parser gave up.
        bytes_read: By language: bytes of all these files.
    """

    changed: dict[bytes, str] = field(default_factory=dict)
    unchanged: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)
    unparsed: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    bytes_read: Counter[str] = field(default_factory=Counter)


def scrape_code(
    repository: Repository,
    folder: Path,
    writer: EventlogWriter,
    *,
    include: Sequence[str] = DEFAULT_INCLUDE,
    full: bool,
    progress: TellProgress,
) -> ScraperReport:
    """Append what changed in the source files below `folder`, in one transaction.

    Args:
        repository: The repository that `folder` is in.
        folder: Where to look for files.
        writer: Where to append.
        include: Folders and files that are read although they look vendored or generated.
        full: Read every file, whatever the last run remembered.
        progress: Told of every few files.

    Raises:
        PatinaError: Git failed, or the eventlog cannot be written.
    """
    with writer.transaction():
        found = repository.checked_out()
        if isinstance(found, str):
            return ScraperReport(SCRAPER, skipped=(f"code: {found}",))
        worktree, head = found
        commit_time = repository.commit_time(head)
        sources = list_sources(repository, folder, include)
        before = writer.live_counts(SCRAPER)
        known = {} if full else writer.file_digests(SCRAPER)
        scan = _scan(repository, worktree, sources, known)
        reconciler = Reconciler(writer, SCRAPER, commit_time, without_lines)
        _update(worktree, sources, scan, reconciler, progress)
        _remove_vanished(worktree, scan, reconciler)
    return reconciler.report(SCRAPER, before, (*sources.skipped, *scan.skipped, *_unparsed_lines(scan)))


def event_file(path: bytes) -> str:
    """Return a path as `code.*` events have it: from the repository's top, with a leading `./`."""
    return f"./{path_text(path)}"


def _scan(repository: Repository, top: Path, sources: SourceFiles, known: dict[str, str]) -> _CodeScan:
    scan = _CodeScan()
    gone: list[bytes] = []
    for path in sources.paths:
        content = read_source(top, path, included=path in sources.included)
        file = event_file(path)
        if isinstance(content, Unread):
            if content.gone:
                gone.append(path)
            elif not is_text(path_text(path)):
                scan.skipped.append(f"{path_text(path)}: {content.reason}")
        elif known.get(file) == (digest := _digest(file, content)):
            scan.unchanged.add(file)
        elif path in sources.included or not (is_text(path_text(path)) and holds_key(content)):
            scan.changed[path] = digest
    # What a sparse checkout leaves out is in the repository: what is known of it still holds.
    if gone and (left_out := not_checked_out(repository).intersection(gone)):
        scan.unchanged.update(event_file(path) for path in left_out)
        scan.skipped.append(f"code: {len(left_out)} file(s) are not checked out: what is known of them stays")
    return scan


def _digest(file: str, content: bytes) -> str:
    """Return what a file's facts depend on: its content, and what reads it: we, a plugin, or nothing but its text."""
    plugin = origin_of(file)
    reader = f" {plugin}" if plugin else "text" if is_text(file) else ""
    return f"{FACTS_VERSION}{reader}:{hashlib.sha256(content).hexdigest()}"


def _is_of_plugin(digest: str | None) -> bool:
    """Return whether a digest of `_digest` is of a file that a plugin's language was read in."""
    return digest is not None and " " in digest


def _update(top: Path, sources: SourceFiles, scan: _CodeScan, reconciler: Reconciler, progress: TellProgress) -> None:
    commit_time = reconciler.now
    read_before = reconciler.writer.file_digests(SCRAPER) if scan.changed else {}
    with CodeWorker() as worker:
        for done, path in enumerate(list(scan.changed)):
            from patina_resources.materialize.code.names import default_name  # most runs find no changed file

            if done % PROGRESS_EVERY == 0:
                progress(SCRAPER, done, len(scan.changed))
            file = event_file(path)
            content = read_source(top, path, included=path in sources.included)
            if isinstance(content, Unread) or _digest(file, content) != scan.changed[path]:
                scan.skipped.append(f"{path_text(path)}: {CHANGED_MEANWHILE}")
                scan.unchanged.add(file)
                del scan.changed[path]
                continue
            is_parsed = not is_text(file)
            language = language_of(file, content).name if is_parsed else TEXT
            try:
                facts, unread_bytes = worker.read(language, content, default_name(file)) if is_parsed else ([], 0)
            except UnreadableSourceError as error:  # not remembered, so that every run reports it
                scan.skipped.append(f"{path_text(path)}: {error}")
                scan.bytes_read[language] += len(content)
                scan.unparsed[language][path_text(path)] = len(content)
                del scan.changed[path]
                continue
            scan.bytes_read[language] += len(content)
            if unread_bytes:
                scan.unparsed[language][path_text(path)] = unread_bytes
            about = file_fields(language, hashlib.sha256(content).hexdigest(), facts)
            events = [*_events(file, commit_time, facts), _event(FILE_EVENT, commit_time, file, file, about)]
            # What another tool says of a language that is not read here stays.
            is_ours = is_parsed or _is_of_plugin(read_before.get(file))
            reconciler.update(file, events, OWNED if is_ours else (FILE_EVENT,))
            reconciler.writer.set_file_digest(SCRAPER, file, scan.changed[path])
    progress(SCRAPER, len(scan.changed), len(scan.changed))


def _unparsed_lines(scan: _CodeScan) -> Iterator[str]:
    """Yield for each language how many of the files that were read are parsed in part, and how much is left out."""
    for language, files in sorted(scan.unparsed.items()):
        worst = sorted(files, key=lambda file: (-files[file], file))
        named = ", ".join(worst[:NAMED_FILES]) + (", ..." if len(worst) > NAMED_FILES else "")
        share = sum(files.values()) / max(scan.bytes_read[language], 1)
        yield (
            f"code: {language}: parts of {len(files)} file(s), {share:.2%} of the text of its files, could not be "
            f"parsed and are left out: {named}"
        )


def _events(file: str, commit_time: str, facts: Sequence[tuple[str, str, dict[str, Any]]]) -> Iterator[Event]:
    for event_type, key, fields in facts:
        yield _event(event_type, commit_time, f"{file}::{key}", file, fields)


def _event(event_type: str, commit_time: str, source_id: str, file: str, fields: dict[str, Any]) -> Event:
    return Event(event_type, commit_time, source_id, file, payload({"file": file, **fields}))


def _remove_vanished(top: Path, scan: _CodeScan, reconciler: Reconciler) -> None:
    """Take back the events of files that are gone, or are not to be read any more.

    What another tool that writes to the same eventlog says of a file in a language that is not read here is left alone.
    What was read here, by a plugin that is gone, is not.
    """
    writer = reconciler.writer
    kept = scan.unchanged | {event_file(path) for path in scan.changed}
    read_before = writer.file_digests(SCRAPER)
    for file in sorted(writer.live_files(SCRAPER) - kept):
        if is_source(file) or _is_of_plugin(read_before.get(file)) or not is_there(top, file):
            reconciler.remove(file)
        elif file in read_before:
            reconciler.update(file, (), (FILE_EVENT,))
    for file in read_before.keys() - kept:
        writer.set_file_digest(SCRAPER, file, None)
