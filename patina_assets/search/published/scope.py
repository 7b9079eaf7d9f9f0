"""What a question to a fleet is limited to, as a value and as conditions of SQL over the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from patina_assets.passages.passage import Group
from patina_assets.search.asking.filters import Filters
from patina_assets.search.published.rows import clean
from patina_assets.search.published.session import SeenProject, like_pattern

LISTED = "(%(projects)s::integer[] IS NULL OR project_id = ANY (%(projects)s))"
# CASE keeps a long list out of the indexes, which are asked once for each of it, and out of the planner's estimates.
AMONG_MANY = f"CASE WHEN {LISTED} THEN true END"
MOST_LISTED = 20


@dataclass(frozen=True)
class Scope:
    """What a question is limited to.

    Attributes:
        filters: What results are limited to.
        projects: The projects that are searched: those that the asker may see and asks for.
        is_all: Whether that is all that the asker may see.
    """

    filters: Filters
    projects: Sequence[SeenProject]
    is_all: bool

    @cached_property
    def numbers(self) -> str | None:
        """Numbers of the projects, as Postgres reads an array; None for all that the asker may see."""
        return None if self.is_all else f"{{{','.join(str(project.number) for project in self.projects)}}}"

    @property
    def among(self) -> str:
        """The condition that a row is of these projects."""
        return LISTED if self.is_all or len(self.projects) <= MOST_LISTED else AMONG_MANY

    @cached_property
    def passages(self) -> int:
        """The number of passages that are searched, before filters."""
        return sum(project.passages for project in self.projects)

    @property
    def kinds(self) -> list[str]:
        """Names of the groups of results."""
        return [str(group) for group in Group if self.filters.allows(group)]

    def values(self) -> dict[str, Any]:
        """Return the parameters of CONDITIONS."""
        filters = self.filters
        endings = [like_pattern(f"*{suffix}") for suffix in filters.suffixes]
        return {
            "kinds": self.kinds,
            "projects": self.numbers,
            "path": None if filters.path is None else clean(like_pattern(filters.path)),
            "endings": endings or None,
            "since": clean(filters.since),
            "author": None if filters.author is None else clean(f"%{like_pattern(filters.author.lower())}%"),
        }
