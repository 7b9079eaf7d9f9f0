"""One HTTP POST of JSON: to the web UI on this machine, and to the webhook that config.toml names."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from patina_resources.errors import PatinaError


def post_json(url: str, document: Mapping[str, Any], timeout_seconds: float) -> None:
    """Send a document.

    Raises:
        PatinaError: The URL is not http(s), nobody answers in time, or the answer is an error.
    """
    if not url.startswith(("http://", "https://")):
        raise PatinaError(f"{url!r}: expected a URL that starts with http:// or https://")
    data = json.dumps(document).encode()
    try:
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 (checked above)
        with urllib.request.urlopen(request, timeout=timeout_seconds) as response:  # noqa: S310
            response.read()
    except (OSError, ValueError) as error:  # URLError is an OSError
        raise PatinaError(f"{url}: does not answer ({error})") from error
