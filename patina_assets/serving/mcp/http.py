"""The MCP server beside the search page: stateless, answered as JSON, behind the checks of the web UI."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from patina_assets.serving.answers.project_answers import ProjectAnswers
from patina_assets.serving.guard import replayed
from patina_assets.serving.mcp.messages import refusal_of
from patina_assets.serving.mcp.tools import Tools
from patina_assets.serving.turns import CrowdedError, Turns, client_of, crowded

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server as LowLevelServer

PATH = "/patina/mcp"


def mcp_routes(projects: Mapping[str, ProjectAnswers], turns: Turns) -> Sequence[BaseRoute]:
    """Return the addresses of the MCP server: one for the first project, and one for each by its name.

    Args:
        projects: The answers of each project by name.
        turns: When each request is answered.

    Returns:
        No address where the SDK is not installed.
    """
    if not projects or find_spec("mcp") is None:
        return []
    endpoints = {name: Endpoint(answers, turns) for name, answers in projects.items()}
    first = next(iter(endpoints.values()))
    return [Route(PATH, first), *(Route(f"{PATH}/{name}", endpoint) for name, endpoint in endpoints.items())]


class Endpoint:
    """An ASGI application that answers each request by itself: no session outlives one."""

    def __init__(self, answers: ProjectAnswers, turns: Turns) -> None:
        """Take the answers of a project, and when they are given; the SDK is imported for the first request."""
        self._answers, self._turns = answers, turns

    @cached_property
    def _server(self) -> "LowLevelServer[Any]":
        from patina_assets.serving.mcp.sdk import agent_server

        return agent_server(Tools(lambda: self._answers))._lowlevel_server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        client = client_of(HTTPConnection(scope))
        await answer_in_turn(self._turns, client, lambda: self._server, scope, receive, send)


async def answer_in_turn(
    turns: Turns, client: str, make: "Callable[[], LowLevelServer[Any]]", scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one request of an agent when it is its client's turn.

    Who reads the answer slowly holds no turn: it is sent after it.

    Args:
        turns: Whose turn it is.
        client: Who asks.
        make: Makes the server, in a thread: to import the SDK takes a second.
        scope: Of the request, as ASGI has it.
        receive: Likewise.
        send: Likewise.
    """
    answer: list[Message] = []

    async def keep(message: Message) -> None:
        answer.append(message)

    try:
        async with turns.turn(client):
            await _answer(make, scope, receive, keep)
    except CrowdedError:
        await crowded()(scope, receive, send)
    for message in answer:
        await send(message)


async def _answer(make: "Callable[[], LowLevelServer[Any]]", scope: Scope, receive: Receive, send: Send) -> None:
    if scope["method"] != "POST":  # there is no session to listen to, and none to end
        refusal = JSONResponse({"error": "only POST is answered here"}, 405, {"Allow": "POST"})
        await refusal(scope, receive, send)
        return
    body = await Request(scope, receive).body()
    refused = await run_in_threadpool(refusal_of, body)
    if refused is not None:
        await Response(refused, 400, media_type="application/json")(scope, receive, send)
        return
    server = await run_in_threadpool(make)
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    async with manager.run():
        await manager.handle_request(scope, replayed(body, receive), send)
