"""One HTTP POST of JSON: to the web UI on this machine, and to the webhook that config.toml names."""

import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from patina_resources.errors import PatinaError


def post_json(url: str, document: Mapping[str, Any], timeout_seconds: float) -> bytes:
    """Send a document, and return the answer.

    Raises:
        PatinaError: The URL is not http(s), nobody answers in time, or the answer is an error.
    """
    if not url.startswith(("http://", "https://")):
        raise PatinaError("expected a URL that starts with http:// or https://")
    data = json.dumps(document).encode()
    try:
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 (checked above)
        with urllib.request.urlopen(request, timeout=timeout_seconds) as response:  # noqa: S310
            answer: bytes = response.read()
            return answer
    except (OSError, ValueError, HTTPException) as error:  # URLError is an OSError
        # Not `from error`, and not its own words: they may repeat the URL.
        raise PatinaError(f"{shown_url(url)}: does not answer ({_cause(error)})") from None


def shown_url(url: str) -> str:
    """Return scheme, host and port of a URL: the rest may be a secret, as in the address of a webhook."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no host)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _cause(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    reason = error.reason if isinstance(error, URLError) else error
    return (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__
