"""A store that is only read, over HTTPS: any web server over the files of a store."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from http.client import HTTPException, HTTPResponse
from threading import Thread
from typing import NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from patina_resources.cache.remote import (
    ATTEMPTS,
    CacheError,
    CacheUnavailableError,
    StoredObject,
    seconds_for,
    too_large,
)

READ_BYTES = 1 << 16
NOT_THERE = (404, 410)
PARTIAL, RANGE_IS_WRONG = 206, 416


class HttpsRemote:
    """A web server that serves a store. Redirections are not followed: they may lead to another host."""

    writable = False

    def __init__(self, url: str, timeout_seconds: float, *, is_loopback: bool = False) -> None:
        """Take where it is.

        Args:
            url: Its address, without a slash at the end.
            timeout_seconds: How long an answer is waited for.
            is_loopback: Whether it is on this machine: then no proxy is asked.
        """
        self._url, self._timeout = url, timeout_seconds
        self._opener = build_opener(NoRedirection(), *([ProxyHandler({})] if is_loopback else []))

    def read(self, name: str, most: int, expected: int) -> bytes | None:
        """Return an object, or None where there is none; what was cut is asked for from there on. See `Remote`."""
        data = bytearray()
        deadline = time.monotonic() + seconds_for(expected, self._timeout)
        cause = ""
        for _ in range(ATTEMPTS):
            try:
                if not self._read_on(name, data, most, deadline):
                    return None
                return bytes(data)
            except HTTPError as error:
                raise CacheUnavailableError(f"{self._url}: answers HTTP {error.code}") from None
            except (OSError, ValueError, HTTPException) as error:  # URLError is an OSError
                cause = _cause(error)
            if time.monotonic() >= deadline:
                break
        raise CacheUnavailableError(f"{self._url}: does not give what it holds ({cause})")

    def size(self, name: str) -> int | None:
        """Nobody asks: nothing is written here."""
        self._read_only(name)

    def write(self, name: str, data: bytes, *, replaces: bool = False) -> bool:  # noqa: ARG002 - as `Remote` has it
        """Refuse to write."""
        self._read_only(name)

    def entries(self) -> Iterator[StoredObject]:
        """Refuse to list."""
        raise CacheUnavailableError(f"{self._url}: a web server cannot be listed")

    def remove(self, name: str) -> None:
        """Refuse to remove."""
        self._read_only(name)

    def _read_only(self, name: str) -> NoReturn:
        raise CacheError(f"{self._url}/{name}: is only read: write by file://, s3:// or gs://")

    def _read_on(self, name: str, data: bytearray, most: int, deadline: float) -> bool:
        """Add to `data` what follows it; return whether there is such an object.

        Raises:
            OSError: The connection was cut, or nothing came in time.
        """
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={len(data)}-"} if data else {})}
        request = Request(f"{self._url}/{name}", headers=headers)  # noqa: S310 - checked where it was read
        try:
            response = self._response(request, deadline)
        except HTTPError as error:
            if error.code in NOT_THERE:
                return False
            if error.code == RANGE_IS_WRONG and data:  # all of it had come
                return True
            raise
        with response:
            if data and response.status != PARTIAL:
                data.clear()
            while block := response.read1(READ_BYTES):
                data += block
                if len(data) > most:
                    raise too_large(self._url, name, most)
                if time.monotonic() > deadline:
                    raise TimeoutError("too slow")
            if response.length:
                raise ConnectionError("cut")
        return True

    def _response(self, request: Request, deadline: float) -> HTTPResponse:
        """Return the answer to a request once its head is there.

        A server that sends a head byte by byte is never silent for long: only whoever does not wait for it goes on.

        Raises:
            OSError: Nothing came in time, or the server cannot be reached.
        """
        answer: Future[HTTPResponse] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._opener.open(request, timeout=self._timeout))
            except BaseException as error:  # it is raised where the answer is waited for
                answer.set_exception(error)

        Thread(target=ask, name="patina-cache", daemon=True).start()
        return answer.result(max(deadline - time.monotonic(), 0.0))


class NoRedirection(HTTPRedirectHandler):
    """Follows no redirection: it may lead to another host."""

    def redirect_request(self, *_: object) -> None:
        """Return no request: the answer then counts as an error."""


def _cause(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return "nothing came in time"
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)[:100] or type(reason).__name__
