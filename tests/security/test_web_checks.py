"""The rules alone: each request of an attacker, in many spellings, and what a browser of the user sends."""

from collections.abc import Mapping, Sequence
from typing import Literal

import pytest

from patina_assets.serving.checks import Login, Refusal, Request, Site, verdict

TOKEN = "right-token"
SITE = Site(3000, TOKEN)
OWN = "http://127.0.0.1:3000"
COOKIE = {"cookie": [f"patina-3000={TOKEN}"]}
BEARER = {"authorization": [f"Bearer {TOKEN}"]}
FETCHED = {"sec-fetch-site": ["same-origin"], "sec-fetch-mode": ["cors"], "sec-fetch-dest": ["empty"]}
FOLLOWED = {"sec-fetch-site": ["cross-site"], "sec-fetch-mode": ["navigate"], "sec-fetch-dest": ["document"]}
JSON = {"content-type": ["application/json"]}


def asked(
    headers: Mapping[str, Sequence[str]],
    method: str = "GET",
    target: str = "/",
    query: str = "",
    path: str | None = None,
    kind: Literal["http", "websocket"] = "http",
    site: Site = SITE,
) -> int:
    """Return the status of a refusal, 303 for a login, and 200 for what is answered."""
    request = Request(
        kind, method, target, target if path is None else path, query, {"host": ["127.0.0.1:3000"], **headers}
    )
    found = verdict(request, site)
    return found.status if isinstance(found, Refusal) else 303 if isinstance(found, Login) else 200


# What the user's browser and our own processes send


def test_the_pages_of_the_web_ui_are_answered() -> None:
    assert asked({**COOKIE, "sec-fetch-site": ["none"]}) == 200
    assert asked({**COOKIE, **FETCHED}, target="/_next/static/x.js") == 200
    assert asked({**COOKIE, **FETCHED, **JSON, "origin": [OWN]}, "POST", "/graphql", "op=RunQuery") == 200
    assert asked({**COOKIE, "origin": [OWN]}, target="/graphql", kind="websocket") == 200
    assert asked({**BEARER, **JSON}, "POST", "/graphql") == 200
    assert asked({**BEARER, "content-type": ["Application/JSON; charset=UTF-8"]}, "POST", "/graphql") == 200


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "LOCALHOST:3000", "[::1]:3000"])
def test_names_of_this_machine_are_answered(host: str) -> None:
    assert asked({**COOKIE, "host": [host]}) == 200
    assert asked({**COOKIE, **JSON, "host": [host], "origin": [f"http://{host.lower()}"]}, "POST", "/graphql") == 200


def test_a_standard_port_is_left_out_of_the_name() -> None:
    site = Site(80, TOKEN)
    cookie = {"cookie": [f"patina-80={TOKEN}"]}
    assert asked({**cookie, "host": ["127.0.0.1"]}, site=site) == 200
    assert asked({**cookie, "host": ["evil.example"]}, site=site) == 421
    assert asked({**COOKIE, "host": ["127.0.0.1"]}) == 421


# DNS rebinding


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "evil.example:3000", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:3001", "127.0.0.1.:3000",
        "localhost.:3000", "127.0.0.1:3000.", "127.0.0.1:3000@evil.example", "evil@127.0.0.1:3000", "0.0.0.0:3000",
        "127.1:3000", "2130706433:3000", "0x7f000001:3000", "127.0.0.2:3000", "::1", "[::1]", "::1:3000",
        "[::ffff:127.0.0.1]:3000", "[0:0:0:0:0:0:0:1]:3000", "[::1%lo]:3000", "127.0.0.1:03000", "127.0.0.1:3000 ",
        "127.0.0.1:3000,evil.example", "127.0.0.1.evil.example:3000", "localhost:3000.evil.example", "x.localhost:3000",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_foreign_host_is_refused(host: str, kind: Literal["http", "websocket"]) -> None:
    assert asked({**COOKIE, **BEARER, "host": [host], "origin": [f"http://{host}"]}, kind=kind) == 421


def test_two_hosts_or_none_are_refused() -> None:
    assert asked({**COOKIE, "host": ["127.0.0.1:3000", "evil.example"]}) == 400
    assert asked({**COOKIE, "host": []}) == 421


