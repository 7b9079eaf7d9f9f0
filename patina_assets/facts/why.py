"""What happened lately, and why a place is as it is: commits, notes and issues, newest first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from patina_assets.facts.lines import Span
from patina_assets.facts.mentions import NamedFiles, named_threads
from patina_assets.facts.record import RepositoryRecord, ToldCommit
from patina_assets.facts.together import touching
from patina_assets.pairs.items import Item
from patina_assets.passages.forge import COMMENT
from patina_assets.passages.passage import Passage
from patina_assets.search.files.search_file import paths_like

# A name that is no plain word: `read_recipe`, `Searcher.answer`, `readRecipe`, `walk::scan`.
_JOINT = re.compile(r"[_.:]|[a-z][A-Z]")


@dataclass(frozen=True)
class Entry:
    """A commit or a note.

    Attributes:
        passage: What is shown of it; its time is None where that is not known.
        files: What a commit touched, under the newest names.
    """

    passage: Passage
    files: tuple[str, ...] = ()

    @property
    def item(self) -> Item:
        """The commit or the note."""
        return self.passage.item

    @property
    def time(self) -> str | None:
        """When it was written (ISO 8601, UTC); None where that is not known."""
        return self.passage.time

    @property
    def author(self) -> str | None:
        """Who wrote it; None for a note."""
        return self.passage.author


@dataclass(frozen=True)
class Entries:
    """What happened, newest first, and how much more there is."""

    entries: tuple[Entry, ...]
    more: int = 0


@dataclass(frozen=True)
class Why:
    """What happened to a file, or to some lines of it.

    Attributes:
        file: Its newest name.
        former: Names that it had before, sorted.
        removed: Whether it is gone.
        line: The line that was asked for.
        span: The lines that `found` is about, as they stand at HEAD; None for the whole file.
        why_not: Why it is not about the line that was asked for; "" where it is.
        found: Commits, notes and issues, newest first.
    """

    file: str
    former: tuple[str, ...]
    removed: bool
    line: int | None
    span: Span | None
    why_not: str
    found: Entries


def recent(record: RepositoryRecord, days: int | None, path: str | None, k: int, now: datetime) -> Entries:
    """Return what happened last; merges, which change nothing of their own, are left out.

    Args:
        record: What happened.
        days: Only in so many days before now; notes whose time is not known are left out then.
        path: A glob: only commits that touched such a file, and notes that name one or stand in it.
        k: Number of entries.
        now: The time of now.
    """
    since = _before(now, days) if days is not None else ""
    wanted = paths_like(_every_path(record), path) if path is not None else None
    commits = [
        told
        for told in record.commits
        if told.time >= since and not told.is_merge and (wanted is None or not wanted.isdisjoint(told.commit.paths))
    ]
    named = NamedFiles(record.paths) if wanted is not None else None
    notes = [
        note
        for note in record.notes
        if (days is None or (note.time or "") >= since)
        and (wanted is None or named is None or not wanted.isdisjoint(_files_of(note, named)))
    ]
    return _newest([*commits, *notes], k)


def why(
    record: RepositoryRecord,
    path: str,
    k: int,
    *,
    line: int | None,
    span: Span | None,
    why_not: str,
    shas: Sequence[str] | None,
) -> Why:
    """Return what happened to a file, or to lines of it.

    Args:
        record: What happened.
        path: The newest name of the file.
        k: Number of entries.
        line: The line that was asked for.
        span: The lines that the commits changed.
        why_not: Why it is not about the line.
        shas: The commits that changed these lines; None for all that touched the file.
    """
    chosen = set(shas) if shas is not None else None
    commits = [
        told
        for told in (record.commits if chosen is not None else touching(record, path))
        if chosen is None or told.sha in chosen
    ]
    named = NamedFiles(record.paths | {path})
    symbol = _named_symbol(span.symbol) if span is not None and span.kind != "section" else None
    threads = named_threads(record.notes, commits)
    notes = [
        note
        for note in record.notes
        if path in _files_of(note, named)
        or (symbol is not None and symbol.search(note.body))
        or (note.session in threads and note.kind != COMMENT)
    ]
    return Why(
        file=path,
        former=tuple(record.former_names(path)),
        removed=record.is_removed(path),
        line=line,
        span=span,
        why_not=why_not,
        found=_newest([*commits, *notes], k),
    )


def _files_of(note: Passage, named: NamedFiles) -> set[str]:
    """Return the file that a note stands in, those that a pull request changes, and those that either names."""
    return {*filter(None, (note.path,)), *note.paths, *named.named(f"{note.symbol}\n{note.body}")}


def _newest(found: Sequence[ToldCommit | Passage], k: int) -> Entries:
    ordered = sorted(found, key=lambda entry: entry.time or "", reverse=True)  # those of one time stay in their order
    return Entries(tuple(_entry(entry) for entry in ordered[:k]), max(len(ordered) - k, 0))


def _entry(found: ToldCommit | Passage) -> Entry:
    return Entry(found) if isinstance(found, Passage) else Entry(found.passage, tuple(found.commit.paths))


def _every_path(record: RepositoryRecord) -> set[str]:
    return {*record.paths, *(note.path for note in record.notes if note.path is not None)}


def _before(now: datetime, days: int) -> str:
    """Return the time so many days ago, as times of the record are written."""
    try:
        return (now.astimezone(UTC) - timedelta(days=days)).isoformat()
    except OverflowError:  # before all times
        return ""


def _named_symbol(symbol: str) -> re.Pattern[str] | None:
    """Return what finds a symbol in a text; None for a plain word, which may mean anything."""
    if not _JOINT.search(symbol):
        return None
    return re.compile(rf"(?<![\w.:]){re.escape(symbol)}(?!\w)")
