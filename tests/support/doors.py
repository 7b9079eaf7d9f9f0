"""The same questions through every door: the command line, Python, the JSON API, and MCP over stdio and over HTTP.

Each function returns by question the first eight results: group, kind and place. By hand, over a built project:

    python tests/support/doors.py PROJECT QUESTIONS.txt
"""

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx2
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_process import COMMAND, SECONDS, environment
from small_project import patina
from starlette.applications import Starlette

from patina_assets import open_project
from patina_assets.pairs.items import Item
from patina_assets.passages.passage import group_of
from patina_assets.serving.answers.documents import name_of
from patina_assets.serving.checks import Site
from patina_assets.serving.doors import doors_of
from patina_assets.serving.guard import Guard, PunctualHttp
from patina_assets.serving.mcp.http import PATH
from patina_assets.serving.routes import patina_routes
from patina_assets.serving.running import Running
from patina_resources.project.project import Project, find_project

FIRST = 8
ITEM_KEYS = ("kind", "text", "file", "session", "commit", "line", "state")


@dataclass(frozen=True)
class Asked:
    """A question.

    Attributes:
        query: Its words.
        kinds: The groups that results are limited to.
        limits: The other filters, by the names that they have at every door.
    """

    query: str
    kinds: tuple[str, ...] = ()
    limits: tuple[tuple[str, str], ...] = ()


# About the topics of the synthetic project.
QUERIES = (
    "retry the network request",
    "parse a token",
    "where is the cache",
    "who reads the index",
    "session",
    "which default has a field of the recipe",
    "how is a typo in a key told",
    "what ranks a neighbour of the query",
    "cosine of a vector",
    "write a row to the table",
    "when does the journal page grow",
    "transaction and vacuum",
    "timeout of the proxy handshake",
    "header of a packet",
    "visitor of a syntax node",
    "operator of a literal",
    "how is a wheel signed",
    "upload the artifact",
    "Change changelog of release",
    "check_strict",
)
QUESTIONS = tuple(map(Asked, QUERIES))
FILTERED = (
    Asked(QUERIES[0], ("code",)),
    Asked(QUERIES[1], ("commits", "notes")),
    Asked(QUERIES[2], limits=(("path", "src/storage/*"),)),
    Asked(QUERIES[3], limits=(("language", "python"),)),
    Asked(QUERIES[18], ("commits",), (("since", "2025-01-03"),)),
    Asked(QUERIES[18], limits=(("author", "a"), ("path", "src/*"))),
    Asked(QUERIES[4], ("code",), (("author", "nobody at all"),)),
)
Found = dict[Asked, list[str]]


def asked_command_line(project: Project, questions: Sequence[Asked]) -> Found:
    """Ask `patina scry --json`."""
    with chdir(project.root):
        printed = [
            patina("scry", "-k", str(FIRST), "--json", *_options(question), "--", question.query).out
            for question in questions
        ]
    return {
        question: [_placed(Item(**{name: hit[name] for name in ITEM_KEYS})) for hit in json.loads(out)]
        for question, out in zip(questions, printed, strict=True)
    }


def asked_python(project: Project, questions: Iterable[Asked]) -> Found:
    """Ask the Python API."""
    with open_project(project.root) as opened:
        return {
            question: [
                _placed(hit.item)
                for hit in opened.search(question.query, limit=FIRST, kinds=question.kinds, **dict(question.limits))
            ]
            for question in questions
        }


def asked_api(site: Site, questions: Iterable[Asked]) -> Found:
    """Ask the JSON API."""
    with httpx2.Client(base_url=site.url, headers=_token(site), timeout=SECONDS) as http:
        return {
            question: _told(
                http.get(
                    "/patina/api/v1/search",
                    params=[
                        ("q", question.query),
                        ("limit", FIRST),
                        *(("kind", kind) for kind in question.kinds),
                        *question.limits,
                    ],
                ).json()["hits"]
            )
            for question in questions
        }


def asked_mcp(project: Project, questions: Sequence[Asked]) -> Found:
    """Ask a process of `patina mcp`, by the SDK's own client."""
    command = StdioServerParameters(
        command=COMMAND[0], args=list(COMMAND[1:]), cwd=str(project.root), env=environment()
    )
    return asyncio.run(_asked_client(Client(command), questions))


def asked_mcp_over_http(site: Site, questions: Sequence[Asked]) -> Found:
    """Ask the MCP server beside the search page, by the SDK's own client."""

    async def asked() -> Found:
        async with httpx2.AsyncClient(headers=_token(site), timeout=SECONDS) as http:
            return await _asked_client(Client(streamable_http_client(f"{site.url}{PATH}", http_client=http)), questions)

    return asyncio.run(asked())


@contextmanager
def served_pages(project: Project) -> Iterator[Site]:
    """Serve what is ours of the web UI, behind its checks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        site = Site(listener.getsockname()[1], "secret")
        routes = patina_routes(doors_of([project]), Running(dg.DagsterInstance.ephemeral()))
        app = Guard(Starlette(routes=routes), site)
        server = uvicorn.Server(uvicorn.Config(app, http=PunctualHttp, lifespan="off", log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield site
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()


async def _asked_client(client: Client, questions: Sequence[Asked]) -> Found:
    async with client:
        found = {}
        for question in questions:
            asked = {"query": question.query, "k": FIRST, **dict(question.limits)}
            kinds = {"kinds": list(question.kinds)} if question.kinds else {}
            answer = await client.call_tool("search", {**asked, **kinds})
            assert not answer.is_error
            found[question] = _told(json.loads(answer.content[0].text)["hits"])
        return found


def _options(question: Asked) -> list[str]:
    """Return the filters of a question as `patina scry` takes them."""
    pairs = (*(("kind", kind) for kind in question.kinds), *question.limits)
    return [part for name, value in pairs for part in (f"--{name}", value)]


def _told(hits: Iterable[Mapping[str, Any]]) -> list[str]:
    return [f"{hit.get('group') or group_of(hit['kind'])} {hit['kind']} {hit['name']}" for hit in hits]


def _placed(item: Item) -> str:
    return f"{group_of(item.kind)} {item.kind} {name_of(item)}"


def _token(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.token}"}


def main() -> None:
    """Ask each door, and say where one finds something else than the command line."""
    project = find_project(Path(sys.argv[1]))
    questions = [Asked(line) for line in Path(sys.argv[2]).read_text().splitlines()]
    expected = asked_command_line(project, questions)
    with served_pages(project) as site:
        doors = {
            "Python": asked_python(project, questions),
            "JSON API": asked_api(site, questions),
            "MCP": asked_mcp(project, questions),
            "MCP over HTTP": asked_mcp_over_http(site, questions),
        }
    for name, found in doors.items():
        same = sum(found[question] == expected[question] for question in questions)
        print(f"{name}: {same} of {len(questions)} as the command line")
        for question in questions:
            if found[question] != expected[question]:
                print(f"  {question.query}{os.linesep}    {expected[question]}{os.linesep}    {found[question]}")


if __name__ == "__main__":
    main()
