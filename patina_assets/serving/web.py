"""The web application that `patina ui` serves: our pages, and Dagster's."""

from collections.abc import Awaitable, Callable, Mapping

from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster_webserver.webserver import DagsterWebserver
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from patina_assets.serving.checks import Site
from patina_assets.serving.doors import Doors
from patina_assets.serving.guard import Guard
from patina_assets.serving.routes import patina_routes
from patina_assets.serving.running import Running
from patina_assets.serving.turns import Turns, answered
from patina_resources.documents.json_value import json_value

POLL_MILLISECONDS = 2000
MOST_QUERIES = 6
# Dagster takes these keys of a body for these types, and fails at anything else.
QUERY = {"query": (str, "a string"), "variables": (dict, "an object"), "operationName": (str, "a string")}
REPORT = {"asset_key": (list, "a list")}


class _Webserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's, with our pages. Where Dagster fails at a wrong body or path of a log, it refuses it."""

    def __init__(self, context: WorkspaceProcessContext, doors: Doors) -> None:
        self._doors, self._running, self._turns = doors, Running(context.instance), Turns(MOST_QUERIES)
        super().__init__(context, live_data_poll_rate=POLL_MILLISECONDS)

    def build_routes(self) -> list[BaseRoute]:
        theirs: list[BaseRoute] = super().build_routes()  # type: ignore[no-untyped-call]
        return [*patina_routes(self._doors, self._running), *theirs]

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Answer a query when it is its turn: searches share the processor with all that are answered."""
        theirs: Callable[[Request], Awaitable[Response]] = super().graphql_http_endpoint
        await _check_body(request, QUERY)
        return await answered(self._turns, request, lambda: theirs(request))

    async def report_asset_materialization_endpoint(self, request: Request) -> JSONResponse:
        await _check_body(request, REPORT)
        return await super().report_asset_materialization_endpoint(request)

    async def report_asset_check_endpoint(self, request: Request) -> JSONResponse:
        await _check_body(request, REPORT)
        return await super().report_asset_check_endpoint(request)

    async def report_asset_observation_endpoint(self, request: Request) -> JSONResponse:
        await _check_body(request, REPORT)
        return await super().report_asset_observation_endpoint(request)

    async def download_captured_logs_endpoint(self, request: Request) -> Response:
        try:
            response: Response = await super().download_captured_logs_endpoint(request)
        except (ValueError, OSError) as error:
            raise HTTPException(404) from error
        return response


async def _check_body(request: Request, keys: Mapping[str, tuple[type, str]]) -> None:
    """Refuse a request whose body, if it is to have one, is no object with such values."""
    if request.method != "POST":
        return
    try:
        body = json_value(await request.body())
    except ValueError as error:
        raise HTTPException(400, "The body of a request is JSON in UTF-8.") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "The body of a request is a JSON object.")
    for key, (kind, expected) in keys.items():
        if not isinstance(body.get(key), (kind, type(None))):
            raise HTTPException(400, f"{key}: expected {expected}.")


def web_application(context: WorkspaceProcessContext, site: Site, doors: Doors) -> Guard:
    """Return the application that serves projects to whoever opened the printed address."""
    return Guard(_Webserver(context, doors).create_asgi_app(), site)
