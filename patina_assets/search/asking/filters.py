"""What a person limits results to, as a value and as conditions of SQL over a passage file."""

from dataclasses import dataclass

from patina_assets.passages.passage import Group
from patina_resources.errors import PatinaError

# As long as a path may be; SQLite takes no more than 50,000.
MOST_PATTERN_CHARACTERS = 4_096


@dataclass(frozen=True)
class Filters:
    """What a person limits results to; None and empty for no limit.

    Attributes:
        groups: Groups of results.
        path: A glob over paths, such as `src/*.rs`.
        suffixes: Endings of file names, such as `.py`.
        since: Earliest time of a commit, ISO 8601.
        author: A part of the author's name.
    """

    groups: tuple[Group, ...] = ()
    path: str | None = None
    suffixes: tuple[str, ...] = ()
    since: str | None = None
    author: str | None = None

    def conditions(self) -> tuple[str, list[str]]:
        """Return SQL that follows a condition, and its parameters."""
        parts: list[str] = []
        values: list[str] = []
        if self.path is not None:
            parts.append("AND (item.file GLOB ? OR EXISTS (SELECT 1 FROM json_each(paths) WHERE value GLOB ?))")
            values += [self.path, self.path]
        if self.suffixes:
            parts.append(f"AND ({' OR '.join('lower(item.file) LIKE ?' for _ in self.suffixes)})")
            values += [f"%{suffix}" for suffix in self.suffixes]
        if self.since is not None:
            parts.append("AND time >= ?")
            values.append(self.since)
        if self.author is not None:
            parts.append("AND instr(lower(author), lower(?)) > 0")
            values.append(self.author)
        return " ".join(parts), values

    def allows(self, group: Group) -> bool:
        """Return whether results of a group are wanted."""
        return not self.groups or group in self.groups


NO_FILTERS = Filters()


def checked_pattern(path: str | None, name: str = "--path") -> str | None:
    """Return a glob of paths as it was written as the option of a name.

    Raises:
        PatinaError: It is longer than any path.
    """
    if path is not None and len(path) > MOST_PATTERN_CHARACTERS:
        raise PatinaError(f"{name}: expected at most {MOST_PATTERN_CHARACTERS} characters, got {len(path)}")
    return path
