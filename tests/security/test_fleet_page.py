"""The fleet's page and its tools for agents: who asks is said by the proxy alone, and sees what the groups may see."""

import asyncio
import json
import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from browser import CHROMIUM, browser
from eventlog_builder import function, note
from fleet_proxy import DOOR, SECRET, sent, served_fleet
from postgres_server import PostgresServer, psycopg
from published_fleet import RECIPE, give_model, let_ask, make_projects, owner, publish_all
from small_project import build, make_project
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message
from ui_server import ROOT

from patina_assets.search.published.publishing import publish
from patina_assets.serving.fleet.answers import FleetAnswers
from patina_assets.serving.fleet.application import asker, fleet_application
from patina_assets.serving.fleet.gate import GROUPS
from patina_resources.postgres.connection import MOST_CONNECTIONS
from patina_resources.project.project import Project

PAGES = ("/", "/patina", "/patina/", "/patina/fleet.js", "/patina/page.css", "/patina/api/v1/search?q=merger",
         "/patina/api/v1/projects", "/patina/mcp", "/patina/nowhere", "/api/v1/search?q=merger")  # fmt: skip
HOSTILE = "<img src=x onerror=hurt()>"
MCP_HEADERS = {"Accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-03-26"}
SECONDS = 60.0


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> PostgresServer:
    return postgres.with_database()


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> dict[str, Project]:
    """Return `open` (staff and board), `hidden` (board alone), and `odd` (staff), whose texts want to be run."""
    folder = tmp_path_factory.mktemp("fleet")
    found = make_projects(folder)
    publish_all(server, found)
    events = [function("src/odd.py", "odd_limit", [HOSTILE], "int"), note(f"An odd limit {HOSTILE} of tenants", "odd")]
    found["odd"] = make_project(folder / "odd", RECIPE, events)
    build(found["odd"])
    publish(owner(server), "odd", ("staff",), found["odd"])
    let_ask(server, "*")
    return found


@pytest.fixture(autouse=True)
def _model(projects: dict[str, Project]) -> None:
    assert projects
    give_model()


@pytest.fixture
def client(server: PostgresServer) -> Iterator[TestClient]:
    with served_fleet(server) as app, TestClient(app) as one:
        yield one


