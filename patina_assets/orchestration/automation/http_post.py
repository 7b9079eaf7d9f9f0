"""One HTTP POST of JSON: to the web UI on this machine, and to the webhook that the user has chosen."""

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from patina_resources.cache.https import NoRedirection
from patina_resources.errors import PatinaError

# Of an answer no more is read, however much is sent.
MOST_ANSWER_BYTES = 16 << 20


def post_json(url: str, document: Mapping[str, Any], timeout_seconds: float) -> bytes:
    """Send a document, and return the answer. No redirection is followed.

    Raises:
        PatinaError: The URL is not http(s), nobody answers in time, or the answer is an error or a redirection.
    """
    return _post(build_opener(NoRedirection()), url, document, timeout_seconds, {})


def post_to_this_machine(url: str, document: Mapping[str, Any], timeout_seconds: float, token: str | None) -> bytes:
    """Send a document to a server here, with the token that it asks for: past every proxy, and to nobody else.

    Raises:
        PatinaError: The URL is not http(s), nobody answers in time, or the answer is an error or a redirection.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return _post(build_opener(ProxyHandler({}), NoRedirection()), url, document, timeout_seconds, headers)


def _post(
    opener: OpenerDirector, url: str, document: Mapping[str, Any], timeout_seconds: float, headers: Mapping[str, str]
) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise PatinaError("expected a URL that starts with http:// or https://")
    data = json.dumps(document).encode()
    try:
        request = Request(url, data, {"Content-Type": "application/json", **headers})  # noqa: S310 (checked above)
        with opener.open(request, timeout=timeout_seconds) as response:
            answer: bytes = response.read(MOST_ANSWER_BYTES)
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
