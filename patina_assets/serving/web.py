"""Dagster's web application, as `patina ui` serves it."""

from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster_webserver.webserver import DagsterWebserver
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from patina_assets.serving.checks import Site
from patina_assets.serving.guard import Guard

POLL_MILLISECONDS = 2000


class _Webserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's, which answers a wrong path of a log as one that does not exist instead of failing."""

    async def download_captured_logs_endpoint(self, request: Request) -> Response:
        try:
            response: Response = await super().download_captured_logs_endpoint(request)
        except (ValueError, OSError) as error:
            raise HTTPException(404) from error
        return response


def web_application(context: WorkspaceProcessContext, site: Site) -> Guard:
    """Return the application that serves a workspace to whoever opened the printed address."""
    return Guard(_Webserver(context, live_data_poll_rate=POLL_MILLISECONDS).create_asgi_app(), site)
