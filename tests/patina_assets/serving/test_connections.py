"""Clients that connect without asking, and a real server."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from patina_assets.serving import guard
from patina_assets.serving.guard import PunctualHttp

SECONDS = 60
HEAD_SECONDS = 0.1
ASKED = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def slowly(_: Request) -> PlainTextResponse:
    await asyncio.sleep(5 * HEAD_SECONDS)
    return PlainTextResponse("whole")


async def spoken(channel: WebSocket) -> None:
    await channel.accept()
    await asyncio.sleep(5 * HEAD_SECONDS)
    await channel.send_text(await channel.receive_text())


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Return the port of a server that waits a short time for requests."""
    monkeypatch.setattr(guard, "HEAD_SECONDS", HEAD_SECONDS)
    app = Starlette(routes=[Route("/", slowly), WebSocketRoute("/", spoken)])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=PunctualHttp, lifespan="off", log_level="error", timeout_keep_alive=SECONDS)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(SECONDS)


@pytest.mark.parametrize("sent", [b"", b"G", ASKED[:-2], ASKED[:-2] + b"X: " + b"a" * 5000])
def test_who_does_not_ask_in_time_loses_the_connection(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(sent)
        assert client.recv(1) == b""


@pytest.mark.parametrize("sent", [b"", ASKED[:-2]])
def test_also_after_a_request_that_was_answered(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(ASKED)
        answer = b""
        while not answer.endswith(b"whole"):
            answer += client.recv(1 << 16)
        client.sendall(sent)
        assert client.recv(1) == b""


def test_an_answer_may_take_its_time(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        for _ in range(2):
            client.sendall(ASKED)
            answer = b""
            while not answer.endswith(b"whole"):
                answer += (part := client.recv(1 << 16))
                assert part


def test_a_websocket_is_left_alone(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/", open_timeout=SECONDS) as channel:
        channel.send("said")
        assert channel.recv(SECONDS) == "said"