def told(client: TestClient, groups: str, tool: str, /, **arguments: object) -> tuple[bool, str]:
    """Return whether a tool failed, and what it says, as an agent of somebody in some groups hears it."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    answer = client.post("/patina/mcp", json=call, headers={**sent(groups), **MCP_HEADERS})
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    return bool(result.get("isError")), str(result["content"][0]["text"])


def named(client: TestClient, groups: str, /, **arguments: object) -> list[str]:
    """Return the projects of the results of a search."""
    failed, text = told(client, groups, "search", **arguments)
    assert not failed, text
    return [hit["project"] for hit in json.loads(text)["hits"]]


@pytest.mark.parametrize("path", PAGES)
def test_every_address_is_refused_without_the_proxy(client: TestClient, path: str) -> None:
    for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT"):
        for headers, status in (
            ({}, 403),
            ({"X-Forwarded-Groups": "board"}, 403),
            ({"X-Patina-Proxy": "t" * 40, "X-Forwarded-Groups": "board"}, 403),
            ({"X-Patina-Proxy": SECRET}, 401),
            (sent("board;staff"), 400),
        ):
            answer = client.request(method, path, headers=headers, follow_redirects=False)
            assert (answer.status_code, "merger" in answer.text, "script" in answer.text) == (status, False, False)
            assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/patina//", "/patina/api/v1/search/", "/patina/mcp/", "//evil.example/", "/x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_no_address_leads_to_the_host_of_a_request(client: TestClient, path: str, method: str) -> None:
    headers = {**sent("board"), "Host": "evil.example"}
    answer = client.request(method, f"http://testserver{path}", headers=headers, follow_redirects=False)
    assert answer.status_code == (405 if method == "POST" else 404)
    assert "location" not in answer.headers


def test_agents_see_what_the_groups_of_their_request_may_see(client: TestClient) -> None:
    assert named(client, "board", query="merger with Zanzibar")[0] == "hidden"
    assert set(named(client, "staff", query="merger with Zanzibar")) <= {"open", "odd"}
    assert named(client, "staff", query="merger", project="hidden") == []
    assert named(client, "staff", query="merger", project="nowhere") == []
    assert named(client, "staff", query="merger", group="board") == []
    assert set(named(client, "board,staff", query="limit_requests", group="staff", kinds=["code"])) <= {"open", "odd"}
    assert json.loads(told(client, "staff", "projects")[1]) == json.loads(
        json.dumps({"projects": client.get("/patina/api/v1/projects", headers=sent("staff")).json()["projects"]})
    )
    assert json.loads(told(client, "strangers", "projects")[1]) == {"projects": []}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search", {"query": "merger", "groups": ["board"]}),
        ("search", {"query": "merger", "group": "staff,board"}),
        ("search", {"query": "merger", "group": "*"}),
        ("search", {"query": "merger", "project": "hidden' OR true --"}),
        ("search", {"query": "", "k": 3}),
        ("search", {"query": "merger", "k": 1000}),
        ("projects", {"pattern": "hid%"}),
        ("like", {"name": "price_of_the_merger"}),
        ("read_passage", {"name": "src/merger.py"}),
        ("why", {"name": "src/merger.py"}),
        ("recent", {}),
        ("status", {}),
    ],
)
def test_no_tool_and_no_argument_shows_more(client: TestClient, tool: str, arguments: dict[str, Any]) -> None:
    _, text = told(client, "staff", tool, **arguments)
    for word in ("Zanzibar", "price_of", '"hidden"', "bidder"):
        assert word not in text, text


def test_two_agents_at_once_see_their_own(client: TestClient) -> None:
    wrong: list[str] = []

    def ask(groups: str, expected: set[str]) -> None:
        for _ in range(6):
            names = {one["name"] for one in json.loads(told(client, groups, "projects")[1])["projects"]}
            if names != expected:
                wrong.append(f"{groups}: {names}")

    asks = [("staff", {"open", "odd"}), ("board", {"open", "hidden"}), ("strangers", set[str]())] * 2
    threads = [threading.Thread(target=ask, args=one) for one in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class HeldAnswers(FleetAnswers):
    """Answers that take until they are let go, with no store behind them."""

    def __init__(self) -> None:
        self.begun: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.may_end = threading.Semaphore(0)

    def projects(self, groups: Sequence[str], _pattern: str | None) -> dict[str, Any]:
        self.begun.put(groups[0])
        assert self.may_end.acquire(timeout=SECONDS)
        return {"version": 1, "projects": []}


async def status_of(app: ASGIApp, path: str, groups: str) -> int:
    """Return how a request of somebody in some groups is answered."""
    bodies: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    statuses: list[int] = []

    async def receive() -> Message:
        if not bodies:
            await asyncio.Event().wait()  # who asks stays
        return bodies.pop()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(name.lower().encode(), value.encode()) for name, value in sent(groups).items()]
    await app({"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}, receive, send)
    return statuses[0]


def test_who_asks_for_much_waits_behind_itself() -> None:
    """All come by one proxy: their user, or their groups and program, tell them apart."""
    answers = HeldAnswers()
    app = fleet_application(answers, DOOR)

    async def tried() -> list[int]:
        groups = [*["staff"] * (2 * MOST_CONNECTIONS), "board"]
        tasks = [asyncio.create_task(status_of(app, "/patina/api/v1/projects", one)) for one in groups]
        first = [await asyncio.to_thread(answers.begun.get, timeout=SECONDS) for _ in range(MOST_CONNECTIONS)]
        assert first == ["staff"] * MOST_CONNECTIONS
        answers.may_end.release()
        assert await asyncio.to_thread(answers.begun.get, timeout=SECONDS) == "board"
        answers.may_end.release(len(tasks))
        return await asyncio.gather(*tasks)

    assert asyncio.run(tried()) == [200] * (2 * MOST_CONNECTIONS + 1)


def test_whoever_calls_its_programs_by_many_names_is_one_asker() -> None:
    def one(groups: tuple[str, ...], **headers: str) -> str:
        sent_headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return asker(HTTPConnection({"type": "http", "headers": sent_headers, GROUPS: groups}))

    assert one(("a",), x_forwarded_user="eve", user_agent="1") == one(("a",), x_forwarded_user="eve", user_agent="2")
    assert one(("a",), x_forwarded_user="eve") != one(("a",), x_forwarded_user="ann")
    assert one(("a",), user_agent="1") != one(("a",), user_agent="2")
    assert one(("a",)) != one(("b",))


def test_an_agent_is_not_told_where_the_store_is(
    client: TestClient, server: PostgresServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("UPDATE patina.store SET version = version + 1")
        try:
            failed, text = told(client, "board", "search", query="merger")
        finally:
            connection.execute("UPDATE patina.store SET version = version - 1")
    assert (failed, "not available" in text, "newer" in text, str(server.folder) in text) == (True, True, False, False)
    assert "a newer Patina" in capfd.readouterr().err


@contextmanager
def served(server: PostgresServer) -> Iterator[str]:
    """Serve the fleet on a free port of loopback, and yield the address of the page."""
    with served_fleet(server) as app:
        web = uvicorn.Server(uvicorn.Config(app, http="h11", lifespan="off", log_level="error", port=0))
        thread = threading.Thread(target=web.run)
        thread.start()
        try:
            while not web.started:
                assert thread.is_alive()
                thread.join(0.05)
            yield f"http://127.0.0.1:{web.servers[0].sockets[0].getsockname()[1]}/patina/"
        finally:
            web.should_exit = True
            thread.join(SECONDS)


# What somebody behind the proxy bends on the way, byte by byte
ASK = b"GET /patina/api/v1/projects HTTP/1.1\r\nHost: fleet\r\n"
PROXY = f"X-Patina-Proxy: {SECRET}\r\n".encode()
STAFF, BOARD = b"X-Forwarded-Groups: staff\r\n", b"X-Forwarded-Groups: board\r\n"
END = b"Connection: close\r\n\r\n"
HIDDEN_ASK = ASK + PROXY + BOARD + END


@pytest.fixture(scope="module")
def port(server: PostgresServer, projects: dict[str, Project]) -> Iterator[int]:
    assert projects
    with served(server) as address:
        yield urlsplit(address).port or 0


def sent_as_it_is(port: int, request: bytes) -> list[tuple[int, set[str]]]:
    """Return the status of each answer, and the projects that it shows."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(request)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    answers = received.split(b"HTTP/1.1 ")[1:]
    return [(int(answer[:3]), {name for name in ("open", "odd", "hidden") if f'"{name}"'.encode() in answer})
            for answer in answers]  # fmt: skip