@pytest.mark.parametrize(
    "target", ["http://evil.example/", "http://127.0.0.1:3000/", "evil.example:443", "*", "", "graphql"]
)
def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    assert asked(COOKIE, target=target) == 421


# Other pages


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "http://evil.example", "https://127.0.0.1:3000", "http://127.0.0.1", "http://127.0.0.1:4000",
        "http://localhost:3000", "http://[::1]:3000", "http://127.0.0.1:3000.evil.example", "http://127.0.0.1:3000/",
        "file://", "chrome-extension://x", "http://127.0.0.1:3000 http://evil.example",
    ],
)  # fmt: skip
def test_a_foreign_origin_is_refused(origin: str) -> None:
    headers = {**COOKIE, **BEARER, **JSON, "origin": [origin]}
    assert asked(headers) == 403
    assert asked(headers, "POST", "/graphql") == 403
    assert asked(headers, target="/graphql", kind="websocket") == 403


def test_a_post_or_a_websocket_without_an_origin_needs_the_token_itself() -> None:
    assert asked({**COOKIE, **JSON}, "POST", "/graphql") == 403
    assert asked(COOKIE, target="/graphql", kind="websocket") == 403
    assert asked(BEARER, target="/graphql", kind="websocket") == 200


def test_two_origins_are_refused() -> None:
    assert asked({**COOKIE, **JSON, "origin": [OWN, "http://evil.example"]}, "POST", "/graphql") == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site", "other", ""])
@pytest.mark.parametrize(
    ("mode", "destination"),
    [
        ("no-cors", "image"), ("no-cors", "script"), ("cors", "empty"), ("navigate", "iframe"), ("navigate", "embed"),
        ("navigate", "object"), ("navigate", "frame"), ("websocket", "websocket"), ("", ""),
    ],
)  # fmt: skip
def test_what_another_page_embeds_or_fetches_is_refused(site: str, mode: str, destination: str) -> None:
    sender = {"sec-fetch-site": [site], "sec-fetch-mode": [mode], "sec-fetch-dest": [destination]}
    assert asked({**COOKIE, **sender}) == 403
    assert asked({**COOKIE, **sender}, query=f"token={TOKEN}") == 403
    assert asked({**COOKIE, **sender, **JSON, "origin": [OWN]}, "POST", "/graphql") == 403


def test_a_link_on_another_page_may_be_followed_and_a_form_may_not_be_sent() -> None:
    assert asked({**COOKIE, **FOLLOWED}, target="/runs") == 200
    assert asked({**COOKIE, **FOLLOWED, **JSON, "origin": [OWN]}, "POST", "/graphql") == 403


@pytest.mark.parametrize(
    "types",
    [
        [], [""], ["text/plain"], ["text/plain;application/json"], ["text/plain; charset=application/json"],
        ["application/x-www-form-urlencoded"], ["multipart/form-data; boundary=application/json"],
        ["application/jsonp"], ["application/graphql"], ["application/json, text/plain"], ["application/json;x=y"],
        ["application/json; charset=utf-7"], ["application/json+x"], ["x application/json"],
    ],
)  # fmt: skip
def test_a_post_of_anything_but_json_is_refused(types: list[str]) -> None:
    for headers in ({**COOKIE, "origin": [OWN]}, BEARER):
        assert asked({**headers, "content-type": types}, "POST", "/graphql") == 415
        assert asked({**headers, "content-type": types}, "POST", "/report_asset_check/x") == 415


def test_two_content_types_are_refused() -> None:
    assert asked({**BEARER, "content-type": ["application/json", "text/plain"]}, "POST", "/graphql") == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "QUERY", "post"])
def test_other_methods_are_refused(method: str) -> None:
    assert asked({**BEARER, **JSON}, method, "/graphql") == 405


