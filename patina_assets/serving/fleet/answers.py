"""What the fleet answers to who asks, for the API, the page and agents. The groups are those of one request."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from patina_assets.pipeline.plain_text import one_line
from patina_assets.search.asking.chosen import chosen_filters
from patina_assets.search.published.answers import FleetQuestion, answer_of_fleet
from patina_assets.search.published.session import asking, seen_projects
from patina_assets.serving.answers.bounds import AnswerDocument, between, question
from patina_assets.serving.answers.documents import hit_of
from patina_resources.errors import PatinaError
from patina_resources.postgres.address import FleetAddress
from patina_resources.postgres.connection import StoreError, told

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

MOST_HITS = 50
NOT_AVAILABLE = "The search is not available: whoever runs it finds the reason in its log."
FILTERS = ("path", "language", "since", "author")


class UnavailableError(PatinaError):
    """The store cannot be used; the sentence does not say where it is."""


class FleetAnswers:
    """Gives answers from a store. Several threads may ask."""

    def __init__(self, pool: "ConnectionPool[Any]", address: FleetAddress) -> None:
        """Take connections to the store, and where it is, for the log."""
        self._pool, self._address = pool, address

    def search(self, groups: Sequence[str], values: Mapping[str, Any]) -> AnswerDocument:
        """Return what fits a question best, as far as some groups may see it.

        Args:
            groups: The groups of who asks.
            values: q, project, group, kind, limit, characters, and FILTERS.

        Raises:
            PatinaError: Something that is asked for is not possible, or the store cannot be used.
        """
        limit = between("limit", values["limit"], 1, MOST_HITS)
        filters = chosen_filters(values["kind"], *(values[name] or None for name in FILTERS), prefix="")
        # An empty field of the page asks for nothing.
        projects, group = (values[name] or None for name in ("project", "group"))
        asked = FleetQuestion(question(values["q"]), limit, filters, projects, group)
        try:
            with told(self._address), self._pool.connection() as connection:
                answer = answer_of_fleet(connection, self._address, groups, asked)
        except StoreError as error:
            raise _unavailable(error) from error
        hits = [
            {"project": one.project, **hit_of(rank, one.hit, values["q"], values["characters"])}
            for rank, one in enumerate(answer.hits, 1)
        ]
        return {"version": 1, "hits": hits, "doubtful": answer.doubtful, "projects": list(answer.projects)}

    def projects(self, groups: Sequence[str], pattern: str | None) -> AnswerDocument:
        """Return the projects that some groups may see, with how many passages each has.

        Args:
            groups: The groups of who asks.
            pattern: A glob over names; None for all.

        Raises:
            PatinaError: The store cannot be used.
        """
        try:
            with (
                told(self._address),
                self._pool.connection() as connection,
                asking(connection, self._address, groups) as seen,
            ):
                found = seen_projects(seen, pattern)
        except StoreError as error:
            raise _unavailable(error) from error
        return {"version": 1, "projects": [{"name": one.name, "passages": one.passages} for one in found]}


def _unavailable(error: StoreError) -> UnavailableError:
    print(f"patina: {one_line(str(error))}", file=sys.stderr)
    return UnavailableError(NOT_AVAILABLE)
