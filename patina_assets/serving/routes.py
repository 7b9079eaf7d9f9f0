"""The addresses below `/patina`: the search page, and the API behind it. Dagster has all others."""

from collections.abc import Callable, Sequence
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from patina_assets.serving.api import api_routes, not_found
from patina_assets.serving.doors import Doors
from patina_assets.serving.mcp.http import mcp_routes
from patina_assets.serving.running import Running
from patina_assets.serving.turns import Turns

PREFIX = "/patina"
# With Trusted Types a text can become no part of the page, whatever its script does.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
# More threads would wait for each other, and keep the one that speaks to the network waiting.
MOST_FIRST = 4
PAGE_FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "begin.js": "text/javascript",
    "dom.js": "text/javascript",
    "details.js": "text/javascript",
    "results.js": "text/javascript",
    "mapping.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


def patina_routes(doors: Doors, running: Running) -> Sequence[BaseRoute]:
    """Return our routes; they stand before Dagster's, the last of which answers every address."""
    first = Turns(MOST_FIRST)
    return [
        Route(PREFIX, _to_page),
        Route(f"{PREFIX}/", page_file("index.html", "text/html")),
        *(Route(f"{PREFIX}/{name}", page_file(name, kind)) for name, kind in PAGE_FILES.items()),
        Route(f"{PREFIX}/map.js", page_file("map.js", "text/javascript", "patina_assets.pictures")),
        *api_routes(PREFIX, doors, running, first),
        *mcp_routes(doors.projects, first),
        Route(f"{PREFIX}/{{rest:path}}", not_found),
    ]


def _to_page(_: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/", 307)


def page_file(name: str, kind: str, place: str = "patina_assets.serving.page") -> Callable[[Request], Response]:
    """Return what answers with a file of the page.

    Args:
        name: Its name.
        kind: Its media type.
        place: The package that it lies in.
    """
    content = (files(place) / name).read_bytes()
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

    def answer(_: Request) -> Response:
        return Response(content, media_type=kind, headers=headers)

    return answer
