"""What a store holds, and what of it nobody needs any more."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from patina_resources.cache.records import blob_name
from patina_resources.cache.remote import MOST_RECORD_BYTES, CacheRefusedError, StoredObject
from patina_resources.cache.team_cache import TeamCache
from patina_resources.documents.json_value import json_value

DAY_SECONDS = 86_400.0
# What is put first is named by a record only later.
YOUNGEST_BLOB_DAYS = 1
_RECORD = re.compile(r"v1/(?:stages|snapshots|commits)/[0-9a-f]{2}/[0-9a-f]{64}")
_BLOB = re.compile(r"v1/blobs/[0-9a-f]{2}/[0-9a-f]{64}")


@dataclass
class Stock:
    """An amount of records and contents.

    Attributes:
        records: How many records.
        blobs: How many contents.
        bytes: The size of all of them.
    """

    records: int = 0
    blobs: int = 0
    bytes: int = 0

    def add(self, entry: StoredObject) -> None:
        """Count an object; what is none of ours is left alone."""
        is_record, is_blob = bool(_RECORD.fullmatch(entry.name)), bool(_BLOB.fullmatch(entry.name))
        self.records += is_record
        self.blobs += is_blob
        self.bytes += entry.bytes if is_record or is_blob else 0


def stock_of(cache: TeamCache) -> Stock:
    """Return what a store holds.

    Raises:
        CacheUnavailableError: It cannot be listed.
    """
    found = Stock()
    for entry in cache.remote.entries():
        found.add(entry)
    return found


def remove_old(cache: TeamCache, days: int, *, dry_run: bool) -> Stock:
    """Remove records that were put before some days, and the contents that no other record names.

    Contents of the last day stay: their record may be on its way.

    Raises:
        CacheUnavailableError: The store cannot be listed, read or written to.
    """
    now, removed = time.time(), Stock()
    entries = list(cache.remote.entries())
    records = [entry for entry in entries if _RECORD.fullmatch(entry.name)]
    old = {entry.name for entry in records if now - entry.modified > days * DAY_SECONDS}
    needed = {name for entry in records if entry.name not in old for name in _named_by(cache, entry)}
    for entry in entries:
        is_blob = _BLOB.fullmatch(entry.name) and now - entry.modified > YOUNGEST_BLOB_DAYS * DAY_SECONDS
        if entry.name in old or (is_blob and entry.name not in needed):
            removed.add(entry)
            if not dry_run:
                cache.remote.remove(entry.name)
    return removed


def _named_by(cache: TeamCache, entry: StoredObject) -> Iterator[str]:
    """Yield the contents that a record names. Its signature does not matter: what anybody may need is kept."""
    try:
        data = cache.remote.read(entry.name, MOST_RECORD_BYTES, entry.bytes) or b""
        waiting: list[Any] = [json_value(data.partition(b"\n")[2])]
    except (CacheRefusedError, ValueError):
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get("sha256"), str):
                yield blob_name(value["sha256"])
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
