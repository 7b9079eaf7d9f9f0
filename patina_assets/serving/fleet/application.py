"""The JSON API of the fleet as an ASGI application: `/api/v1/search` and `/api/v1/projects`, both only read."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from patina_assets.pipeline.plain_text import one_line
from patina_assets.search.asking.chosen import chosen_filters
from patina_assets.search.published.answers import FleetQuestion, answer_of_fleet
from patina_assets.search.published.session import asking, seen_projects
from patina_assets.serving.api import API, json_response
from patina_assets.serving.checks import Refusal
from patina_assets.serving.fleet.door import Door
from patina_assets.serving.guard import problem
from patina_assets.serving.operations import Parameter, read_values
from patina_assets.terminal.hits import hit_document
from patina_resources.errors import PatinaError
from patina_resources.postgres.address import FleetAddress
from patina_resources.postgres.connection import StoreError, told

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

MOST_HITS = 50
MOST_QUESTION = 10_000
NOT_AVAILABLE = "The search is not available: whoever runs it finds the reason in its log."
PROJECTS = (Parameter("project", "Only projects whose names are like this glob."),)
SEARCH = (
    Parameter("q", "Words or a question.", needed=True),
    *PROJECTS,
    Parameter("group", "Only projects that this group of yours may see."),
    Parameter("kind", "Only code, docs, commits or notes; may be written several times.", "texts", ()),
    Parameter("path", "Only files like this glob."),
    Parameter("language", "Only files of a language, such as python."),
    Parameter("since", "Only commits, notes and issues since a date."),
    Parameter("author", "Only commits and issues of an author."),
    Parameter("limit", "Number of results, 1 to 50.", "number", 10),
)

Answering = Callable[["psycopg.Connection[Any]", tuple[str, ...], Request], dict[str, Any]]


def fleet_application(pool: "ConnectionPool[Any]", address: FleetAddress, door: Door) -> Starlette:
    """Return the application.

    Args:
        pool: Connections to the store.
        address: Where it is, for the log.
        door: What requests have to show.
    """

    def search(connection: "psycopg.Connection[Any]", groups: tuple[str, ...], request: Request) -> dict[str, Any]:
        values = read_values(SEARCH, request.query_params.multi_items())
        if len(values["q"]) > MOST_QUESTION or not 1 <= values["limit"] <= MOST_HITS:
            raise PatinaError(f"expected at most {MOST_QUESTION} characters of q, and a limit of 1 to {MOST_HITS}")
        names = ("path", "language", "since", "author")
        filters = chosen_filters(values["kind"], *(values[name] or None for name in names), prefix="")
        question = FleetQuestion(values["q"], values["limit"], filters, values["project"], values["group"])
        answer = answer_of_fleet(connection, address, groups, question)
        hits = [{"project": one.project, **hit_document(rank, one.hit)} for rank, one in enumerate(answer.hits, 1)]
        return {"version": 1, "hits": hits, "doubtful": answer.doubtful}

    def projects(connection: "psycopg.Connection[Any]", groups: tuple[str, ...], request: Request) -> dict[str, Any]:
        pattern = read_values(PROJECTS, request.query_params.multi_items())["project"]
        with asking(connection, address, groups) as seen:
            found = seen_projects(seen, pattern)
        return {"version": 1, "projects": [{"name": one.name, "passages": one.passages} for one in found]}

    def route(name: str, answering: Answering) -> Route:
        def answer(request: Request) -> Response:
            groups = door.groups(request.headers.raw)
            if isinstance(groups, Refusal):
                return problem(groups.status, groups.reason)
            try:
                with told(address), pool.connection() as connection:
                    return json_response(answering(connection, groups, request))
            except StoreError as error:
                print(f"patina: {one_line(str(error))}", file=sys.stderr)
                return problem(503, NOT_AVAILABLE)
            except PatinaError as error:
                return problem(400, str(error))

        return Route(f"{API}/{name}", answer)

    return Starlette(routes=[route("search", search), route("projects", projects)])
