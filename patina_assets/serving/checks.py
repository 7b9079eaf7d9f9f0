"""Which requests the web UI answers. These are rules only: no request is read here, and no answer is sent.

The web UI starts runs and deletes records, and any page in the same browser and any user of the same machine can send
it requests. Hence each request has to name this server, must not come from another page, and must carry the secret of
this start. `docs/security.md` says which attack each rule is against.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Literal
from urllib.parse import parse_qs, quote

HOSTS = ("127.0.0.1", "localhost", "[::1]")
GRAPHQL = "/graphql"
# They show a notebook of any place as a page of this server, scripts included; no asset here has one.
NOTEBOOKS = ("/notebook", "/dagit/notebook")
JSON = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)
ONCE = ("host", "origin", "authorization", "content-type", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")


@dataclass(frozen=True)
class Site:
    """A start of the web UI.

    Attributes:
        port: Where it listens.
        token: The secret that the printed address holds.
    """

    port: int
    token: str

    @property
    def url(self) -> str:
        """The address without the secret."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def login_url(self) -> str:
        """The address to open in a browser: that of the search page."""
        return f"{self.url}/patina/?token={self.token}"

    @property
    def cookie(self) -> str:
        """Name of the cookie: browsers send the cookies of every port of a host to each of them."""
        return f"patina-{self.port}"


@dataclass(frozen=True)
class Request:
    """What the rules look at.

    Attributes:
        kind: A plain request, or the one that opens a WebSocket.
        method: Its method.
        target: The path as it was sent, still quoted.
        path: The path, unquoted.
        query: What stands behind the `?`.
        headers: Values by lower-case name.
    """

    kind: Literal["http", "websocket"]
    method: str
    target: str
    path: str
    query: str
    headers: Mapping[str, Sequence[str]]

    def header(self, name: str) -> str | None:
        """Return a header's value; None where it is missing."""
        values = self.headers.get(name)
        return values[0] if values else None


@dataclass(frozen=True)
class Refusal:
    """A request that is not answered.

    Attributes:
        status: HTTP status.
        reason: One sentence.
        again: Whether the same request, sent by the page of this refusal, would be answered.
    """

    status: int
    reason: str
    again: bool = False


@dataclass(frozen=True)
class Login:
    """A request with the secret in its address: the browser gets the cookie and goes on without the secret.

    Attributes:
        location: Where to.
    """

    location: str


def verdict(request: Request, site: Site) -> Refusal | Login | None:
    """Return why a request is refused, how it goes on, or None: it is answered."""
    for rule in (_well_formed, _host, _path, _method, _origin, _sender, _content_type, _graphql):
        refusal = rule(request, site)
        if refusal is not None:
            return refusal
    if _may_log_in(request, site):
        return Login(f"http://{request.header('host')}{quote(request.path)}")
    return None if _has_bearer(request, site) or _has_cookie(request, site) else _without_secret(request)


def _well_formed(request: Request, _: Site) -> Refusal | None:
    twice = [name for name in ONCE if len(request.headers.get(name, ())) > 1]
    return Refusal(400, f"The header {twice[0]} was sent more than once.") if twice else None


def _host(request: Request, site: Site) -> Refusal | None:
    """Refuse a foreign name: a page whose own name is made to lead here (DNS rebinding) reads all answers."""
    names = {f"{name}:{site.port}" for name in HOSTS} | ({*HOSTS} if site.port == 80 else set())
    if (request.header("host") or "").lower() in names:
        return None
    return Refusal(421, f"This server is known as {site.url} only. Open the address that `patina ui` printed.")


def _path(request: Request, _: Site) -> Refusal | None:
    if not request.target.startswith("/"):  # an absolute address, as proxies are sent
        return Refusal(421, "This server is no proxy.")
    parts = request.path.split("/")
    odd = any(part in (".", "..") for part in parts) or re.search(r"[\\\x00-\x1f\x7f]", request.path)
    if odd or request.path.startswith("//") or request.path.rstrip("/") in NOTEBOOKS:
        return Refusal(404, "There is no such page.")
    return None


def _method(request: Request, _: Site) -> Refusal | None:
    known = request.kind == "websocket" or request.method in ("GET", "HEAD", "POST")
    return None if known else Refusal(405, "Only GET, HEAD and POST are answered.")


def _origin(request: Request, site: Site) -> Refusal | None:
    """Refuse other pages: a browser states the origin of whatever sends a POST or opens a WebSocket."""
    origin = request.header("origin")
    if origin is not None and origin.lower() != f"http://{request.header('host')}".lower():
        return Refusal(403, "This request comes from a page of another site.")
    needed = request.kind == "websocket" or request.method == "POST"
    if origin is None and needed and not _has_bearer(request, site):
        return Refusal(403, "This request needs an Origin, or the token as `Authorization: Bearer`.")
    return None


def _sender(request: Request, _: Site) -> Refusal | None:
    """Refuse what another site's page embeds or fetches; a link from it may be followed."""
    if request.header("sec-fetch-site") in (None, "same-origin", "none") or _is_followed_link(request):
        return None
    return Refusal(403, "This request comes from a page of another site.")


def _content_type(request: Request, _: Site) -> Refusal | None:
    """Refuse what a form or a fetch without preflight can send."""
    if request.kind == "websocket" or request.method != "POST":
        return None
    if JSON.fullmatch((request.header("content-type") or "").strip()):
        return None
    return Refusal(415, "A POST needs the content type application/json.")


def _graphql(request: Request, _: Site) -> Refusal | None:
    """Refuse a query in the address: Dagster would execute it, mutations included."""
    if request.kind == "websocket" or request.path.rstrip("/") != GRAPHQL:
        return None
    # Dagster's pages tell the name of the query, for whoever reads a log.
    allowed = {"op"} if request.method == "POST" else set()
    if parse_qs(request.query, keep_blank_values=True).keys() <= allowed:
        return None
    return Refusal(405, "A GraphQL query is answered as the JSON body of a POST only.")


def _is_followed_link(request: Request) -> bool:
    return (
        request.kind == "http"
        and request.method in ("GET", "HEAD")
        and request.header("sec-fetch-mode") == "navigate"
        and request.header("sec-fetch-dest") == "document"
    )


def _may_log_in(request: Request, site: Site) -> bool:
    if request.kind != "http" or request.method != "GET":
        return False
    return any(_is_secret(value, site) for value in parse_qs(request.query).get("token", ()))


def _has_bearer(request: Request, site: Site) -> bool:
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    return scheme.lower() == "bearer" and _is_secret(value.strip(), site)


def _has_cookie(request: Request, site: Site) -> bool:
    pairs = (pair.partition("=") for line in request.headers.get("cookie", ()) for pair in line.split(";"))
    # Another server on this host can set a cookie of the same name beside ours.
    return any(name.strip() == site.cookie and _is_secret(value.strip(), site) for name, _, value in pairs)


def _is_secret(value: str, site: Site) -> bool:
    return compare_digest(value.encode("utf-8", "surrogateescape"), site.token.encode())


def _without_secret(request: Request) -> Refusal:
    # The browser holds a strict cookie back where a link on another site was followed: then it has to ask again.
    followed = _is_followed_link(request) and request.header("sec-fetch-site") in ("cross-site", "same-site")
    return Refusal(
        401, "This needs the address that `patina ui` printed: open that once in this browser.", again=followed
    )
