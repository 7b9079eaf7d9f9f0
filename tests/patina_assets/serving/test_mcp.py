"""The MCP server as editors use it: the SDK's own client, raw JSON-RPC, starts, ends, and a rebuild in between."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from amounts import amount, moments
from eventlog_builder import commit
from mcp_process import COMMAND, SECONDS, McpProcess, environment, mcp_process
from small_project import add_events, build, make_project, small_recipe

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

import httpx2
from doors import (
    FILTERED,
    QUERIES,
    QUESTIONS,
    asked_api,
    asked_command_line,
    asked_mcp,
    asked_mcp_over_http,
    asked_python,
    served_pages,
)
from starlette.types import Message

from patina_assets.serving import guard
from patina_assets.serving.answers.project_answers import ProjectAnswers
from patina_assets.serving.checks import Site
from patina_assets.serving.mcp.http import PATH, Endpoint
from patina_assets.serving.mcp.short import MOST_BYTES
from patina_assets.serving.routes import MOST_FIRST
from patina_assets.serving.turns import Turns
from patina_resources.project.project import Project

pytestmark = pytest.mark.usefixtures("same_home")
RECIPE = small_recipe("temporal", layers="[16, 8]", epochs=1, pairs=300)
TOOLS = {"search", "like", "read_passage", "why", "recent", "status"}
HANDSHAKE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
MARCH = "2025-03-26"


@pytest.fixture(scope="module")
def served(project: Project) -> Iterator[Site]:
    with served_pages(project) as site:
        yield site


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[McpProcess]:
    """Start a server that several tests ask."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(project.root.parent / "home"))
        with mcp_process(project.root) as process:
            about = process.initialize("2024-11-05")
            assert about["protocolVersion"] == "2024-11-05"
            assert about["serverInfo"]["name"] == "patina"
            yield process


# The same answers through every door


def test_every_door_finds_the_same(project: Project, served: Site) -> None:
    asked = (*QUESTIONS, *FILTERED)
    expected = asked_command_line(project, asked)
    *found, none = expected.values()
    assert all(found)
    assert none == []  # code has no author
    assert asked_python(project, asked) == expected
    assert asked_api(served, asked) == expected
    assert asked_mcp(project, asked) == expected
    assert asked_mcp_over_http(served, asked) == expected


def test_each_tool_reads_only_and_says_what_it_is_not_for(server: McpProcess) -> None:
    tools = server.ask("tools/list")["result"]["tools"]
    assert {tool["name"] for tool in tools} == TOOLS
    for tool in tools:
        assert tool["annotations"]["readOnlyHint"] is True
        assert "Do not" in tool["description"]


def test_who_has_no_token_is_answered_nothing_over_http(served: Site) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
    accept = {"Accept": "application/json, text/event-stream"}
    with httpx2.Client(base_url=served.url, headers=accept) as http:
        own = {"Authorization": f"Bearer {served.token}"}
        assert http.post(PATH, json=message, headers=own).json()["result"]["serverInfo"]["name"] == "patina"
        assert http.post(f"{PATH}/project", json=message, headers=own).status_code == 200
        assert http.post(PATH, json=message).status_code == 403
        assert http.post(PATH, json=message, headers={"Authorization": "Bearer guess"}).status_code == 403
        assert http.post(PATH, json=message, headers={**own, "Host": "evil.example"}).status_code == 421
        assert http.post(PATH, json=message, headers={**own, "Origin": "https://evil.example"}).status_code == 403
        assert http.get(PATH, headers=own).status_code == 405


# Slow clients over HTTP

STATUS = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "status", "arguments": {}}}