@pytest.mark.parametrize("query", ["query=mutation{x}", "%71uery=x", "a=b", "query", "op=x&query=y"])
@pytest.mark.parametrize(
    ("target", "path"), [("/graphql", "/graphql"), ("/graphql/", "/graphql/"), ("/%67raphql", "/graphql")]
)
def test_a_query_in_the_address_is_refused(query: str, target: str, path: str) -> None:
    for method in ("GET", "HEAD"):
        assert asked(COOKIE, method, target, query, path) == 405
        assert asked(COOKIE, method, target, "op=x", path) == 405
    assert asked({**BEARER, **JSON}, "POST", target, query, path) == 405


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/logs/../../x", "/..", "/./graphql", "//evil.example/", "/logs/..\\x", "/\\evil.example", "/a\x00b", "/a\r\nb",
        "/notebook", "/notebook/", "/dagit/notebook",
    ],
)  # fmt: skip
def test_an_odd_path_is_none(path: str) -> None:
    assert asked(COOKIE, target="/x", path=path) == 404
    assert asked(COOKIE, target="/x", path=path, query=f"token={TOKEN}") == 404


# Other users of the machine


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"authorization": ["Bearer"]}, {"authorization": ["Bearer "]}, {"authorization": [TOKEN]},
        {"authorization": [f"Basic {TOKEN}"]}, {"authorization": [f"Bearer {TOKEN[:-1]}"]},
        {"authorization": [f"Bearer {TOKEN}x"]}, {"authorization": [f"Bearer {TOKEN.upper()}"]},
        {"authorization": ["Bearer \xff\x00"]}, {"cookie": ["patina-3000="]}, {"cookie": [f"patina-3001={TOKEN}"]},
        {"cookie": [f"patina-3000={TOKEN}x"]}, {"cookie": [f'patina-3000="{TOKEN}"']}, {"cookie": [TOKEN]},
        {"cookie": [f"x=patina-3000={TOKEN}"]}, {"cookie": ["patina-3000=\xff"]},
    ],
)  # fmt: skip
def test_without_the_secret_nothing_is_answered(headers: Mapping[str, Sequence[str]]) -> None:
    for target in ("/", "/graphql", "/server_info", "/favicon.png", "/logs/x/y.err", "/download_debug/x"):
        assert asked(headers, target=target) == 401
    assert asked({**headers, "origin": [OWN]}, target="/graphql", kind="websocket") == 401
    assert asked({**headers, **JSON, "origin": [OWN]}, "POST", "/graphql") == 401


@pytest.mark.parametrize(
    "query", ["", "token=", "token", f"token={TOKEN}x", f"Token={TOKEN}", f"x={TOKEN}", "token=%ff"]
)
def test_a_wrong_secret_in_the_address_opens_nothing(query: str) -> None:
    assert asked({}, query=query) == 401


def test_the_secret_in_the_address_becomes_a_cookie() -> None:
    found = verdict(Request("http", "GET", "/", "/", f"token={TOKEN}", {"host": ["localhost:3000"]}), SITE)
    assert found == Login("http://localhost:3000/")
    found = verdict(Request("http", "GET", "/", "/a b\u20ac", f"a=b&token={TOKEN}", {"host": ["localhost:3000"]}), SITE)
    assert found == Login("http://localhost:3000/a%20b%E2%82%AC")
    assert asked(JSON | {"origin": [OWN]}, "POST", query=f"token={TOKEN}") == 401
    assert asked({"origin": [OWN]}, query=f"token={TOKEN}", kind="websocket") == 401


def test_a_cookie_that_another_port_has_set_does_no_harm() -> None:
    assert asked({"cookie": [f"patina-3000=wrong; patina-3000={TOKEN}"]}) == 200
    assert asked({"cookie": ["patina-3000=wrong", f"patina-3000={TOKEN}"]}) == 200


def test_only_a_followed_link_is_asked_to_come_again() -> None:
    def again(headers: Mapping[str, Sequence[str]]) -> bool:
        found = verdict(Request("http", "GET", "/", "/", "", {"host": ["127.0.0.1:3000"], **headers}), SITE)
        assert isinstance(found, Refusal)
        return found.again

    assert again(FOLLOWED)
    assert not again({})
    assert not again({**FOLLOWED, "sec-fetch-site": ["same-origin"]})
    assert not again({**FOLLOWED, "sec-fetch-site": ["none"]})
    assert not again({**FOLLOWED, "sec-fetch-dest": ["iframe"]})
