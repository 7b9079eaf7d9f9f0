"""The outermost layer of the fleet's server: no request passes that does not show who asks, whatever it asks for."""

from starlette.types import ASGIApp, Receive, Scope, Send

from patina_assets.serving.checks import Refusal
from patina_assets.serving.fleet.door import Door
from patina_assets.serving.guard import LAST, body_of, problem, replayed, with_headers

GROUPS = "patina.groups"
ONLY_HTTP = Refusal(404, "There is no such address.")


class Gate:
    """An ASGI application that lets requests pass to another one, with the groups of who asks."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        """Take the application, and what requests have to show."""
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or tell the application that the server begins or ends."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        found = self._door.groups(scope["headers"]) if scope["type"] == "http" else ONLY_HTTP
        send = with_headers(send)
        if isinstance(found, Refusal):
            await problem(found.status, found.reason)(scope, receive, send)
            return
        if scope["method"] == "POST":
            body = await body_of(receive)
            if isinstance(body, Refusal):
                response = problem(body.status, body.reason)
                response.headers.update(LAST)
                await response(scope, receive, send)
                return
            receive = replayed(body, receive)
        await self._app({**scope, GROUPS: found}, receive, send)
