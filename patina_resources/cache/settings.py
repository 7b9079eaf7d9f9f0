"""Which cache a project uses: the user's word, the environment's, or the project's where the user has confirmed it.

A repository must not make a machine contact a host, or accept what somebody else computed. So what
`.patina/config.toml` proposes is used only as long as it is, to the letter, what the user has confirmed.
"""

import json
import os
import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from patina_resources.cache.signing import checked_public_key
from patina_resources.documents.json_value import json_value
from patina_resources.errors import PatinaError, shown
from patina_resources.project.project import Project
from patina_resources.project.user_settings import CacheSettings, user_cache
from patina_resources.store.files import write_atomic
from patina_resources.store.folders.own import make_private_folder
from patina_resources.store.mothership import mothership

URL_VARIABLE = "PATINA_CACHE"
KEYS_VARIABLE = "PATINA_CACHE_KEYS"
OFF = "off"
CONFIRMED = "cache.json"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
SCHEMES = "file:///folder, s3://bucket/prefix, gs://bucket/prefix or https://host/path"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,221}")


@dataclass(frozen=True)
class Address:
    """Where a store is.

    Attributes:
        scheme: `file`, `s3`, `gs`, `https` or `http`.
        host: The bucket or the host with its port; empty for a folder.
        path: The folder, or the path on the host, without a slash at the end.
    """

    scheme: str
    host: str
    path: str


def cache_settings(project: Project) -> CacheSettings | None:
    """Return which cache a project uses; None for none.

    Raises:
        PatinaError: What the user, the environment or the confirmed proposal says is wrong.
    """
    url = os.environ.get(URL_VARIABLE)
    if url == OFF:
        return None
    chosen = user_cache(mothership().settings)
    if url:
        chosen = replace(chosen or CacheSettings(url), url=url)
    elif chosen is None:
        chosen = _confirmed(project)
    keys = os.environ.get(KEYS_VARIABLE)
    if chosen is not None and keys:
        chosen = replace(chosen, keys=tuple(key.strip() for key in keys.split(",") if key.strip()))
    return None if chosen is None else checked(chosen)


def checked(settings: CacheSettings) -> CacheSettings:
    """Return settings whose address and keys are right.

    Raises:
        PatinaError: One is not.
    """
    address_of(settings)
    for key in settings.keys:
        checked_public_key(key)
    return settings


def address_of(settings: CacheSettings) -> Address:
    """Return where a cache is.

    Raises:
        PatinaError: It is no address of a store, or one that is not allowed.
    """
    try:
        parts = urlsplit(settings.url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise _wrong(settings.url) from error
    path = parts.path.rstrip("/")
    has_more = parts.query or parts.fragment or parts.username or parts.password
    if has_more or not settings.url.isprintable() or " " in settings.url or ".." in path.split("/"):
        raise _wrong(settings.url)
    if settings.url.startswith("file:///") and path:
        return Address("file", "", path)
    if parts.scheme in ("s3", "gs") and _BUCKET.fullmatch(parts.netloc):
        return Address(parts.scheme, parts.netloc, path.strip("/"))
    if parts.scheme == "https" and host:
        return Address("https", parts.netloc, path)
    if parts.scheme == "http" and host in LOOPBACK and settings.loopback_http:
        return Address("http", parts.netloc, path)
    raise _wrong(settings.url)


def proposal(project: Project) -> CacheSettings | None:
    """Return the cache that a project's own config.toml proposes; None for none."""
    if project.config.cache_url is None:
        return None
    return CacheSettings(project.config.cache_url, project.config.cache_keys)


def is_confirmed(project: Project) -> bool:
    """Return whether the user has confirmed exactly what the project proposes now."""
    return _confirmed(project) is not None


def confirm_proposal(project: Project) -> None:
    """Remember that the user has confirmed what the project proposes.

    Raises:
        PatinaError: It proposes nothing, or something wrong, or it cannot be remembered.
    """
    proposed = proposal(project)
    if proposed is None:
        raise PatinaError(f"{project.config_file}: proposes no cache: expected [cache] with url and keys")
    checked(proposed)
    folder = make_private_folder(mothership().project_folder(project.root))
    write_atomic(folder / CONFIRMED, json.dumps(_document(proposed)).encode(), 0o600)


def _confirmed(project: Project) -> CacheSettings | None:
    """Return the proposal of a project if the user has confirmed it as it is now."""
    proposed = proposal(project)
    if proposed is None:
        return None
    try:
        remembered = json_value((mothership().project_folder(project.root) / CONFIRMED).read_bytes())
    except (OSError, ValueError):
        return None
    return proposed if remembered == _document(proposed) else None


def _document(settings: CacheSettings) -> dict[str, object]:
    return {"url": settings.url, "keys": list(settings.keys)}


def _wrong(url: str) -> PatinaError:
    return PatinaError(f"[cache] url: expected {SCHEMES} (without user, password or query), got {shown(url)}")
