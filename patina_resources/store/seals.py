"""Seals: a file's digest and keyed digest in a file beside it, for files that change in place.

By it this installation knows the bytes that it wrote itself, before native code sees them.
"""

import json
from pathlib import Path

from patina_resources.documents.json_value import json_value
from patina_resources.store.files import make_way, write_atomic
from patina_resources.store.known_files import known_sha256
from patina_resources.store.trust import installation, is_keyed_digest, keyed_digest

SUFFIX = ".seal"
# Of SQLite: a journal beside a database changes what it says.
JOURNALS = ("-wal", "-journal")


def seal(path: Path) -> None:
    """Say beside a file that its present bytes are ours.

    Raises:
        PatinaError: The seal cannot be written.
    """
    digest = known_sha256(path)
    document = {
        "sha256": digest,
        "built_by": installation(),
        "keyed_sha256": keyed_digest(_purpose(path), digest.encode()),
    }
    place = path.with_name(f"{path.name}{SUFFIX}")
    make_way(place)
    write_atomic(place, json.dumps(document).encode() + b"\n")


def is_sealed(path: Path) -> bool:
    """Return whether the bytes of a database are those that this installation sealed, with no journal beside them."""
    if any(has_content(path.with_name(f"{path.name}{journal}")) for journal in JOURNALS):
        return False
    try:
        document = json_value(path.with_name(f"{path.name}{SUFFIX}").read_bytes())
        digest, keyed = str(document["sha256"]), str(document["keyed_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    ours = is_keyed_digest(_purpose(path), digest.encode("utf-8", "replace"), keyed)
    return ours and _is_of(path, digest)


def _purpose(path: Path) -> str:
    return f"file {path.name}"


def has_content(path: Path) -> bool:
    """Return whether a file is there and not empty."""
    try:
        return path.lstat().st_size > 0
    except OSError:
        return False


def _is_of(path: Path, digest: str) -> bool:
    try:
        return known_sha256(path) == digest
    except OSError:
        return False
