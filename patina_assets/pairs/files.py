"""Files as items: each under its newest name over its whole history, and marked where it is gone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patina_assets.pairs.items import Item
from patina_resources.eventlog.file_names import PATHS_SQL, FileNames, follow, read_paths
from patina_resources.eventlog.reader import Row, Source

if TYPE_CHECKING:
    from patina_assets.pairs.commits import ChangeSet

FILE_HISTORY = Source("git.paths", PATHS_SQL)
REMOVED = "removed"


@dataclass(frozen=True, eq=False)
class Files:
    """What became of every path.

    Attributes:
        names: What commits tell.
        said: What `git.file` events say beside that: the name of a path now, or None for one that is gone.
        told: Commits that were read with it, by what their rows say: they go when it goes.
    """

    names: FileNames
    said: Mapping[str, str | None]
    told: "dict[tuple[object, ...], ChangeSet]" = field(default_factory=dict, repr=False)

    def name(self, time: str, path: str) -> str:
        """Return the newest name of the file that a commit of a time (in UTC) knows as `path`."""
        told = self.names.name(time, path)
        return self.said.get(told) or told

    def item(self, name: str, text: str) -> Item:
        """Return a file as an item.

        Args:
            name: Its newest name.
            text: Its text.
        """
        there = self.said[name] is not None if name in self.said else self.names.told_as_there(name)
        return Item("file", text, file=name, state=None if there else REMOVED, identity=name)


# The rows that were read last, which nobody changes: all pair types of a build that learn from history get the same.
_last: list[tuple[Sequence[Row], Files]] = []


def read_files(rows: Sequence[Row]) -> Files:
    """Return what became of every path, from the rows of `FILE_HISTORY`."""
    for read, files in _last:
        if read is rows:
            return files
    changes, said = read_paths(rows)
    files = Files(follow(changes), said)
    _last[:] = [(rows, files)]  # another thread may replace it at once
    return files