def posted(site: Site) -> bytes:
    """Return a request as it is sent."""
    body = json.dumps(STATUS).encode()
    headers = {
        "Host": f"127.0.0.1:{site.port}",
        "Authorization": f"Bearer {site.token}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def test_who_sends_slowly_holds_no_turn_and_is_answered_in_the_end(served: Site) -> None:
    whole = posted(served)
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port), SECONDS))
            for _ in range(2 * MOST_FIRST)
        ]
        for connection in slow:
            connection.sendall(whole[:-1])
        with socket.create_connection(("127.0.0.1", served.port), SECONDS) as quick:
            quick.sendall(whole)
            assert quick.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        slow[-1].sendall(whole[-1:])
        assert slow[-1].recv(1 << 16).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_does_not_come_ends_its_connection(served: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", served.port), SECONDS) as slow:
        slow.sendall(posted(served)[:-1])
        answer = b""
        while part := slow.recv(1 << 16):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == guard.TOO_SLOW.reason


def test_who_does_not_read_its_answer_holds_no_turn(project: Project) -> None:
    body = json.dumps(STATUS).encode()
    headers = [(b"accept", b"application/json"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
    endpoint = Endpoint(ProjectAnswers(project), Turns(1))
    may_go_on, told = asyncio.Event(), list[Message]()

    async def received() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def never_read(_: Message) -> None:
        await may_go_on.wait()

    async def read(message: Message) -> None:
        told.append(message)

    async def tried() -> None:
        first = asyncio.create_task(endpoint(scope, received, never_read))
        await asyncio.sleep(0)
        await endpoint(scope, received, read)
        assert not first.done()
        may_go_on.set()
        await first

    asyncio.run(tried())
    assert told[0]["status"] == 200


# Raw JSON-RPC


def test_a_client_of_2024_is_answered_within_four_kilobytes(server: McpProcess) -> None:
    for tool, arguments in (
        ("status", {}),
        ("search", {"query": QUERIES[0]}),
        ("recent", {}),
        ("like", {"name": "src/index/index_0.py"}),
    ):
        failed, text = server.call(tool, **arguments)
        assert len(text.encode()) <= MOST_BYTES
        assert failed or {"built", "stale"} <= json.loads(text).keys()


def test_a_client_of_march_2025_is_answered_over_http(served: Site) -> None:
    headers = {"Authorization": f"Bearer {served.token}", "Accept": "application/json, text/event-stream"}
    with httpx2.Client(base_url=served.url, headers=headers) as http:
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {**HANDSHAKE, "protocolVersion": MARCH}}
        assert http.post(PATH, json=message).json()["result"]["protocolVersion"] == MARCH
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "status", "arguments": {}}}
        answer = http.post(PATH, json=call, headers={"mcp-protocol-version": MARCH}).json()["result"]
        assert json.loads(answer["content"][0]["text"])["project"] == "project"


def test_a_wrong_question_is_answered_in_one_sentence_and_the_server_goes_on(server: McpProcess) -> None:
    for tool, arguments, words in (
        ("search", {"query": "  "}, "the query is empty"),
        ("search", {"query": "x", "k": 31}, "less than or equal to 30"),
        ("search", {"query": "x", "since": "soon"}, "since: expected a date"),
        ("like", {"name": "nix"}, "nothing is called 'nix'"),
        ("forget", {}, "Unknown tool"),
    ):
        failed, text = server.call(tool, **arguments)
        assert failed, tool
        assert words in text
        assert "Traceback" not in text
    assert server.call("status")[0] is False


def test_pages_of_results_follow_one_another(server: McpProcess) -> None:
    apart = json.loads(server.call("search", query=QUERIES[0], language="python", author="somebody")[1])
    assert (apart["hits"], "leave out language" in apart["notes"][0]) == ([], True)
    first = json.loads(server.call("search", query=QUERIES[0], k=2)[1])
    second = json.loads(server.call("search", query=QUERIES[0], k=2, offset=first["next_offset"])[1])
    assert [hit["rank"] for hit in first["hits"] + second["hits"]] == [1, 2, 3, 4]
    failed, text = server.call("read_passage", name=first["hits"][0]["name"])
    assert not failed
    assert json.loads(text)["passages"][0]["text"]


def test_a_rebuild_in_between_is_seen_by_the_next_question(tmp_path: Path) -> None:
    made = make_project(tmp_path / "project", RECIPE)
    build(made, "base")
    with mcp_process(made.root) as server:
        server.initialize("2025-06-18")
        before = json.loads(server.call("search", query="quixotic zeppelin")[1])
        add_events(made, [commit("abc123" * 6 + "abcd", "src/new.py", message="Add the quixotic zeppelin", hour=900)])
        stale = json.loads(server.call("search", query="quixotic zeppelin")[1])
        assert "the index is older than the eventlog" in stale["stale"][0]
        build(made, "base")
        after = json.loads(server.call("search", query="quixotic zeppelin")[1])
    assert "zeppelin" not in json.dumps(before["hits"])
    assert "zeppelin" in after["hits"][0]["text"]
    assert after["stale"] == []


