"""`patina fleet serve`: answers questions to the fleet, behind the proxy of a company."""

import os
import socket
import sys

import uvicorn

from patina_assets.serving.fleet.answers import FleetAnswers
from patina_assets.serving.fleet.application import fleet_application
from patina_assets.serving.fleet.door import Door
from patina_assets.serving.guard import PunctualHttp
from patina_resources.errors import PatinaError
from patina_resources.postgres.address import fleet_address
from patina_resources.postgres.connection import pooled
from patina_resources.project.user_settings import fleet_access
from patina_resources.store.mothership import Mothership

SECRET_VARIABLE = "PATINA_FLEET_PROXY_SECRET"  # noqa: S105 - where it is, not what
LEAST_CHARACTERS = 32


def fleet_door(home: Mothership) -> Door:
    """Return what requests have to show, as the user's config.toml or the environment says.

    Raises:
        PatinaError: There is no secret of the proxy, or it is too short.
    """
    access = fleet_access(home.settings)
    secret = os.environ.get(SECRET_VARIABLE) or access.proxy_secret
    if secret is None or len(secret) < LEAST_CHARACTERS or not secret.isascii():
        raise PatinaError(
            f"the proxy has no secret: set {SECRET_VARIABLE}, or `proxy_secret` in [fleet] of {home.settings}, to at "
            f"least {LEAST_CHARACTERS} letters and digits, and let the proxy send it as X-Patina-Proxy"
        )
    return Door(access.groups_header.lower().encode(), secret.encode())


def serve_fleet(home: Mothership, host: str, port: int) -> int:
    """Answer questions until the process is interrupted; return the exit code.

    Args:
        home: Whose settings hold.
        host: The address to listen on.
        port: The port.

    Raises:
        PatinaError: The settings are incomplete, or the address cannot be listened on.
    """
    address, door = fleet_address(home), fleet_door(home)
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise PatinaError(f"cannot listen on {host}:{port} ({error.strerror or error}): choose another") from error
    with listener, pooled(address) as pool:
        port = listener.getsockname()[1]
        print(f"patina: questions to the fleet at http://{host}:{port}/patina/ (stop with Ctrl-C)",
              file=sys.stderr, flush=True)  # fmt: skip
        config = uvicorn.Config(
            fleet_application(FleetAnswers(pool, address), door), http=PunctualHttp, lifespan="off",
            log_level="warning", access_log=False, proxy_headers=False, server_header=False,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listener])
    return 0
