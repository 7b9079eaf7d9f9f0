"""The JSON API of the search page: how its operations are answered. All but `note` only read."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from patina_assets.serving.answers.editor import EditorLinks
from patina_assets.serving.answers.encoded import EncodedAnswer
from patina_assets.serving.answers.new_notes import written_note
from patina_assets.serving.doors import Doors
from patina_assets.serving.guard import problem
from patina_assets.serving.openapi import openapi_document
from patina_assets.serving.operations import OPERATIONS, Operation, values_of
from patina_assets.serving.running import Running
from patina_assets.serving.turns import Turns, answered
from patina_resources.errors import PatinaError
from patina_resources.store.mothership import mothership

API = "/api/v1"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}
# What is large and seldom another is kept by the browser, which asks whether it is still so.
KEPT_HEADERS = {**HEADERS, "Cache-Control": "private, no-cache"}
# More threads would wait for each other, and keep the one that speaks to the network waiting.
MOST_OTHERS = 2
PORTION_BYTES = 64 << 10


class PortionedResponse(Response):
    """A response that is sent as fast as it is read: the server holds no copy of what nobody has read yet."""

    def __init__(self, parts: Sequence[bytes], headers: Mapping[str, str], media_type: str) -> None:
        """Take the parts of the body; the caller may keep them, too."""
        length = str(sum(map(len, parts)))
        super().__init__(headers={**headers, "Content-Length": length}, media_type=media_type)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's parameters
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self._parts:
            for start in range(0, len(part), PORTION_BYTES):
                body = part[start : start + PORTION_BYTES]
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def api_routes(prefix: str, doors: Doors, running: Running, first: Turns) -> Sequence[BaseRoute]:
    """Return the routes of the API.

    Args:
        prefix: What the addresses of ours begin with.
        doors: The projects that are served.
        running: What is being built.
        first: The turns of what somebody waits for.
    """

    def status(_: Request) -> Response:
        return json_response(
            {
                "version": 1,
                "projects": [
                    {
                        "name": name,
                        **answers.status(),
                        "assets": [name] if doors.are_several else [],
                        "notes": doors.takes_notes,
                    }
                    for name, answers in doors.projects.items()
                ],
                "runs": running.runs(),
            }
        )

    async def note(request: Request) -> Response:
        if not doors.takes_notes:
            return problem(403, f"Notes from the page are off: `[notes] from_page = true` in {mothership().settings}.")
        body = await request.body()
        try:
            return json_response(await run_in_threadpool(lambda: written_note(doors.answers, body)))
        except PatinaError as error:
            return problem(400, str(error))

    def document(_: Request) -> Response:
        return json_response(openapi_document(f"{prefix}{API}"))

    others = Turns(MOST_OTHERS)
    return [
        Route(f"{prefix}{API}/status", _in_turn(status, first)),
        Route(f"{prefix}{API}/openapi.json", document),
        Route(f"{prefix}{API}/note", note, methods=["POST"]),
        *(
            Route(f"{prefix}{API}/{one.name}", _in_turn(_answering(one, doors), first if one.goes_first else others))
            for one in OPERATIONS
        ),
    ]


def not_found(_: Request) -> Response:
    """Answer an address that there is not."""
    return problem(404, "There is no such address: /patina/api/v1/openapi.json lists all.")


def json_response(document: Any) -> Response:  # noqa: ANN401 - values for JSON
    """Return a response of JSON, in ASCII: a text of a repository may hold half surrogates."""
    return PortionedResponse((json.dumps(document).encode(),), HEADERS, "application/json")


def _in_turn(answer: Callable[[Request], Response], turns: Turns) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers in a thread when it is its turn."""

    async def in_turn(request: Request) -> Response:
        return await answered(turns, request, lambda: run_in_threadpool(answer, request))

    return in_turn


def _kept_response(found: EncodedAnswer, request: Request) -> Response:
    """Return an answer, or that the one which the browser has kept is still it."""
    headers = {**KEPT_HEADERS, "ETag": f'"{found.digest}"'}
    # It may be one of a list, and what compresses on the way calls it a weak one: `W/"..."`.
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return PortionedResponse(found.parts, headers, "application/json")


def _answering(operation: Operation, doors: Doors) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        try:
            name, values = values_of(operation, request.query_params.multi_items())
            answers = doors.answers(name)
            document = operation.answer(answers, values)
        except PatinaError as error:
            return problem(400, str(error))
        if isinstance(document, EncodedAnswer):
            return _kept_response(document, request)
        return json_response(EditorLinks(answers.project.root, doors.editor).added(document))

    return answer
