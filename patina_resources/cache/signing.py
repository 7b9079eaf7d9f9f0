"""Ed25519 signatures of a team: who may say what a stage gave.

PyNaCl, which is libsodium: docs/decisions/0021-a-teams-cache.md. It is part of `patina-assets[cache]`, and imported
only where there is a cache.
"""

import os
import re
from typing import Any

from patina_resources.cache.remote import CacheError
from patina_resources.errors import PatinaError, shown
from patina_resources.store.files import write_atomic
from patina_resources.store.folders.own import make_private_folder
from patina_resources.store.mothership import Mothership

KEY_PREFIX = "ed25519:"
PUBLIC_KEY = re.compile(rf"{KEY_PREFIX}[0-9a-f]{{64}}")
SIGNING_KEY_VARIABLE = "PATINA_CACHE_SIGNING_KEY"
KEY_FILE = "cache-signing.key"
KEY_MODE = 0o600
NOT_INSTALLED = "a team's cache needs `pip install 'patina-assets[cache]'`"


def make_signing_key(home: Mothership) -> str:
    """Make this user's signing key, and return its public part.

    Raises:
        PatinaError: There is one already, or it cannot be written.
    """
    path = home.own / KEY_FILE
    if path.exists():
        raise PatinaError(f"{path}: there is a key already; its public part is {public_key_of(home)}")
    make_private_folder(home.own)
    seed = os.urandom(32)
    write_atomic(path, seed.hex().encode(), KEY_MODE)
    return _public(seed)


def public_key_of(home: Mothership) -> str | None:
    """Return the public part of the key that this user signs with; None where there is none.

    Raises:
        PatinaError: The key cannot be used.
    """
    seed = _seed(home)
    return None if seed is None else _public(seed)


def sign(home: Mothership, message: bytes) -> tuple[str, str]:
    """Return the public key, and the signature (hex) of a message by this user's key.

    Raises:
        PatinaError: There is no key, or it cannot be used.
    """
    seed = _seed(home)
    if seed is None:
        raise CacheError(f"there is no key to sign with: run `patina cache key`, or set {SIGNING_KEY_VARIABLE}")
    return _public(seed), _signing()(seed).sign(message).signature.hex()


def is_signed(message: bytes, key: str, signature: str) -> bool:
    """Return whether a signature (hex) of a message is that of a public key.

    Raises:
        CacheError: The library is not installed.
    """
    _signing()
    from nacl.exceptions import CryptoError
    from nacl.signing import VerifyKey

    if not PUBLIC_KEY.fullmatch(key):
        return False
    try:
        VerifyKey(bytes.fromhex(key.removeprefix(KEY_PREFIX))).verify(message, bytes.fromhex(signature))
    except (CryptoError, ValueError):
        return False
    return True


def checked_public_key(text: str) -> str:
    """Return a public key as it is written in settings.

    Raises:
        PatinaError: It is none.
    """
    if not PUBLIC_KEY.fullmatch(text):
        expected = f"a public key such as `patina cache key` prints ({KEY_PREFIX}...)"
        raise PatinaError(f"[cache] keys: expected {expected}, got {shown(text)}")
    return text


def _seed(home: Mothership) -> bytes | None:
    given, path = os.environ.get(SIGNING_KEY_VARIABLE), home.own / KEY_FILE
    if given:
        return _read_seed(given, SIGNING_KEY_VARIABLE)
    if not path.exists():
        return None
    status = path.lstat()
    if status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise PatinaError(f"{path}: other users can read this key: run `chmod 600 {path}`, and make a new one")
    return _read_seed(path.read_text("ascii", "replace"), str(path))


def _read_seed(text: str, where: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{64}", text.strip()):
        raise PatinaError(f"{where}: is no signing key: expected 64 of 0-9a-f")  # it is not shown
    return bytes.fromhex(text.strip())


def _public(seed: bytes) -> str:
    return KEY_PREFIX + bytes(_signing()(seed).verify_key).hex()


def _signing() -> Any:  # noqa: ANN401 - a class of a library that need not be installed
    try:
        from nacl.signing import SigningKey
    except ImportError as error:
        raise CacheError(NOT_INSTALLED) from error
    return SigningKey
