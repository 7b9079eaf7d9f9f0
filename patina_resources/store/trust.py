"""The key of this user's installation, and the digests that only its holder can make.

What this installation built carries such a digest. So a file that came with a repository, from a cache or from another
machine is told apart from one that was built here, even where its plain digest is right.
"""

import hashlib
import hmac
import os
import secrets
import stat
from functools import lru_cache
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.files import write_atomic
from patina_resources.store.folders.own import make_private_folder
from patina_resources.store.mothership import mothership
from patina_resources.store.mutex import exclusive

KEY_BYTES = 32
KEY_MODE = 0o600
TRUST_VARIABLE = "PATINA_TRUST"
WAIT_SECONDS = 30.0


def installation_key() -> bytes:
    """Return this user's key, 32 bytes; it is made on first use.

    Raises:
        PatinaError: It cannot be read or made, is damaged, or others can read it.
    """
    own = mothership().own
    path = own / "key"
    try:
        status = path.stat()
    except OSError:
        make_private_folder(own)
        with exclusive(own / "key.mutex", WAIT_SECONDS, "making the key"):
            if not path.exists():  # no other process was first
                write_atomic(path, secrets.token_hex(KEY_BYTES).encode(), KEY_MODE)
        status = path.stat()
    return _read_key(path, status.st_mtime_ns, status.st_ino, status.st_mode, status.st_uid)


def installation() -> str:
    """Return the public name of this user's installation: 12 hexadecimal digits that do not tell the key."""
    return hashlib.sha256(b"patina installation " + installation_key()).hexdigest()[:12]


def keyed_digest(purpose: str, content: bytes) -> str:
    """Return HMAC-SHA256 (hex, RFC 2104) of some content under this user's key.

    Args:
        purpose: What the content is; digests of one purpose do not pass for another.
        content: Any bytes.
    """
    return hmac.digest(installation_key(), purpose.encode() + b"\0" + content, "sha256").hex()


def is_keyed_digest(purpose: str, content: bytes, digest: str) -> bool:
    """Return whether `digest` is the keyed digest of the content."""
    return hmac.compare_digest(keyed_digest(purpose, content).encode(), digest.encode("utf-8", "replace"))


def trusts_other_installations() -> bool:
    """Return whether the user accepts what other installations built: `PATINA_TRUST=1` in the environment."""
    return os.environ.get(TRUST_VARIABLE, "") == "1"


@lru_cache(maxsize=4)
def _read_key(path: Path, _mtime_ns: int, _inode: int, mode: int, owner: int) -> bytes:
    if stat.S_IMODE(mode) & 0o077 or owner != os.geteuid():
        raise PatinaError(
            f"{path}: other users can read this key: run `chmod 600 {path}`, and make sure that it is yours"
        )
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise PatinaError(f"{path}: the key cannot be read: {_remedy(path)}") from error
    if len(key) != KEY_BYTES:
        raise PatinaError(f"{path}: the key is damaged: {_remedy(path)}")
    return key


def _remedy(path: Path) -> str:
    return f"delete it (`rm {path}`); a new one is made, and `patina trust` accepts in each project what is built there"
