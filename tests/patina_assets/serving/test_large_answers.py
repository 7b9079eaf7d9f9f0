"""Answers of some megabytes: kept by the browser, sent as they are read, and no hindrance to a search."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
from doors import served_pages
from starlette.types import Message, Scope

from patina_assets.serving.answers.encoded import EncodedAnswer, EncodedDocument
from patina_assets.serving.answers.project_answers import ProjectAnswers
from patina_assets.serving.api import API, PORTION_BYTES, PortionedResponse
from patina_assets.serving.checks import Site
from patina_resources.project.project import Project

pytestmark = pytest.mark.usefixtures("same_home")
PATIENCE = 300.0
# More than Starlette has threads for all requests together.
GREEDY = 50


@pytest.fixture
def site(project: Project) -> Iterator[Site]:
    with served_pages(project) as found:
        yield found


@pytest.fixture
def http(site: Site) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {site.token}"}
    with httpx2.Client(base_url=f"{site.url}/patina{API}", headers=headers, timeout=PATIENCE) as opened:
        yield opened


def test_a_map_is_sent_again_only_if_it_is_another(http: httpx2.Client) -> None:
    first = http.get("map")
    assert first.json()["items"] == len(first.json()["x"])
    for known in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}'):
        again = http.get("map", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    head = http.head("map", headers={"Range": "bytes=0-9", "If-None-Match": "*"})
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", first.headers["ETag"])
    other = http.get("map", params={"projection": "temporal"}, headers={"If-None-Match": first.headers["ETag"]})
    assert (other.status_code, other.headers["ETag"] == first.headers["ETag"]) == (200, False)


def test_a_search_does_not_wait_for_those_who_ask_for_maps(
    site: Site, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may_go = threading.Semaphore(0), threading.Event()

    def slow_map(*_: object) -> EncodedAnswer:
        asked.release()
        assert may_go.wait(PATIENCE)
        return EncodedDocument.of({"x": []}).after({"version": 1})

    monkeypatch.setattr(ProjectAnswers, "map", lambda _, projection: slow_map(projection))
    request = (
        f"GET /patina{API}/map HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nAuthorization: Bearer {site.token}\r\n\r\n"
    )
    with ExitStack() as connections:
        opened = [connections.enter_context(socket.create_connection(("127.0.0.1", site.port))) for _ in range(GREEDY)]
        for one in opened:
            one.sendall(request.encode())
        try:
            assert asked.acquire(timeout=PATIENCE)
            assert http.get("search", params={"q": "retry the network request"}).json()["hits"]
            assert http.get("status").json()["projects"]
        finally:
            may_go.set()
        for one in opened:
            one.settimeout(PATIENCE)
            assert one.recv(12) == b"HTTP/1.1 200"


def test_nothing_is_sent_before_what_was_sent_is_read() -> None:
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Message:
        raise AssertionError("nothing is asked for")

    scope: Scope = {"type": "http", "method": "GET"}
    parts = (b'{"a": 1, ', json.dumps({"b": "x" * 3 * PORTION_BYTES}).encode()[1:])
    response = PortionedResponse(parts, {}, "application/json")
    asyncio.run(response(scope, receive, send))
    assert b"".join(sent) == b"".join(parts)
    assert max(map(len, sent)) == PORTION_BYTES
    assert response.headers["content-length"] == str(len(b"".join(parts)))
