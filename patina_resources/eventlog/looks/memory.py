"""What a look at an eventlog found, and the document in which it is remembered.

The document carries a keyed digest: one that came with a repository would be believed otherwise.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from patina_resources.documents.json_value import json_value
from patina_resources.eventlog.looks.since import NO_EXTENT, Extent, decoded_extent
from patina_resources.store.trust import is_keyed_digest, keyed_digest

PURPOSE = "look at an eventlog"


@dataclass(frozen=True)
class SourceDigest:
    """A source's digest and row count, without its rows.

    Attributes:
        digest: SHA-256 (hex) of the rows; another text where only that they changed is known.
        rows: Their number; then that of before.
    """

    digest: str
    rows: int


@dataclass(frozen=True)
class Look:
    """What a look at the eventlog found.

    Attributes:
        digests: Each source's digest, by name.
        warning: A sentence about rows that every source leaves out, or "".
        document: To be remembered, and given to the next look.
        last_seq: The highest seq.
    """

    digests: Mapping[str, SourceDigest]
    warning: str
    document: bytes
    last_seq: int


@dataclass(frozen=True)
class RecalledLook:
    """What is remembered of the last look.

    Attributes:
        probe: Of the eventlog then.
        digests: Of each source then, by name; empty where nothing is remembered.
        last_seq: The highest seq then; None where that is not known.
    """

    probe: str
    digests: Mapping[str, str]
    last_seq: int | None


@dataclass(frozen=True)
class LookMemory:
    """All that is remembered of a look.

    Attributes:
        probe: Of the eventlog then.
        extent: Of the eventlog then; of no file where nothing is remembered.
        known: Digests of its sources, by name and hash of their SQL.
        warning: As in `Look`.
    """

    probe: str = ""
    extent: Extent = NO_EXTENT
    known: Mapping[str, SourceDigest] = field(default_factory=dict)
    warning: str = ""


def recalled_look(document: bytes) -> RecalledLook:
    """Return what the last look found, of whatever state of the eventlog; nothing where it cannot be read."""
    memory = decode_memory(document)
    digests = {key.partition("@")[0]: entry.digest for key, entry in memory.known.items()}
    return RecalledLook(memory.probe, digests, memory.extent.last_seq if digests else None)


def encode_memory(memory: LookMemory) -> bytes:
    """Return what is remembered as JSON."""
    content = asdict(memory)
    return json.dumps({**content, "keyed_sha256": keyed_digest(PURPOSE, _bytes(content))}, indent=1).encode()


def decode_memory(document: bytes) -> LookMemory:
    """Return what is remembered; nothing where it is damaged or was written elsewhere."""
    try:
        content = json_value(document)
        if not is_keyed_digest(PURPOSE, _bytes(content), str(content["keyed_sha256"])):
            return LookMemory()
        known = {
            str(key): SourceDigest(str(entry["digest"]), int(entry["rows"])) for key, entry in content["known"].items()
        }
        return LookMemory(str(content["probe"]), decoded_extent(content["extent"]), known, str(content["warning"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return LookMemory()


def _bytes(content: Mapping[str, object]) -> bytes:
    named = {name: value for name, value in content.items() if name != "keyed_sha256"}
    return json.dumps(named, sort_keys=True).encode()
