"""Signed records: bytes that a team's key vouches for, under one name.

The signature covers the name, too: a record that was moved to another name is refused.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from patina_resources.cache.remote import CacheRefusedError
from patina_resources.cache.signing import is_signed, sign
from patina_resources.documents.json_value import json_value
from patina_resources.errors import shown
from patina_resources.store.mothership import Mothership

RecordKind = Literal["stages", "snapshots", "commits"]
FORMAT = "patina-cache-1"
_HEADER = re.compile(rb"patina-cache-1 (ed25519:[0-9a-f]{64}) ([0-9a-f]{128})")
_HEADER_BYTES = 300


def record_key(*parts: str) -> str:
    """Return the SHA-256 (hex) that a record of these parts is kept under."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def record_name(kind: RecordKind, key: str) -> str:
    """Return the name of a record in a store."""
    return f"v1/{kind}/{key[:2]}/{key}"


def blob_name(digest: str) -> str:
    """Return the name of a content in a store."""
    return f"v1/blobs/{digest[:2]}/{digest}"


def signed_record(home: Mothership, kind: RecordKind, key: str, document: Mapping[str, Any]) -> bytes:
    """Return a document with this user's signature.

    Raises:
        PatinaError: There is no key to sign with.
    """
    payload = json.dumps(document, sort_keys=True).encode()
    public, signature = sign(home, _message(kind, key, payload))
    return f"{FORMAT} {public} {signature}\n".encode() + payload


def verified_record(
    data: bytes, kind: RecordKind, key: str, accepted: Collection[str], where: str
) -> Mapping[str, Any]:
    """Return the document of a record that one of the accepted keys has signed.

    Args:
        data: The record.
        kind: What was asked for.
        key: Under which key.
        accepted: Public keys.
        where: The store, for messages.

    Raises:
        CacheRefusedError: It is not signed, not by an accepted key, or not for this name; or it is no JSON table.
    """
    place = f"{where}/{record_name(kind, key)}"
    head, newline, payload = data[:_HEADER_BYTES].partition(b"\n")
    found = _HEADER.fullmatch(head) if newline else None
    if found is None:
        raise CacheRefusedError(f"{place}: is not signed: it was not used")
    payload = data[len(head) + 1 :]
    public = found[1].decode()
    if public not in accepted:
        raise CacheRefusedError(f"{place}: is signed by {shown(public[:24])}..., which is none of your [cache] keys")
    if not is_signed(_message(kind, key, payload), public, found[2].decode()):
        raise CacheRefusedError(f"{place}: its signature is wrong: it was not used")
    try:
        document = json_value(payload)
    except ValueError as error:
        raise CacheRefusedError(f"{place}: is no JSON: it was not used") from error
    if not isinstance(document, dict):
        raise CacheRefusedError(f"{place}: is no JSON table: it was not used")
    return document


def _message(kind: RecordKind, key: str, payload: bytes) -> bytes:
    return f"{FORMAT} {kind} {key}\n".encode() + payload
