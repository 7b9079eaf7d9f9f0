"""The JSON API of the search page: how its operations are answered. All but `note` only read."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from patina_assets.serving.answers.new_notes import written_note
from patina_assets.serving.doors import Doors
from patina_assets.serving.editor import EditorLinks
from patina_assets.serving.guard import problem
from patina_assets.serving.openapi import openapi_document
from patina_assets.serving.operations import OPERATIONS, Operation, values_of
from patina_assets.serving.running import Running
from patina_resources.errors import PatinaError
from patina_resources.store.mothership import mothership

API = "/api/v1"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}


def api_routes(prefix: str, doors: Doors, running: Running) -> Sequence[BaseRoute]:
    """Return the routes of the API.

    Args:
        prefix: What the addresses of ours begin with.
        doors: The projects that are served.
        running: What is being built.
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

    return [
        Route(f"{prefix}{API}/status", status),
        Route(f"{prefix}{API}/openapi.json", document),
        Route(f"{prefix}{API}/note", note, methods=["POST"]),
        *(Route(f"{prefix}{API}/{one.name}", _answering(one, doors)) for one in OPERATIONS),
    ]


def not_found(_: Request) -> Response:
    """Answer an address that there is not."""
    return problem(404, "There is no such address: /patina/api/v1/openapi.json lists all.")


def json_response(document: Any) -> Response:  # noqa: ANN401 - values for JSON
    """Return a response of JSON, in ASCII: a text of a repository may hold half surrogates."""
    return Response(json.dumps(document).encode(), 200, HEADERS, "application/json")


def _answering(operation: Operation, doors: Doors) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        try:
            name, values = values_of(operation, request.query_params.multi_items())
            answers = doors.answers(name)
            document = operation.answer(answers, values)
        except PatinaError as error:
            return problem(400, str(error))
        return json_response(EditorLinks(answers.project.root, doors.editor).added(document))

    return answer
