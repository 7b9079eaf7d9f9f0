"""The checks as the outermost layer of an ASGI application, with the headers that every answer carries.

Below them is HTTP/1.1 as uvicorn speaks it, but for who connects and does not ask: such a connection ends.
"""

import asyncio
import json
from html import escape
from http import HTTPStatus
from typing import Any

import h11
from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from patina_assets.serving.checks import Login, Refusal, Request, Site, verdict

LARGEST_BODY = 8 << 20
# Programs on this machine send theirs in milliseconds. For the head of a request, uvicorn waits as long as it lives.
BODY_SECONDS = HEAD_SECONDS = 30.0
# The rest of a body that is not read is no further request.
LAST = {"Connection": "close"}
# Who asks below these reads JSON.
FOR_PROGRAMS = ("/patina/api/", "/patina/mcp")
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Beside Dagster's own policy: where there are two, both hold.
FRAMES = "frame-ancestors 'none'"
# Dagster shows descriptions and reasons as Markdown: a picture that a text of a repository names is not loaded.
PICTURES = "img-src 'self' data: blob:; media-src 'self'"
NOTHING = f"default-src 'none'; {FRAMES}"
TOO_LARGE = Refusal(413, f"The body of a request has at most {LARGEST_BODY >> 20} MiB.")
TOO_SLOW = Refusal(408, f"The body of a request is sent within {BODY_SECONDS:.0f} s.")


class PunctualHttp(H11Protocol):
    """Ends a connection on which no whole head of a request comes for `HEAD_SECONDS`, or for twice as long."""

    _waiting: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._waiting.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Wait no longer: a WebSocket has a protocol of its own."""
        self._waiting.cancel()
        super().handle_websocket_upgrade(event)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._look, self.cycle, self._is_idle())

    def _look(self, former: Any, was_idle: bool) -> None:  # noqa: ANN401 - as uvicorn has it
        if was_idle and self.cycle is former:
            self.timeout_keep_alive_handler()
        else:
            self._wait()

    def _is_idle(self) -> bool:
        # None before the first request, whatever the annotation says.
        return not self.cycle or self.cycle.response_complete


class Guard:
    """An ASGI application that answers what the checks let pass with another one."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        """Take the application, and the start of the web UI that it is served by."""
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = verdict(_request(scope), self._site)
        if isinstance(found, Refusal):
            await _send_response(_refused(found, scope), scope, receive, send)
        elif isinstance(found, Login):
            await _send_response(_logged_in(found, self._site), scope, receive, send)
        elif scope["type"] == "websocket" or scope["method"] != "POST":
            await self._app(scope, receive, with_headers(send))
        else:
            body = await body_of(receive)
            if isinstance(body, Refusal):
                response = _refused(body, scope)
                response.headers.update(LAST)
                await _send_response(response, scope, receive, send)
            else:
                await self._app(scope, replayed(body, receive), with_headers(send))


def _request(scope: Scope) -> Request:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return Request(
        kind=scope["type"],
        method=scope.get("method", "GET"),
        target=scope["raw_path"].decode("latin-1"),
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
    )


def _refused(refusal: Refusal, scope: Scope) -> Response:
    if scope["path"].startswith(FOR_PROGRAMS):
        return problem(refusal.status, refusal.reason)
    again = '<meta http-equiv="refresh" content="0">' if refusal.again else ""
    page = f"<!doctype html><meta charset=utf-8><title>patina ui</title>{again}<p>{escape(refusal.reason)}</p>\n"
    return HTMLResponse(page, refusal.status, {"Content-Security-Policy": NOTHING, "Cache-Control": "no-store"})


def problem(status: int, sentence: str) -> Response:
    """Return why a request of a program is not answered, as RFC 9457 has it; `error` is the sentence, too."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": sentence}
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": NOTHING}
    # In ASCII: a text of a repository may hold half surrogates.
    return Response(json.dumps({**document, "error": sentence}).encode(), status, headers, "application/problem+json")


def _logged_in(login: Login, site: Site) -> Response:
    response = RedirectResponse(login.location, 303, {"Cache-Control": "no-store"})
    response.set_cookie(site.cookie, site.token, httponly=True, samesite="strict")
    return response


async def _send_response(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request or, before it is accepted, a WebSocket."""
    # Starlette names the messages for a WebSocket by itself.
    await response(scope, receive, with_headers(send))


def with_headers(send: Send) -> Send:
    """Return what sends a response with the headers that every answer carries."""

    async def sent(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.append("Content-Security-Policy", f"{FRAMES}; {PICTURES}")
        await send(message)

    return sent


async def body_of(receive: Receive) -> bytes | Refusal:
    """Return the body of a request, or why it is not read: it is too large, too slow, or its sender has gone.

    Nothing waits for a body but its own connection: a request gets its turn when all of it is here.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole_body(receive)
    except TimeoutError:
        return TOO_SLOW


async def _whole_body(receive: Receive) -> bytes | Refusal:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY or message["type"] == "http.disconnect":
            return TOO_LARGE
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received
