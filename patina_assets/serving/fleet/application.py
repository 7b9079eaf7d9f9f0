"""The fleet's server as an ASGI application: the page, the JSON API and MCP, all below `/patina`, and all only read."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from patina_assets.serving.api import API, json_response
from patina_assets.serving.fleet.answers import FleetAnswers, UnavailableError
from patina_assets.serving.fleet.door import Door
from patina_assets.serving.fleet.gate import GROUPS, Gate
from patina_assets.serving.fleet.tools import FleetTools
from patina_assets.serving.guard import problem
from patina_assets.serving.mcp.http import PATH, answer_in_turn
from patina_assets.serving.operations import CHARACTERS, Parameter, read_values
from patina_assets.serving.routes import PAGE_FILES, PREFIX, page_file
from patina_assets.serving.turns import Turns, answered
from patina_resources.errors import PatinaError
from patina_resources.postgres.connection import MOST_CONNECTIONS

USER_HEADER = "x-forwarded-user"
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
    CHARACTERS,
)
FILES = ("page.css", "dom.js", "results.js", "icon.svg")

Answering = Callable[[Sequence[str], dict[str, Any]], dict[str, Any]]


def fleet_application(answers: FleetAnswers, door: Door) -> ASGIApp:
    """Return the application.

    Args:
        answers: Gives the answers.
        door: What each request has to show.
    """
    # More would only wait for a connection, and then be told that there is none.
    turns = Turns(MOST_CONNECTIONS)
    return Gate(
        Starlette(
            routes=[
                Route(PREFIX, _to_page),
                Route(f"{PREFIX}/", page_file("fleet.html", "text/html")),
                Route(f"{PREFIX}/fleet.js", page_file("fleet.js", "text/javascript")),
                *(Route(f"{PREFIX}/{name}", page_file(name, PAGE_FILES[name])) for name in FILES),
                _route("search", SEARCH, answers.search, turns),
                _route("projects", PROJECTS, lambda groups, values: answers.projects(groups, values["project"]), turns),
                *_mcp_routes(answers, turns),
                # Without it Starlette redirects what ends in a slash too many to the host that the request names.
                Route("/{rest:path}", _not_found),
            ]
        ),
        door,
    )


def _route(name: str, parameters: Sequence[Parameter], answering: Answering, turns: Turns) -> Route:
    def answer(request: Request) -> Response:
        try:
            values = read_values(parameters, request.query_params.multi_items())
            return json_response(answering(request.scope[GROUPS], values))
        except UnavailableError as error:
            return problem(503, str(error))
        except PatinaError as error:
            return problem(400, str(error))

    async def in_turn(request: Request) -> Response:
        return await answered(turns, request, lambda: run_in_threadpool(answer, request), asker)

    return Route(f"{PREFIX}{API}/{name}", in_turn)


def asker(request: HTTPConnection) -> str:
    """Return what tells askers apart: all of them come by the same proxy. It decides who waits, and nothing else.

    Programs of one user are one asker. Where the proxy names no user, groups and programs are told apart.
    """
    user = request.headers.get(USER_HEADER, "")
    return user or "\n".join([*request.scope[GROUPS], request.headers.get("user-agent", "")])


def _not_found(_: Request) -> Response:
    return problem(404, "There is no such address.")


def _to_page(_: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/", 307)


def _mcp_routes(answers: FleetAnswers, turns: Turns) -> Sequence[BaseRoute]:
    return [] if find_spec("mcp") is None else [Route(PATH, _Agents(answers, turns))]


class _Agents:
    """Answers agents. Each request has a server of its own, which holds the groups of who asks and of nobody else."""

    def __init__(self, answers: FleetAnswers, turns: Turns) -> None:
        self._answers, self._turns = answers, turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tools = FleetTools(self._answers, scope[GROUPS])

        def make() -> Any:  # noqa: ANN401 - a class of the SDK, which may not be installed
            from patina_assets.serving.mcp.fleet_sdk import fleet_server

            return fleet_server(tools)._lowlevel_server

        await answer_in_turn(self._turns, asker(HTTPConnection(scope)), make, scope, receive, send)
