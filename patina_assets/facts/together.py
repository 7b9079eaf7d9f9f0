"""What commits say of a file: what changed with it, and who changed it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from patina_assets.facts.record import RepositoryRecord, ToldCommit
from patina_assets.pairs.commits import MOST_FILES
from patina_resources.eventlog.reader import Row


@dataclass(frozen=True)
class ChangedTogether:
    """A file that was changed in the same commits as another one.

    Attributes:
        file: Its newest name.
        count: The number of these commits; those of more than 50 files do not count.
        commit: The newest of them.
        time: When that was written (ISO 8601, UTC).
        removed: Whether the file is gone.
    """

    file: str
    count: int
    commit: str
    time: str
    removed: bool = False


@dataclass(frozen=True)
class Author:
    """Somebody who wrote commits: a name, and their number."""

    name: str
    commits: int


def touching(record: RepositoryRecord, path: str) -> list[ToldCommit]:
    """Return the commits that touched a file under any of its names, newest first."""
    return [told for told in record.commits if path in told.commit.paths]


def changed_together(record: RepositoryRecord, path: str) -> list[ChangedTogether]:
    """Return the files that changed with a file: those that are there first, then by the number of common commits."""
    counts: Counter[str] = Counter()
    last: dict[str, ToldCommit] = {}
    for told in touching(record, path):
        if len(told.commit.changes) <= MOST_FILES:
            for other in told.commit.paths:
                if other != path:
                    counts[other] += 1
                    last.setdefault(other, told)
    found = [
        ChangedTogether(other, count, last[other].sha, last[other].time, record.is_removed(other))
        for other, count in counts.items()
    ]
    by_time = sorted(found, key=lambda entry: entry.time, reverse=True)
    return sorted(by_time, key=lambda entry: (entry.removed, -entry.count))


def writers(record: RepositoryRecord, rows: Iterable[Row]) -> dict[str, str]:
    """Return who wrote each commit, by its sha: of a person with several names the one in the newest commit.

    Args:
        record: What happened.
        rows: The rows of `AUTHORS`, which know a person by an e-mail address.
    """
    person = {str(row[1]): row[5] for row in rows}
    names: dict[str, str] = {}
    for told in record.commits:
        who = person.get(told.sha)
        if who is not None and who not in names:
            names[who] = told.passage.author or who
    return {sha: names[who] for sha, who in person.items() if who in names}


def authors(commits: Iterable[ToldCommit], writer: Mapping[str, str]) -> list[Author]:
    """Return who wrote commits, most of them first; people of one name count as one.

    Args:
        commits: The commits.
        writer: Of `writers`.
    """
    counts = Counter(writer[told.sha] for told in commits if told.sha in writer)
    return [Author(name, count) for name, count in counts.most_common()]
