"""Messages that are none of MCP's: each that has an id is answered, at both doors, and the next one as ever."""

import json
from collections.abc import Iterator

import pytest
from mcp_process import SECONDS, mcp_process

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

import httpx2
from doors import served_pages
from mcp_types import jsonrpc_message_adapter

from patina_assets.serving.checks import Site
from patina_assets.serving.mcp.http import PATH
from patina_assets.serving.mcp.messages import INVALID_REQUEST, PARSE_ERROR, refusal_of
from patina_resources.project.project import Project

pytestmark = pytest.mark.usefixtures("same_home")
CALL = '{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "search", "arguments": {"query": %s}}}'
# What is sent, the number of the error, the id of the answer, and what it says.
WRONG = {
    "half a character": (CALL % r'"\ud800"', PARSE_ERROR, 7, "half a character"),
    "half a character as a key": (r'{"jsonrpc":"2.0","id":7,"method":"ping","\udc00":1}', PARSE_ERROR, 7, "half a"),
    "half a character as an id": (r'{"jsonrpc":"2.0","id":"\ud83d","method":"ping"}', PARSE_ERROR, "\ud83d", "half a"),
    "no JSON": ('{"jsonrpc": "2.0", "id": 7,', PARSE_ERROR, None, "no JSON"),
    "a number of 5,000 digits": (f'{{"id": {"9" * 5_000}}}', PARSE_ERROR, None, "no JSON"),
    "300 levels": (CALL % ("[" * 300 + "]" * 300), PARSE_ERROR, None, "levels deep"),
    "several at once": ('[{"jsonrpc": "2.0", "id": 7, "method": "ping"}]', INVALID_REQUEST, None, "by itself"),
    "another version": ('{"jsonrpc": "1.0", "id": 7, "method": "ping"}', INVALID_REQUEST, 7, "jsonrpc"),
    "no method": ('{"jsonrpc": "2.0", "id": "seven"}', INVALID_REQUEST, "seven", "method"),
    "a list of parameters": ('{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}', INVALID_REQUEST, 7, "params"),
    "a part of a number as an id": ('{"jsonrpc": "2.0", "id": 7.5, "method": "ping"}', INVALID_REQUEST, 7.5, "id:"),
    "true as an id": ('{"jsonrpc": "2.0", "id": true, "method": "ping"}', INVALID_REQUEST, None, "id:"),
    "no number as an id": ('{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', INVALID_REQUEST, None, "id:"),
    "no id": ('{"jsonrpc": "2.0", "method": 7}', INVALID_REQUEST, None, "method"),
}
RIGHT = (
    CALL % r'"a whole \ud83d\ude00 one"',
    CALL % "NaN",
    '{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": null}',
    '{"jsonrpc": "2.0", "method": "notifications/initialized"}',
    '{"jsonrpc": "2.0", "id": 7, "result": {}}',
)


@pytest.fixture(scope="module")
def served(project: Project) -> Iterator[Site]:
    with served_pages(project) as site:
        yield site


def check(answer: str, number: int, asked: object, words: str) -> None:
    """Check the answer to a wrong message."""
    told = json.loads(answer)
    assert (told["jsonrpc"], told["id"], told["error"]["code"]) == ("2.0", asked, number)
    assert words in told["error"]["message"]
    assert "\n" not in told["error"]["message"]


def test_on_standard_input_each_is_answered_and_so_is_the_next(project: Project) -> None:
    with mcp_process(project.root) as server:
        server.initialize("2025-06-18")
        assert server.process.stdin is not None
        assert server.process.stdout is not None
        for sent, number, asked, words in WRONG.values():
            server.process.stdin.write(f"\n{sent}\n")  # an empty line is no message
            server.process.stdin.flush()
            check(server.process.stdout.readline(), number, asked, words)
            assert server.ask("ping")["result"] == {}


def test_over_http_each_is_answered_and_so_is_the_next(served: Site) -> None:
    headers = {
        "Authorization": f"Bearer {served.token}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
    }
    with httpx2.Client(base_url=served.url, headers=headers, timeout=SECONDS) as http:
        for sent, number, asked, words in WRONG.values():
            refused = http.post(PATH, content=sent.encode())
            assert refused.status_code == 400
            check(refused.text, number, asked, words)
            assert http.post(PATH, content=(CALL % '"token"').encode()).json()["id"] == 7
        check(http.post(PATH, content=b'{"id": "\xff"}').text, PARSE_ERROR, None, "UTF-8")


@pytest.mark.parametrize("sent", RIGHT)
def test_what_the_sdk_takes_is_left_to_it(sent: str) -> None:
    assert refusal_of(sent) is None
    assert jsonrpc_message_adapter.validate_json(sent, by_name=False) is not None


def test_an_answer_to_nothing_is_not_answered() -> None:
    assert refusal_of('{"jsonrpc": "2.0", "id": 7, "result": 7}') is None
