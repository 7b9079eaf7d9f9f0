"""Requests to a real `patina ui` by what is no browser: another user of the machine, and names that lead here."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from web_victim import Victim, authorized, environment_of, files_with, graphql, raw, running_victim, send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

SUBSCRIPTION = Subprotocol("graphql-ws")
ALWAYS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """Return a running web UI."""
    with running_victim(tmp_path_factory.mktemp("victim")) as running:
        yield running


def own(victim: Victim) -> dict[str, str]:
    """Return the headers that name the server."""
    return {"Host": f"127.0.0.1:{victim.ui.port}"}


def posted(victim: Victim, query: str, headers: Mapping[str, str], target: str = "/graphql") -> int:
    """Return the status that a query gets."""
    status, _, _ = send(victim.ui.port, raw("POST", target, headers, graphql(query)))
    return status


# Another user of this machine: no secret, or a wrong one


@pytest.mark.parametrize("attack", ["launch", "delete", "wipe", "start"])
def test_nobody_else_can_change_anything(victim: Victim, attack: str) -> None:
    query, port = victim.mutations[attack], victim.ui.port
    origin = {**own(victim), "Origin": victim.ui.url, "Content-Type": "application/json"}
    with victim.unchanged():
        assert posted(victim, query, origin) == 401
        for wrong in ("Bearer wrong", "Bearer ", f"Basic {victim.ui.token}", f"Bearer {victim.ui.token}x"):
            assert posted(victim, query, {**origin, "Authorization": wrong}) == 401
        for cookie in (f"patina-{port}=wrong", f"patina-{port + 1}={victim.ui.token}", f"patina-{port}="):
            assert posted(victim, query, {**origin, "Cookie": cookie}) == 401
        assert posted(victim, query, {**own(victim), "Content-Type": "application/json"}) == 403
        assert posted(victim, query, origin, f"/graphql?token={victim.ui.token}") == 405
        for target in (
            "/",
            "/?token=wrong",
            "/graphql",
            "/server_info",
            "/logs/x/y.err",
            f"/download_debug/{victim.run}",
        ):
            status, headers, body = send(port, raw("GET", target, own(victim)))
            assert status == 401
            assert "refresh" not in body.decode()
            assert {name: headers[name] for name in ALWAYS} == {name: [value] for name, value in ALWAYS.items()}


def test_nobody_else_can_watch(victim: Victim) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{victim.ui.port}/graphql", origin=Origin(victim.ui.url), subprotocols=[SUBSCRIPTION])
    assert refused.value.response.status_code == 401


# The secret


def test_the_printed_address_opens_the_web_ui(victim: Victim) -> None:
    port = victim.ui.port
    status, headers, _ = send(port, raw("GET", f"/?token={victim.ui.token}", own(victim)))
    assert (status, headers["location"]) == (303, [f"{victim.ui.url}/"])
    (cookie,) = headers["set-cookie"]
    value, *attributes = cookie.split("; ")
    assert value == f"patina-{port}={victim.ui.token}"
    assert {attribute.lower() for attribute in attributes} == {"httponly", "path=/", "samesite=strict"}
    status, headers, body = send(port, raw("GET", "/", {**own(victim), "Cookie": value}))
    assert status == 200
    assert b"<html" in body
    policies = headers["content-security-policy"]
    assert "frame-ancestors 'none'; img-src 'self' data: blob:; media-src 'self'" in policies
    assert any("script-src" in policy for policy in policies)
    assert {name: headers[name] for name in ALWAYS} == {name: [value] for name, value in ALWAYS.items()}


@pytest.mark.parametrize("target", ["//evil.example/", "/\\evil.example/", "/%2f%2fevil.example", "/%0d%0aX:%20y"])
def test_the_login_leads_nowhere_else(victim: Victim, target: str) -> None:
    status, headers, _ = send(victim.ui.port, raw("GET", f"{target}?token={victim.ui.token}", own(victim)))
    assert status == 404
    assert "location" not in headers
    assert "x" not in headers


def test_the_secret_is_in_no_process_list_and_no_file_of_ours(victim: Victim) -> None:
    processes = victim.ui.processes()
    assert len(processes) > 1
    assert [line for line in processes.values() if victim.ui.token in line] == []
    assert [number for number in processes if victim.ui.token in environment_of(number)] == []
    mothership = victim.project.root.parent / "mothership"
    assert files_with(mothership, victim.ui.token) == []
    assert files_with(victim.project.root, victim.ui.token) == []
    printed = victim.ui.log.read_text()
    assert printed.count(victim.ui.token) == 1
    assert "token" not in printed.replace(f"?token={victim.ui.token}", "")


def test_code_servers_are_reached_through_a_private_folder(victim: Victim) -> None:
    sockets = [
        Path(words[words.index("--socket") + 1])
        for words in (line.split() for line in victim.ui.processes().values())
        if "--socket" in words
    ]
    assert len(sockets) == 1
    assert {path.parent.stat().st_mode & 0o777 for path in sockets} == {0o700}
    assert [line for line in victim.ui.processes().values() if "--port" in line and "patina_assets" not in line] == []


# Names that lead here


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.:{port}", "localhost.:{port}",
        "[::ffff:127.0.0.1]:{port}", "[::1]", "0.0.0.0:{port}", "127.0.0.1:{port}@evil.example", "",
    ],
)  # fmt: skip
def test_a_foreign_host_reads_and_changes_nothing(victim: Victim, host: str) -> None:
    name = host.format(port=victim.ui.port)
    headers = {"Host": name, **authorized(victim), "Content-Type": "application/json", "Origin": f"http://{name}"}
    with victim.unchanged():
        assert posted(victim, victim.mutations["launch"], headers) == 421
        for target in ("/", "/server_info", "/graphql"):
            status, _, body = send(victim.ui.port, raw("GET", target, {**headers}))
            assert status == 421
            assert b"dagster" not in body


def test_an_absolute_target_does_not_stand_in_for_the_host(victim: Victim) -> None:
    port, query = victim.ui.port, victim.mutations["launch"]
    headers = {**authorized(victim), "Content-Type": "application/json"}
    with victim.unchanged():
        for target in ("http://evil.example/graphql", f"http://127.0.0.1:{port}/graphql", "//evil.example/graphql"):
            for host in ("evil.example", f"127.0.0.1:{port}"):
                assert posted(victim, query, {"Host": host, **headers}, target) in (404, 421)


def test_two_hosts_are_refused(victim: Victim) -> None:
    request = raw("GET", "/server_info", {**own(victim), "host": "evil.example", **authorized(victim)})
    assert send(victim.ui.port, request)[0] in (400, 421)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost:{port}"])
def test_a_websocket_of_a_foreign_page_is_refused(victim: Victim, origin: str) -> None:
    headers = {**authorized(victim), "Cookie": f"patina-{victim.ui.port}={victim.ui.token}"}
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"ws://127.0.0.1:{victim.ui.port}/graphql",
            origin=Origin(origin.format(port=victim.ui.port)),
            subprotocols=[SUBSCRIPTION],
            additional_headers=headers,
        )
    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["X-Frame-Options"] == "DENY"


def test_a_websocket_of_its_own_page_is_served(victim: Victim) -> None:
    cookie = {"Cookie": f"patina-{victim.ui.port}={victim.ui.token}"}
    address = f"ws://127.0.0.1:{victim.ui.port}/graphql"
    with connect(
        address, origin=Origin(victim.ui.url), subprotocols=[SUBSCRIPTION], additional_headers=cookie
    ) as connection:
        connection.send(json.dumps({"type": "connection_init"}))
        assert json.loads(connection.recv(timeout=60)) == {"type": "connection_ack"}


# Mutations by anything but a POST of JSON, from the user's own page


@pytest.mark.parametrize("attack", ["launch", "delete", "wipe", "start"])
def test_mutations_in_an_address_or_a_form_are_refused(victim: Victim, attack: str) -> None:
    query = victim.mutations[attack]
    target = f"/graphql?query={json.dumps(query)[1:-1].replace(' ', '%20').replace('{', '%7B').replace('}', '%7D')}"
    target = target.replace('\\"', "%22")
    headers = {**own(victim), **authorized(victim)}
    with victim.unchanged():
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            assert send(victim.ui.port, raw(method, target, headers))[0] in (405, 415)
        for kind in (
            "application/x-www-form-urlencoded",
            "text/plain",
            "text/plain;application/json",
            "application/graphql",
            "multipart/form-data; boundary=application/json",
        ):
            assert posted(victim, query, {**headers, "Content-Type": kind}) == 415
            assert posted(victim, query, {**headers, "Content-Type": kind}, target) in (405, 415)
        assert posted(victim, query, headers) == 415


def test_records_are_not_changed_without_the_secret(victim: Victim) -> None:
    headers = {**own(victim), "Content-Type": "application/json", "Origin": victim.ui.url}
    with victim.unchanged():
        for kind in ("materialization", "observation", "check"):
            target = f"/report_asset_{kind}/base/items"
            assert send(victim.ui.port, raw("POST", target, headers, b"{}"))[0] == 401
            assert send(victim.ui.port, raw("POST", target, {**own(victim), **authorized(victim)}, b"{}"))[0] == 415
            assert send(victim.ui.port, raw("GET", target, {**own(victim)}))[0] == 401


# Paths and sizes


@pytest.mark.parametrize(
    "target",
    [
        "/logs/../../../../etc/passwd", "/logs/%2e%2e/%2e%2e/x", "/logs/..%2f..%2fetc%2fpasswd", "/logs/a/..\\x",
        "/logs/", "/logs//etc/passwd", f"/logs/{'a' * 300}/b.err", f"/logs/{'a/' * 3000}b.err", "/logs/%00.err",
        "/notebook?repoLocName=victim&path=/x.ipynb", "/dagit/notebook?repoLocName=victim&path=/x.ipynb",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(victim: Victim, target: str) -> None:
    status, headers, body = send(victim.ui.port, raw("GET", target, {**own(victim), **authorized(victim)}))
    assert (status, headers["x-frame-options"]) == (404, ["DENY"])
    assert b"root:" not in body


def test_a_huge_body_is_refused_and_the_server_goes_on(victim: Victim) -> None:
    headers = {**own(victim), **authorized(victim), "Content-Type": "application/json"}
    body = graphql("{ version }" + " " * (9 << 20))
    with suppress(ConnectionError):  # it hangs up before all is sent
        assert send(victim.ui.port, raw("POST", "/graphql", headers, body))[0] == 413
    assert victim.ui.answers()


NO_OBJECTS = (b"[]", b"5", b"null", b"{", b"", b"\xff", b'{"query": "\xff"}', b"[" * 6000,
              b'[{"query": "{ version }"}]', b'{"variables": {"a": ' + b"9" * 5000 + b"}}")  # fmt: skip
NO_QUERIES = (b'{"query": 5}', b'{"query": ["a"]}', b'{"query": "{ version }", "variables": 5}',
              b'{"query": "{ version }", "variables": "[1]"}', b'{"query": "{ version }", "variables": NaN}',
              b'{"query": "{ version }", "operationName": ["a"]}')  # fmt: skip


def test_a_body_that_is_no_query_is_refused_and_leaves_nothing_in_the_terminal(victim: Victim) -> None:
    headers = {**own(victim), **authorized(victim), "Content-Type": "application/json"}
    bodies = [("/graphql", body) for body in (*NO_OBJECTS, *NO_QUERIES)]
    bodies += [
        (f"/report_asset_{what}/x", body) for what in ("materialization", "check", "observation") for body in NO_OBJECTS
    ]
    answers = {(target, body): send(victim.ui.port, raw("POST", target, headers, body))[0] for target, body in bodies}
    assert set(answers.values()) == {400}, answers
    assert "Traceback" not in victim.ui.log.read_text("utf-8", "replace")


def test_an_unfinished_request_holds_nobody_up(victim: Victim) -> None:
    request = raw("POST", "/graphql", {**own(victim), **authorized(victim), "Content-Type": "application/json"})
    with socket.create_connection(("127.0.0.1", victim.ui.port)) as connection:
        connection.sendall(request.replace(b"Content-Length: 0", b"Content-Length: 100"))
        assert victim.ui.answers()


# The search page and its API

PATINA = ("/patina", "/patina/", "/patina/page.js", "/patina/api/v1/status", "/patina/api/v1/search?q=x", "/patina/x")


@pytest.mark.parametrize("target", PATINA)
def test_the_search_page_is_for_its_user_alone(victim: Victim, target: str) -> None:
    port, secret = victim.ui.port, authorized(victim)
    for headers, expected in (
        (own(victim), 401),
        ({"Host": "evil.example", **secret}, 421),
        ({**own(victim), **secret, "Origin": "http://evil.example"}, 403),
        ({**own(victim), **secret, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ):
        status, found, body = send(port, raw("GET", target, headers))
        assert status == expected
        assert b"projects" not in body
        assert {name: found[name] for name in ALWAYS} == {name: [value] for name, value in ALWAYS.items()}
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        headers = {**own(victim), **secret, "Content-Type": "application/json"}
        assert send(port, raw(method, target, headers))[0] in (404, 405)


@pytest.mark.parametrize(
    "target",
    [
        "/patina/../api.py",
        "/patina/%2e%2e/checks.py",
        "/patina/..%2fchecks.py",
        "/patina/__init__.py",
        "/patina//etc/passwd",
    ],
)
def test_no_other_file_is_a_page(victim: Victim, target: str) -> None:
    status, _, body = send(victim.ui.port, raw("GET", target, {**own(victim), **authorized(victim)}))
    assert status == 404
    assert b"import" not in body
    assert b"root:" not in body


@pytest.mark.parametrize("operation", ["passage", "like", "why", "commit"])
@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "-x", "--output=x"]
)
def test_no_other_file_is_a_passage(victim: Victim, operation: str, name: str) -> None:
    target = f"/patina/api/v1/{operation}?name={name}"
    status, _, body = send(victim.ui.port, raw("GET", target, {**own(victim), **authorized(victim)}))
    assert (status, json.loads(body)["status"]) == (400, 400)
    assert b"root:" not in body


def test_what_is_asked_for_is_bounded(victim: Victim) -> None:
    for query in (
        "search?q=x&limit=51",
        f"search?q={'x' * 2001}",
        "recent?days=0",
        "recent?limit=9999999999",
        "search?q=x&q=y",
    ):
        target = f"/patina/api/v1/{query}"
        assert send(victim.ui.port, raw("GET", target, {**own(victim), **authorized(victim)}))[0] == 400


def test_the_search_page_runs_its_own_scripts_alone(victim: Victim) -> None:
    for target in ("/patina/", "/patina/page.js", "/patina/api/v1/status"):
        _, headers, _ = send(victim.ui.port, raw("GET", target, {**own(victim), **authorized(victim)}))
        policy, guard = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in guard
