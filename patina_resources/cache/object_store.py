"""A store in S3, or what speaks its protocol (`s3://`), or in Google Cloud Storage (`gs://`), by obstore.

Credentials, region and endpoint come from the environment that the providers' own tools use; none is kept here.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from patina_resources.cache.remote import ATTEMPTS, CacheUnavailableError, StoredObject, seconds_for, too_large
from patina_resources.errors import PatinaError

CONNECT_SECONDS = 5.0
LONGEST_REQUEST = timedelta(hours=1)  # what is too slow is noticed block by block
NOT_INSTALLED = "s3:// and gs:// need `pip install 'patina-assets[cache]'`"


class ObjectStoreRemote:
    """A bucket, or a part of it."""

    writable = True

    def __init__(self, scheme: str, bucket: str, prefix: str, timeout_seconds: float) -> None:
        """Take where it is; nothing is asked yet.

        Raises:
            CacheUnavailableError: The library is not installed, or the environment is wrong.
        """
        self._where, self._timeout = f"{scheme}://{bucket}", timeout_seconds
        self._obstore = _library()
        from obstore import store

        wait = timedelta(seconds=timeout_seconds)
        make = store.S3Store if scheme == "s3" else store.GCSStore
        with self._asked():
            self._store = make(
                bucket,
                prefix=prefix or None,
                client_options={
                    "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, timeout_seconds)),
                    "read_timeout": wait,
                    "timeout": LONGEST_REQUEST,
                    # These options replace those of the environment.
                    "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
                },
                retry_config={"max_retries": ATTEMPTS - 1, "retry_timeout": wait},
            )

    def read(self, name: str, most: int, expected: int) -> bytes | None:
        """Return an object, or None where there is none; see `Remote`."""
        deadline = time.monotonic() + seconds_for(expected, self._timeout)
        data = bytearray()
        try:
            with self._asked():
                for block in self._obstore.get(self._store, name).stream(min_chunk_size=1):
                    data += block
                    if len(data) > most:
                        raise too_large(self._where, name, most)
                    if time.monotonic() > deadline:
                        raise TimeoutError
        except FileNotFoundError:
            return None
        return bytes(data)

    def size(self, name: str) -> int | None:
        """Return the size of an object, or None; see `Remote`."""
        try:
            with self._asked():
                return int(self._obstore.head(self._store, name)["size"])
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes, *, replaces: bool = False) -> bool:
        """Put an object; see `Remote`."""
        try:
            # In one request: a part of a multipart upload is no condition for the whole.
            mode = "overwrite" if replaces else "create"
            with self._asked():
                self._obstore.put(self._store, name, data, mode=mode, use_multipart=False)
        except FileExistsError:
            return False
        return True

    def entries(self) -> Iterator[StoredObject]:
        """Yield all objects; see `Remote`."""
        with self._asked():
            for page in self._obstore.list(self._store):
                for found in page:
                    yield StoredObject(found["path"], found["size"], found["last_modified"].timestamp())

    def remove(self, name: str) -> None:
        """Remove an object; see `Remote`."""
        with suppress(FileNotFoundError), self._asked():
            self._obstore.delete(self._store, name)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Turn errors of the store into ours. Whether an object is there is an answer and no error of the store."""
        try:
            yield
        except (PatinaError, FileNotFoundError):
            raise
        except self._obstore.exceptions.AlreadyExistsError:
            raise FileExistsError from None
        except (self._obstore.exceptions.BaseError, OSError, ValueError) as error:
            # Not its own words: they repeat addresses and answers of the server.
            cause = "nothing came in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise CacheUnavailableError(f"{self._where}: cannot be used ({cause})") from None


def _library() -> Any:  # noqa: ANN401 - a module that need not be installed
    try:
        import obstore
        import obstore.exceptions
    except ImportError as error:
        raise CacheUnavailableError(NOT_INSTALLED) from error
    return obstore
