"""What happened in a repository, read from its eventlog at once: commits, files, notes and issues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from patina_assets.pairs.commits import ChangeSet, read_commit
from patina_assets.pairs.files import FILE_HISTORY, Files, read_files
from patina_assets.pairs.types.same_session import NOTE_PLACES, NOTE_TIMES, SAME_SESSION, note_key, of_notes
from patina_assets.passages.forge import FORGE, forge_things
from patina_assets.passages.history import COMMITS, READ_ORDER, commit_passage, note_passage
from patina_assets.passages.passage import Passage
from patina_resources.eventlog.normal_forms import utc_time
from patina_resources.eventlog.reader import Row

SOURCES = (COMMITS, FILE_HISTORY, FORGE, NOTE_PLACES, NOTE_TIMES, READ_ORDER, *SAME_SESSION.sources)


@dataclass(frozen=True)
class ToldCommit:
    """A commit as its event tells it.

    Attributes:
        commit: What it did, its files under their newest names.
        row: The row of `COMMITS`.
        has_several_parents: Whether its event says that it has several parents; older events do not say it.
    """

    commit: ChangeSet
    row: Row
    has_several_parents: bool

    @property
    def sha(self) -> str:
        """Its sha."""
        return self.commit.sha

    @cached_property
    def time(self) -> str:
        """When it was written (ISO 8601, UTC)."""
        return utc_time(self.row[0])

    @property
    def is_merge(self) -> bool:
        """Whether it is a merge, as it is called or by its parents, and changed nothing of its own."""
        return not self.commit.changes and (self.has_several_parents or str(self.row[3]).startswith("Merge "))

    @property
    def passage(self) -> Passage:
        """What is shown of it."""
        return commit_passage(self.row, self.commit)


@dataclass(frozen=True)
class RepositoryRecord:
    """What happened in a repository.

    Attributes:
        rows: The rows of `SOURCES`.
        files: What became of every path.
    """

    rows: Mapping[str, Sequence[Row]]
    files: Files

    @cached_property
    def commits(self) -> list[ToldCommit]:
        """The commits, newest first by their authors' times; of one time the one that was read last."""
        place = {str(sha): seq for sha, seq, _ in self.rows[READ_ORDER.name]}
        merges = {str(sha) for sha, _, is_merge in self.rows[READ_ORDER.name] if is_merge}
        read = ((read_commit(row, self.files), row) for row in self.rows[COMMITS.name])
        told = [ToldCommit(commit, row, commit.sha in merges) for commit, row in read]
        return sorted(told, key=lambda entry: (entry.time, place[entry.sha]), reverse=True)

    @cached_property
    def notes(self) -> list[Passage]:
        """Notes, issues and pull requests, newest first; those whose time is not known come last."""
        lines, times = (of_notes(self.rows[source.name]) for source in (NOTE_PLACES, NOTE_TIMES))
        items = ((item, note_key(item)) for item in SAME_SESSION.derive(self.rows).items)
        notes = [note_passage(item, lines.get(key), _time(times.get(key, ""))) for item, key in items]
        threads = [parts[0] for parts in forge_things(self.rows[FORGE.name]) if parts]
        return sorted([*notes, *threads], key=lambda note: (note.time or "", *note.order()), reverse=True)

    @cached_property
    def paths(self) -> frozenset[str]:
        """The newest name of every file that a commit touched."""
        return frozenset(path for told in self.commits for path in told.commit.paths)

    def name_now(self, path: str) -> str | None:
        """Return the newest name of a file that had this path once; None where no commit says so."""
        name, passed = path, set[str]()
        while name not in self.paths and name not in passed:
            passed.add(name)
            name = self.files.said.get(name) or self.files.names.moved.get(name, name)
        return name if name in self.paths else None

    def former_names(self, path: str) -> list[str]:
        """Return the names that a file had before it had the newest one, sorted."""
        steps = self.files.names.steps.items()
        return sorted(old for old, changes in steps if old != path and any(name == path for _, name in changes))

    def is_removed(self, path: str) -> bool:
        """Return whether a file is gone."""
        return self.files.item(path, "").state is not None


def read_repository_record(rows: Mapping[str, Sequence[Row]]) -> RepositoryRecord:
    """Return what happened, from the rows of `SOURCES`."""
    return RepositoryRecord(rows, read_files(rows[FILE_HISTORY.name]))


def _time(timestamp: str) -> str | None:
    """Return a time in UTC; None for text that is no time."""
    try:
        datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return utc_time(timestamp)
