"""The team's cache as a build sees it: records and contents, verified before anybody uses them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patina_resources.cache.folder import FolderRemote
from patina_resources.cache.records import RecordKind, blob_name, record_name, signed_record, verified_record
from patina_resources.cache.remote import (
    MOST_RECORD_BYTES,
    USUAL_RECORD_BYTES,
    CacheError,
    CacheRefusedError,
    CacheUnavailableError,
    Remote,
)
from patina_resources.cache.settings import address_of
from patina_resources.project.user_settings import CacheSettings
from patina_resources.store.files import sha256
from patina_resources.store.mothership import Mothership

MOST_BLOB_BYTES = 8 << 30
MOST_REFUSED = 3
RETRY_SECONDS = 300.0


@dataclass
class Traffic:
    """What was asked of a cache, and what passed.

    Attributes:
        asked: Records that were looked for.
        found: Those that were there, and verified.
        offered: Records that were put.
        bytes_down: Bytes that were fetched.
        bytes_up: Bytes that were put.
        seconds_down: Time that fetching took.
        seconds_up: Time that putting took.
    """

    asked: int = 0
    found: int = 0
    offered: int = 0
    bytes_down: int = 0
    bytes_up: int = 0
    seconds_down: float = 0.0
    seconds_up: float = 0.0


class TeamCache:
    """A store with the keys that are accepted.

    Attributes:
        remote: The store.
        settings: What the user says of it.
        traffic: What passed in this process.
        unsaved: What passed since somebody has saved it.
    """

    def __init__(self, remote: Remote, settings: CacheSettings, home: Mothership) -> None:
        """Take the store, the user's settings, and where the signing key is."""
        self.remote, self.settings, self._home = remote, settings, home
        self.traffic, self.unsaved = Traffic(), Traffic()
        self._trouble: CacheError | None = None
        self._failed_at = 0.0
        self._refused: set[str] = set()

    @property
    def trouble(self) -> CacheError | None:
        """Why the store must not be asked now; None while it answers, and some minutes after it failed."""
        return self._trouble if time.monotonic() - self._failed_at < RETRY_SECONDS else None

    def record(self, kind: RecordKind, key: str) -> Mapping[str, Any] | None:
        """Return a verified record; None where there is none.

        Raises:
            CacheRefusedError: It is not what an accepted key has signed.
            CacheUnavailableError: The store cannot be read.
        """
        name = record_name(kind, key)
        self._count(asked=1)
        data = self._read(name, MOST_RECORD_BYTES, USUAL_RECORD_BYTES)
        if data is None:
            return None
        try:
            document = verified_record(data, kind, key, self.settings.keys, self.settings.url)
        except CacheRefusedError as error:
            self._refuse(name, error)
            raise
        self._count(found=1)
        return document

    def content(self, digest: str, size: int) -> bytes:
        """Return the content of a SHA-256 (hex), as a verified record names it.

        Raises:
            CacheRefusedError: It is missing, has another size or another digest.
            CacheUnavailableError: The store cannot be read.
        """
        name = blob_name(digest)
        if not 0 <= size <= MOST_BLOB_BYTES:
            raise CacheRefusedError(f"{self.settings.url}/{name}: is said to have {size} bytes: it was not fetched")
        data = self._read(name, size, size)
        if data is None:
            raise CacheRefusedError(f"{self.settings.url}/{name}: is missing: a record names it")
        if len(data) != size or sha256(data) != digest:
            error = CacheRefusedError(f"{self.settings.url}/{name}: its bytes are not those of its name: not used")
            self._refuse(name, error)
            raise error
        return data

    def offer(
        self,
        kind: RecordKind,
        key: str,
        document: Mapping[str, Any],
        contents: Mapping[str, tuple[int, Callable[[], bytes]]],
        *,
        replaces: bool = False,
    ) -> bool:
        """Put a signed record, after all that it names; return whether it is new.

        Args:
            kind: What it is a record of.
            key: What it is found by.
            document: What it says.
            contents: By SHA-256 (hex): the size, and what reads it. What the store holds already is not sent.
            replaces: Put it even where there is one already.

        Raises:
            CacheUnavailableError: The store cannot be written to.
            PatinaError: There is no key to sign with, or a content cannot be read.
        """
        name = record_name(kind, key)
        signed = signed_record(self._home, kind, key, document)
        is_there = not replaces and name not in self._refused and self._size(name) is not None
        # A content that the store has lost is put again: a record is of no use without it.
        for digest, (size, read) in contents.items():
            blob = blob_name(digest)
            found = None if blob in self._refused else self._size(blob)
            if found != size:
                self._write(blob, read(), replaces=found is not None or blob in self._refused)
        if is_there:
            return False
        is_new = self._write(name, signed, replaces=replaces or name in self._refused)
        self._count(offered=int(is_new))
        return is_new

    def _refuse(self, name: str, error: CacheRefusedError) -> None:
        """Remember what was refused, to replace it when it is offered; a store of many lies is not asked again."""
        self._refused.add(name)
        if len(self._refused) >= MOST_REFUSED:
            self._fail(error)

    def _fail(self, error: CacheError) -> None:
        self._trouble, self._failed_at = error, time.monotonic()

    def _read(self, name: str, most: int, expected: int) -> bytes | None:
        started = time.monotonic()
        try:
            data = self.remote.read(name, most, expected)
        except CacheUnavailableError as error:
            self._fail(error)
            raise
        except CacheRefusedError as error:  # without end, or no plain file: the store is not what it was set up as
            self._refused.add(name)
            self._fail(error)
            raise
        finally:
            self._count(seconds_down=time.monotonic() - started)
        self._count(bytes_down=len(data or b""))
        return data

    def _size(self, name: str) -> int | None:
        try:
            return self.remote.size(name)
        except CacheUnavailableError as error:
            self._fail(error)
            raise

    def _write(self, name: str, data: bytes, *, replaces: bool) -> bool:
        started = time.monotonic()
        try:
            is_new = self.remote.write(name, data, replaces=replaces)
        except CacheUnavailableError as error:
            self._fail(error)
            raise
        finally:
            self._count(seconds_up=time.monotonic() - started)
        self._count(bytes_up=len(data) if is_new else 0)
        return is_new

    def _count(self, **amounts: float) -> None:
        for total in (self.traffic, self.unsaved):
            for name, amount in amounts.items():
                setattr(total, name, getattr(total, name) + amount)


def open_cache(settings: CacheSettings, home: Mothership) -> TeamCache:
    """Return the cache that settings name; nothing is asked yet.

    Raises:
        PatinaError: The address is wrong.
        CacheUnavailableError: What it needs is not installed.
    """
    address = address_of(settings)
    seconds = float(settings.timeout_seconds)
    if address.scheme == "file":
        return TeamCache(FolderRemote(Path(address.path)), settings, home)
    if address.scheme in ("s3", "gs"):
        from patina_resources.cache.object_store import ObjectStoreRemote

        return TeamCache(ObjectStoreRemote(address.scheme, address.host, address.path, seconds), settings, home)
    from patina_resources.cache.https import HttpsRemote

    url = f"{address.scheme}://{address.host}{address.path}"
    return TeamCache(HttpsRemote(url, seconds, is_loopback=address.scheme == "http"), settings, home)
