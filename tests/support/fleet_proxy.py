"""What a proxy before a fleet's server sends, and the server that trusts it."""

from collections.abc import Iterator
from contextlib import contextmanager

from postgres_server import PostgresServer
from published_fleet import reader
from starlette.types import ASGIApp

from patina_assets.serving.fleet.answers import FleetAnswers
from patina_assets.serving.fleet.application import fleet_application
from patina_assets.serving.fleet.door import Door
from patina_resources.postgres.connection import pooled

SECRET = "s" * 40
DOOR = Door(b"x-forwarded-groups", SECRET.encode())


def sent(groups: str) -> dict[str, str]:
    """Return the headers of somebody in some groups."""
    return {"X-Patina-Proxy": SECRET, "X-Forwarded-Groups": groups}


@contextmanager
def served_fleet(server: PostgresServer) -> Iterator[ASGIApp]:
    """Yield the application over what is published, asked by the login `reader`."""
    with pooled(reader(server)) as pool:
        yield fleet_application(FleetAnswers(pool, reader(server)), DOOR)
