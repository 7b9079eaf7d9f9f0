"""Asks the web UI on this machine to load a project's definitions again, after its recipe was edited."""

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from patina_assets.orchestration.automation.http_post import post_to_this_machine
from patina_resources.errors import PatinaError

# Where the web UI answers; `patina ui` sets it. The default is that of `dagster dev`.
UI_VARIABLE = "PATINA_UI"
DEFAULT_UI = "http://127.0.0.1:3000"
# Names the file with the secret that the web UI asks for; `patina ui` sets it. That of `dagster dev` has none.
TOKEN_VARIABLE = "PATINA_UI_TOKEN_FILE"  # noqa: S105 - the name of a variable
# The request is sent when the tick has been answered: the process that answers it is replaced by the reload.
DELAY_SECONDS = 0.3
# A daemon that runs apart from the web UI has processes of its own, which it replaces every 60 s.
GIVE_UP_SECONDS = 90.0
TIMEOUT_SECONDS = 60.0
MUTATION = "mutation Reload($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename } }"
RELOADED = "WorkspaceLocationEntry"

_asked: dict[str, float] = {}


def ask_for_reload(location: str) -> bool:
    """Ask once, in the background; return whether it is worth waiting for.

    Args:
        location: Name of the code location.
    """
    now = time.monotonic()
    if location not in _asked:
        _asked[location] = now
        threading.Thread(target=_send, args=(location,), daemon=True).start()
    return now - _asked[location] < GIVE_UP_SECONDS


def _send(location: str) -> None:
    time.sleep(DELAY_SECONDS)
    url = f"{os.environ.get(UI_VARIABLE, DEFAULT_UI)}/graphql"
    document: Mapping[str, object] = {"query": MUTATION, "variables": {"name": location}}
    try:
        answer = json.loads(post_to_this_machine(url, document, TIMEOUT_SECONDS, _token()))
        reloaded = answer["data"]["reloadRepositoryLocation"]["__typename"] == RELOADED
    except (PatinaError, OSError, ValueError, KeyError, TypeError):
        reloaded = False
    if not reloaded:
        # No UI of this project there, or it is being stopped: the next process reads the recipe as it is.
        _asked[location] = -GIVE_UP_SECONDS


def _token() -> str | None:
    file = os.environ.get(TOKEN_VARIABLE)
    return Path(file).read_text("ascii") if file else None
