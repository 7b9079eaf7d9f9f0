"""The web application that `patina ui` serves: our pages, and Dagster's."""

from collections.abc import Awaitable, Callable

from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster_webserver.webserver import DagsterWebserver
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from patina_assets.serving.checks import Site
from patina_assets.serving.doors import Doors
from patina_assets.serving.guard import Guard
from patina_assets.serving.routes import patina_routes
from patina_assets.serving.running import Running
from patina_assets.serving.turns import Turns, answered

POLL_MILLISECONDS = 2000
MOST_QUERIES = 6


class _Webserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's, with our pages, which answers a wrong path of a log as one that does not exist instead of failing."""

    def __init__(self, context: WorkspaceProcessContext, doors: Doors) -> None:
        self._doors, self._running, self._turns = doors, Running(context.instance), Turns(MOST_QUERIES)
        super().__init__(context, live_data_poll_rate=POLL_MILLISECONDS)

    def build_routes(self) -> list[BaseRoute]:
        theirs: list[BaseRoute] = super().build_routes()  # type: ignore[no-untyped-call]
        return [*patina_routes(self._doors, self._running), *theirs]

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Answer a query when it is its turn: searches share the processor with all that are answered."""
        theirs: Callable[[Request], Awaitable[Response]] = super().graphql_http_endpoint
        return await answered(self._turns, request, lambda: theirs(request))

    async def download_captured_logs_endpoint(self, request: Request) -> Response:
        try:
            response: Response = await super().download_captured_logs_endpoint(request)
        except (ValueError, OSError) as error:
            raise HTTPException(404) from error
        return response


def web_application(context: WorkspaceProcessContext, site: Site, doors: Doors) -> Guard:
    """Return the application that serves projects to whoever opened the printed address."""
    return Guard(_Webserver(context, doors).create_asgi_app(), site)