# Where it starts


def test_it_starts_anywhere_and_says_what_to_do(tmp_path: Path) -> None:
    with mcp_process(tmp_path) as server:
        server.initialize("2025-06-18")
        failed, text = server.call("search", query="x")
        assert failed
        assert "run `patina init` in your repository" in text
        # What is missing may come later: nothing has to be started again.
        made = make_project(tmp_path, RECIPE)
        failed, text = server.call("status")
        assert not failed
        assert json.loads(text)["root"] == str(made.root)
        assert "error" in json.loads(text)


def test_a_folder_whose_name_is_no_utf_8_is_told_and_the_server_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    (folder / ".patina").mkdir(parents=True)
    (folder / ".patina" / "oxidize.yaml").write_text(RECIPE)
    with mcp_process(folder) as server:
        server.initialize("2025-06-18")
        for failed, text in (server.call("status"), server.call("search", query="x")):
            assert (failed, "caf\\xe9: is not UTF-8" in text) == (True, True)


def test_a_project_that_is_named_comes_before_that_of_the_environment(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATINA_PROJECT", str(tmp_path))
    with mcp_process(tmp_path, "--project", str(project.root / ".patina")) as server:
        server.initialize("2025-06-18")
        assert json.loads(server.call("status")[1])["root"] == str(project.root)


def test_without_the_sdk_it_says_what_to_install(project: Project) -> None:
    code = "import sys; sys.modules['mcp'] = None; from patina_assets.cli import main; sys.exit(main(['mcp']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert b"pip install 'patina-assets[mcp]'" in done.stderr


# How it ends


def end_of_input(server: McpProcess) -> None:
    assert server.process.stdin is not None
    server.process.stdin.close()


WAYS = {
    "end of input": end_of_input,
    "TERM": lambda server: server.process.send_signal(signal.SIGTERM),
    "INT": lambda server: server.process.send_signal(signal.SIGINT),
    "HUP": lambda server: server.process.send_signal(signal.SIGHUP),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_ends_and_says_nothing(project: Project, way: str) -> None:
    for number in range(amount(1, 50)):
        with mcp_process(project.root) as server:
            server.initialize("2025-06-18")
            if (number + len(way)) % 2:  # also while an answer is under way
                request = {"name": "search", "arguments": {"query": QUERIES[0]}}
                server.send({"jsonrpc": "2.0", "id": "late", "method": "tools/call", "params": request})
            WAYS[way](server)
            assert server.process.wait(SECONDS) == 0
            assert server.process.stdout is not None
            for line in server.process.stdout.read().splitlines():
                assert json.loads(line)["id"] == "late"
            assert server.process.stderr is not None
            assert server.process.stderr.read() == ""


def test_it_says_nothing_however_early_it_ends(project: Project) -> None:
    for number, moment in enumerate(moments(amount(2, 50), 2_000, seed=19)):
        with subprocess.Popen(
            COMMAND,
            cwd=project.root,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            time.sleep(moment / 1000)  # somewhere in its start
            [*WAYS.values()][number % len(WAYS)](McpProcess(process))
            assert process.stdout is not None
            assert process.stdout.read() == ""


def test_it_ends_when_who_started_it_is_gone_though_its_pipes_stay_open(project: Project) -> None:
    script = (
        "import subprocess, sys, time\n"
        f"process = subprocess.Popen({list(COMMAND)!r}, stdin=sys.stdin)\n"
        "print(process.pid, file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    for _ in range(amount(1, 50)):
        reading, writing = os.pipe()
        with subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=project.root,
            env=environment(),
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as starter:
            os.close(reading)
            assert starter.stdout is not None
            assert starter.stderr is not None
            assert int(starter.stderr.readline()) > 0
            about = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
            os.write(writing, json.dumps(about).encode() + b"\n")
            assert json.loads(starter.stdout.readline())["id"] == 1
            starter.kill()
            # The server holds the other end of this pipe: it is read to its end once the server is gone.
            assert starter.stdout.read() == b""
            os.close(writing)
