"""Pages of other origins in a real Chromium whose user has opened `patina ui`: what they send changes nothing."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from browser import CHROMIUM, Page, browser
from web_victim import Victim, running_victim

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium")
# Another port of the same host is the same site to a browser: it sends strict cookies there.
ORIGINS = ("http://127.0.0.1", "http://localhost", "http://evil.example")
RESOLVER = "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebound.example 127.0.0.1"
POPUPS = "--disable-popup-blocking"


@dataclass
class Attacker:
    """A web server with pages that attack.

    Attributes:
        port: Where it listens.
        seen: Headers of the requests that it got.
    """

    port: int
    seen: list[dict[str, str]]


@contextmanager
def running_attacker() -> Iterator[Attacker]:
    """Serve an empty page at every path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            attacker.seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>attacker</title><body>attacker</body>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    attacker = Attacker(server.server_port, [])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield attacker
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """Return a running web UI."""
    with running_victim(tmp_path_factory.mktemp("victim")) as running:
        yield running


@pytest.fixture(scope="module")
def attacker() -> Iterator[Attacker]:
    """Return the attacker's server."""
    with running_attacker() as running:
        yield running


@pytest.fixture(scope="module")
def page(victim: Victim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return a browser in which the web UI was opened: it holds the cookie."""
    with browser(tmp_path_factory.mktemp("profile"), RESOLVER, POPUPS) as opened:
        opened.open(victim.ui.login_url)
        opened.wait_for_texts("Overview")
        yield opened


@pytest.fixture(params=ORIGINS)
def attack(request: pytest.FixtureRequest, page: Page, attacker: Attacker) -> Page:
    """Return the browser with the attacker's page open, of each kind of origin."""
    page.open(f"{request.param}:{attacker.port}/")
    page.wait_for_texts("attacker")
    return page


def link(victim: Victim, name: str) -> str:
    """Return a mutation as an address."""
    return f"{victim.ui.url}/graphql?query={quote(victim.mutations[name])}"


# The user's own page


def test_its_own_pages_are_whole(victim: Victim, page: Page) -> None:
    for path in ("/overview", f"/locations/{victim.project.root.name}/jobs", f"/runs/{victim.run}", "/automation"):
        page.open(f"{victim.ui.url}{path}")
        page.wait_for_texts("Overview")
        page.settle()
        failed = "performance.getEntriesByType('resource').filter(e => e.responseStatus >= 400).map(e => e.name)"
        assert page.value(failed) == []
    assert page.value("document.cookie") == ""
    assert victim.ui.token not in page.value("location.href + document.referrer")
    page.open(f"{victim.ui.url}/graphql")
    page.wait_for_texts("Welcome to GraphiQL")


def test_a_link_on_another_page_may_be_followed(victim: Victim, attack: Page, attacker: Attacker) -> None:
    attack.value(f"(() => {{ location.href = {json.dumps(victim.ui.url + '/overview')}; }})()")
    attack.wait_for_texts("Overview")
    assert victim.ui.token not in json.dumps(attacker.seen[-1].get("referer", ""))


def test_a_picture_that_a_text_names_is_not_loaded(victim: Victim, page: Page, attacker: Attacker) -> None:
    page.open(f"{victim.ui.url}/overview")
    page.wait_for_texts("Overview")
    before = len(attacker.seen)
    # As the Markdown of a description would have it.
    for element, source in (("img", "src"), ("video", "src"), ("video", "poster")):
        loaded = page.value(f"""new Promise(done => {{
            const shown = document.createElement('{element}'); shown.{source} = 'http://127.0.0.1:{attacker.port}/x.png';
            shown.onload = () => done('loaded'); shown.onerror = () => done('refused');
            document.body.append(shown); setTimeout(() => done('refused'), 2000);
        }})""")
        assert loaded == "refused"
    assert len(attacker.seen) == before


# Attacks


@pytest.mark.parametrize("name", ["launch", "delete", "wipe", "start"])
def test_images_and_links_with_a_mutation(victim: Victim, attack: Page, name: str) -> None:
    address = json.dumps(link(victim, name))
    script = f"""new Promise(done => {{
        const image = new Image(); image.onload = image.onerror = () => done(true); image.src = {address};
    }})"""
    with victim.unchanged():
        attack.value(script)
        attack.value(
            f"new Promise(d => {{ const s = document.createElement('script'); s.src = {address}; "
            "s.onload = s.onerror = () => d(true); document.head.append(s); })"
        )
        attack.value(f"(() => {{ window.open({address}); }})()")
        attack.call("Page.bringToFront")
        attack.value(f"(() => {{ location.href = {address}; }})()")
        attack.wait_for_texts("JSON body of a POST")


@pytest.mark.parametrize("name", ["launch", "delete"])
@pytest.mark.parametrize("enctype", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_forms(victim: Victim, attack: Page, name: str, enctype: str) -> None:
    query = victim.mutations[name]
    # As text/plain the field is `{"query": "...", "x": "=..."}`: JSON.
    field, value = json.dumps({"query": query, "x": ""})[:-2], '"}'
    for action, label, content in (
        (link(victim, name), "x", "y"),
        (f"{victim.ui.url}/graphql", field, value),
        (f"{victim.ui.url}/graphql", "query", query),
    ):
        script = f"""new Promise(done => {{
            const frame = document.createElement('iframe'); frame.name = 'sink' + Math.random();
            document.body.append(frame);
            const form = document.createElement('form');
            form.method = 'post'; form.enctype = {json.dumps(enctype)}; form.action = {json.dumps(action)};
            form.target = frame.name;
            const input = document.createElement('input');
            input.name = {json.dumps(label)}; input.value = {json.dumps(content)};
            form.append(input); document.body.append(form);
            frame.onload = () => done(true); form.submit(); setTimeout(() => done(false), 3000);
        }})"""
        with victim.unchanged():
            attack.value(script)


@pytest.mark.parametrize("name", ["launch", "delete", "wipe", "start"])
def test_fetches(victim: Victim, attack: Page, name: str) -> None:
    body = json.dumps(json.dumps({"query": victim.mutations[name]}))
    address = json.dumps(f"{victim.ui.url}/graphql")
    with victim.unchanged():
        for mode in ("no-cors", "cors"):
            for kind in ("text/plain", "text/plain;application/json", "application/json", ""):
                attack.value(
                    f"fetch({address}, {{method: 'POST', mode: '{mode}', credentials: 'include', body: {body}, "
                    f"headers: {{'Content-Type': '{kind}'}}}}).then(r => r.status, e => 0)"
                )
            attack.value(
                f"fetch({json.dumps(link(victim, name))}, {{mode: '{mode}', credentials: 'include'}})"
                ".then(r => r.status, e => 0)"
            )
        attack.value(f"navigator.sendBeacon({address}, new Blob([{body}], {{type: 'text/plain'}}))")


def test_nothing_can_be_read(victim: Victim, attack: Page) -> None:
    for path in ("/server_info", "/graphql", "/", f"/download_debug/{victim.run}"):
        address = json.dumps(f"{victim.ui.url}{path}")
        assert (
            attack.value(f"fetch({address}, {{credentials: 'include'}}).then(r => r.text(), e => 'nothing')")
            == "nothing"
        )


def test_a_websocket_is_refused(victim: Victim, attack: Page) -> None:
    address = json.dumps(f"ws://127.0.0.1:{victim.ui.port}/graphql")
    script = f"""new Promise(done => {{
        const socket = new WebSocket({address}, 'graphql-ws');
        socket.onopen = () => done('open'); socket.onerror = () => done('refused');
    }})"""
    assert attack.value(script) == "refused"


@pytest.mark.parametrize("tag", ["iframe", "embed", "object"])
def test_it_is_not_shown_inside_another_page(victim: Victim, attack: Page, tag: str) -> None:
    source = "data" if tag == "object" else "src"
    attack.value(f"""new Promise(done => {{
        const frame = document.createElement('{tag}'); frame.{source} = {json.dumps(victim.ui.url + "/overview")};
        document.body.append(frame); setTimeout(() => done(true), 3000);
    }})""")
    frames = attack.call("Page.getFrameTree")["frameTree"].get("childFrames", [])
    assert [frame["frame"]["url"] for frame in frames if frame["frame"]["url"].startswith(victim.ui.url)] == []


def test_a_name_that_leads_here_opens_nothing(victim: Victim, page: Page) -> None:
    page.open(f"http://rebound.example:{victim.ui.port}/")
    page.wait_for_texts("This server is known as")
    body = json.dumps(json.dumps({"query": victim.mutations["launch"]}))
    with victim.unchanged():
        for headers in (
            "{'Content-Type': 'application/json'}",
            f"{{'Content-Type': 'application/json', 'Authorization': 'Bearer {victim.ui.token}'}}",
        ):
            status = page.value(
                f"fetch('/graphql', {{method: 'POST', body: {body}, headers: {headers}}}).then(r => r.status, e => 0)"
            )
            assert status in (0, 421)
    assert page.value("fetch('/server_info').then(r => r.text(), e => '')").count("version") == 0


def test_a_browser_without_the_address_sees_nothing(victim: Victim, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as other:
        other.open(f"{victim.ui.url}/overview")
        other.wait_for_texts("the address that `patina ui` printed")
        assert "victim" not in other.text()
