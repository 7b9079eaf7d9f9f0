"""Where git fetches a repository from. Whoever writes the address chooses a host, and never a command."""

import re
from urllib.parse import urlsplit

from patina_resources.errors import PatinaError
from patina_resources.store.mothership import expanded

LOOPBACK = ("127.0.0.1", "::1", "localhost")
EXPECTED = "https://host/path, ssh://host/path, user@host:path or an absolute path"
MOST_CHARACTERS = 500
# As scp writes it; a host or a path that begins with - would be an option of ssh.
_OF_SSH = re.compile(r"(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9][\w.-]*:(?![-:/])[^\s:]+", re.ASCII)


def checked_address(text: str) -> str:
    """Return an address that git may fetch from; of a folder, its absolute path.

    Raises:
        PatinaError: It is none, holds a name or a password for the host, or names a program (`ext::`).
    """
    if not 0 < len(text) <= MOST_CHARACTERS or not text.isprintable() or text != text.strip():
        raise PatinaError(f"not an address: expected {EXPECTED}, of at most {MOST_CHARACTERS} characters")
    if text.startswith(("/", "~")):
        return _folder(text)
    if "://" not in text and _OF_SSH.fullmatch(text):
        return text
    return _checked_url(text)


def _checked_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, password = parts.hostname or "", parts.password
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError as error:
        raise PatinaError(f"not an address: expected {EXPECTED}") from error
    if parts.scheme == "file" and not parts.netloc:
        return _folder(parts.path)
    if password is not None or (parts.scheme in ("http", "https") and parts.username is not None):
        raise PatinaError(
            "holds a name or a password for the host: leave it out: git asks its own credential helpers for it"
        )
    is_allowed = parts.scheme in ("https", "ssh") or (parts.scheme == "http" and host in LOOPBACK)
    if not is_allowed or not re.fullmatch(r"[A-Za-z0-9:][\w.:-]*", host, re.ASCII) or not parts.path.strip("/"):
        raise PatinaError(f"not an address that is fetched from: expected {EXPECTED}")
    return text


def _folder(text: str) -> str:
    place = expanded(text, "path")
    if not place.is_absolute():
        raise PatinaError(f"not an absolute path: expected {EXPECTED}")
    return str(place)


def last_part(address: str) -> str:
    """Return what a repository is called by its address: the last part, without `.git`, in letters of a name."""
    parts = [part for part in re.split(r"[/:]", address) if part and part != ".git"]
    return plain_name(parts[-1].removesuffix(".git") if parts else "")


def host_of(address: str) -> str:
    """Return the host of an address; `localhost` for a folder."""
    if address.startswith("/"):
        return LOOPBACK[-1]
    if "://" in address:
        return urlsplit(address).hostname or ""
    return address.partition(":")[0].rpartition("@")[2].lower()


def plain_name(text: str) -> str:
    """Return a text as the name of a repository; characters that a name may not have become `-`."""
    words = [re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip(".-")[:60] for part in text.split("/")]
    return "/".join(word for word in words if word)[:100].strip("/") or "repository"