def test_each_request_of_a_connection_has_groups_of_its_own(port: int) -> None:
    seen, all_seen = {"open", "odd"}, {"open", "hidden"}
    found = sent_as_it_is(
        port, ASK + PROXY + STAFF + b"\r\n" + ASK + PROXY + BOARD + b"\r\n" + ASK + PROXY + STAFF + END
    )
    assert found == [(200, seen), (200, all_seen), (200, seen)]
    assert sent_as_it_is(port, ASK + PROXY + BOARD + b"\r\n" + ASK + END) == [(200, all_seen), (403, set())]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ASK + PROXY + STAFF + b" board\r\n" + END, 200),  # a line that goes on: the group `staff board`
        (ASK + PROXY + STAFF + b"\t,board\r\n" + END, 400),
        (ASK + PROXY + STAFF + b"X-Forwarded-Groups : board\r\n" + END, 400),
        (ASK + PROXY + STAFF + b"X-Forwarded-Groups\r\n: board\r\n" + END, 400),
        (ASK + PROXY + STAFF + BOARD + END, 400),
        (ASK + PROXY + STAFF[:-2] + b"\x00,board\r\n" + END, 400),
        (ASK + PROXY + STAFF[:-2] + b"\rX-Forwarded-Groups: board\r\n" + END, 400),
        (ASK + PROXY + STAFF[:-2] + b"\nX-Forwarded-Groups: board\r\n" + END, 400),
        (ASK + PROXY + STAFF[:-2] + "\uff0cboard\r\n".encode() + END, 400),  # a comma of another script
        # A body that is a request, for who reads its length otherwise.
        (ASK + PROXY + STAFF + f"Content-Length: {len(HIDDEN_ASK)}\r\n".encode() + END + HIDDEN_ASK, 200),
        (ASK + PROXY + STAFF + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n" + END + b"0\r\n\r\n"
         + HIDDEN_ASK, 200),
        (ASK + PROXY + STAFF + b"Transfer-Encoding: xchunked\r\n" + END + HIDDEN_ASK, 400),
        (ASK + PROXY + STAFF + b"Content-Length: 3\r\nContent-Length: 0\r\n" + END + HIDDEN_ASK, 400),
        (ASK + PROXY + STAFF + b"Trailer: X-Forwarded-Groups\r\nTransfer-Encoding: chunked\r\n" + END
         + b"0\r\n" + BOARD + b"\r\n", 200),
        (ASK + PROXY + STAFF + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n" + END, 200),
    ],
)  # fmt: skip
def test_a_bent_request_says_no_other_groups(port: int, request_: bytes, status: int) -> None:
    found = sent_as_it_is(port, request_)
    assert [code for code, _ in found] == [status]
    assert "hidden" not in found[0][1]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium")
def test_the_page_shows_results_with_their_projects_and_runs_no_text(server: PostgresServer, tmp_path: Path) -> None:
    with served(server) as address, browser(tmp_path) as page:
        page.call("Network.enable")
        page.call("Network.setExtraHTTPHeaders", headers=sent("staff"))
        page.call("Page.addScriptToEvaluateOnNewDocument", source="window.hurt = () => { window.told = 'run'; };")
        page.open(f"{address}?q=merger+odd+limit+of+tenants")
        text = page.wait_for_texts("2 projects", "Likeliest:", "src/odd.py", "src/limits.py", HOSTILE)
        assert "hidden" not in text
        assert page.value("window.told ?? null") is None
        first = page.value("document.querySelector('a.project').textContent")
        page.value("document.querySelector('a.project').click()")
        assert page.value("new URLSearchParams(location.search).get('project')") == first
        page.call("Network.setExtraHTTPHeaders", headers=sent("board"))
        page.open(f"{address}?q=merger+with+Zanzibar")
        page.wait_for_texts("2 projects", "hidden", "The merger with Zanzibar")
        page.screenshot(ROOT / "build" / "screenshots" / "fleet-page.png")
        page.call("Network.setExtraHTTPHeaders", headers={"X-Patina-Proxy": SECRET})
        page.value("document.querySelector('form').requestSubmit()")
        page.wait_for_texts("The proxy does not say in which groups you are.")
