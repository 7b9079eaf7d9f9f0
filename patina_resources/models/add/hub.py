"""Files of a repository on the model hub: resumed where a download broke off, and checked against what the hub states.

The protocol is the hub's own (a HEAD that names commit, size and digest, then a GET with ranges), spoken by
huggingface_hub: its `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_TOKEN`, proxies and progress bar apply. Its cache does not:
since 2.x it starts a broken download over, and models have a cache of their own.
"""

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx2
from huggingface_hub import (
    HfApi,
    constants,
    get_hf_file_metadata,
    get_session,
    get_token,
    hf_hub_url,
    hf_raise_for_status,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import HfFileMetadata
from huggingface_hub.utils.tqdm import tqdm

from patina_resources.errors import PatinaError, shown
from patina_resources.models.add.network import ENDPOINT_VARIABLE, HubUnavailableError
from patina_resources.store.files import file_sha256

RETRY_WAITS = (1.0, 2.0, 4.0)
TIMEOUT_SECONDS = 15.0
PARTIAL_CONTENT = 206
PARTIAL_SUFFIX = ".partial"
BUSY_STATES = frozenset({408, 429, 500, 502, 503, 504})
Fetched = TypeVar("Fetched")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubFile:
    """A file that came from the hub, its bytes checked.

    Attributes:
        path: Where it is now.
        url: Where it came from.
        commit: The repository's commit (40 hex).
        sha256: Of its bytes (hex).
    """

    path: Path
    url: str
    commit: str
    sha256: str


@dataclass(frozen=True)
class Listing:
    """The files of one commit of a repository."""

    commit: str
    files: frozenset[str]


def list_repository(repository: str, revision: str | None) -> Listing:
    """Return the commit that `revision` means, and the names of its files.

    Raises:
        HubUnavailableError: The hub cannot be reached, or there is no such repository or revision.
    """
    with _explained(repository, "its list of files"):
        api = HfApi(endpoint=_endpoint())
        info = _retrying(lambda: api.model_info(repository, revision=revision, timeout=TIMEOUT_SECONDS))
    if info.sha is None:
        raise HubUnavailableError(f"{repository}: {_shown(_endpoint())} names no commit: is HF_ENDPOINT right?")
    return Listing(info.sha, frozenset(file.rfilename for file in info.siblings or ()))


def fetch(repository: str, revision: str | None, name: str, target: Path, pin: str | None = None) -> HubFile:
    """Download one file to `target`, going on from where an earlier try ended; return it with its bytes checked.

    Args:
        repository: `org/name`.
        revision: Branch, tag or commit; None for the default branch.
        name: The file in the repository.
        target: Where it goes. An unfinished download waits beside it, under a name that holds its digest.
        pin: The SHA-256 (hex) that the file must have, if known.

    Raises:
        HubUnavailableError: The hub cannot be reached or does not give the file. What came stays for the next try.
        PatinaError: The bytes are not what the hub or the pin states (nothing is kept), or the disk is full.
    """
    url = hf_hub_url(repository, name, revision=revision, endpoint=_endpoint())
    with _explained(repository, name):
        metadata = _retrying(lambda: get_hf_file_metadata(url, timeout=TIMEOUT_SECONDS, endpoint=_endpoint()))
        if metadata.commit_hash is None or metadata.etag is None:
            raise HubUnavailableError(
                f"{repository}: {_shown(_endpoint())} does not speak the hub's protocol: is HF_ENDPOINT right, or "
                "is there a login page between?"
            )
        exact = hf_hub_url(repository, name, revision=metadata.commit_hash, endpoint=_endpoint())
        sha256 = _there_already(metadata, target, pin) or _download(exact, metadata, target, pin)
    return HubFile(target, _shown(exact), metadata.commit_hash, sha256)


def _there_already(metadata: HfFileMetadata, target: Path, pin: str | None) -> str | None:
    stated = metadata.etag or ""
    if not target.is_file() or not (pin or _SHA256.fullmatch(stated) or _GIT_SHA1.fullmatch(stated)):
        return None
    sha256 = file_sha256(target)
    return sha256 if _difference(target, sha256, metadata, pin) is None else None


def _download(url: str, metadata: HfFileMetadata, target: Path, pin: str | None) -> str:
    identity = hashlib.sha256(f"{url} {metadata.etag}".encode()).hexdigest()
    partial = target.with_name(f"{target.name}.{identity[:16]}{PARTIAL_SUFFIX}")
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f"{target.name}.*{PARTIAL_SUFFIX}"):
        if leftover != partial or (metadata.size is not None and partial.stat().st_size > metadata.size):
            leftover.unlink()
    resumed = partial.exists()
    while True:
        _retrying(lambda: _continue(url, metadata.size, partial))
        sha256 = file_sha256(partial)
        problem = _difference(partial, sha256, metadata, pin)
        if problem is None:
            partial.replace(target)
            return sha256
        partial.unlink()
        if not resumed:
            raise PatinaError(f"{_shown(url)}: refused, nothing was kept: {problem}")
        resumed = False  # what an earlier try left may be the damaged part: once from the start


def _continue(url: str, size: int | None, partial: Path) -> None:
    with partial.open("ab") as file:
        start = file.tell()
        if start == size:
            return
        if size is not None:
            _check_space(partial.parent, size - start)
        try:
            _receive(url, file, start, size)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                partial.unlink(missing_ok=True)  # half a model must not be what fills the disk
            raise


def _receive(url: str, file: BinaryIO, start: int, size: int | None) -> None:
    headers = {**_headers(), **({"Range": f"bytes={start}-"} if start else {})}
    with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_SECONDS) as response:
        hf_raise_for_status(response)
        if response.status_code != PARTIAL_CONTENT:  # the server sends the whole file
            file.truncate(start := 0)
        name = url.rpartition("/")[2]
        progress = tqdm(  # type: ignore[no-untyped-call]
            total=size, initial=start, unit="B", unit_scale=True, desc=name, disable=None
        )
        with progress as bar:
            for block in response.iter_bytes():
                file.write(block)
                bar.update(len(block))


def _headers() -> dict[str, str]:
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    login = {"authorization": f"Bearer {token}"} if token else {}
    return {"Accept-Encoding": "identity", **login}


def _difference(path: Path, sha256: str, metadata: HfFileMetadata, pin: str | None) -> str | None:
    size, stated = path.stat().st_size, metadata.etag or ""
    if metadata.size is not None and size != metadata.size:
        return f"{size:,} bytes came, the hub states {metadata.size:,}"
    if _SHA256.fullmatch(stated) and stated != sha256:
        return f"its SHA-256 is {sha256}, the hub states {stated}"
    if _GIT_SHA1.fullmatch(stated) and stated != _git_blob_sha1(path, size):
        return f"its git digest is {_git_blob_sha1(path, size)}, the hub states {stated}"
    if pin is not None and pin != sha256:
        return f"its SHA-256 is {sha256}, the registry pins {pin}"
    return None


def _git_blob_sha1(path: Path, size: int) -> str:
    # Small files are plain git objects on the hub; their digest is git's (git-scm.com/book, Git Objects).
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed, {free:,} are free", str(folder))


def _retrying(call: Callable[[], Fetched]) -> Fetched:
    for wait in RETRY_WAITS:
        try:
            return call()
        except (HfHubHTTPError, httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ReadTimeout) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code not in BUSY_STATES:
                raise
            time.sleep(wait)
    return call()


@contextmanager
def _explained(repository: str, name: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one sentence; request headers and signed links stay out of it."""
    try:
        yield
    except OfflineModeIsEnabled:
        raise HubUnavailableError(f"{repository}: the hub is not asked, since HF_HUB_OFFLINE is set") from None
    except HfHubHTTPError as error:
        raise HubUnavailableError(f"{repository}: {_http_sentence(error, name)}") from None
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        kind = type(error).__name__
        raise HubUnavailableError(f"{repository}: {_shown(_endpoint())} cannot be reached ({kind})") from None
    except httpx2.ProxyError as error:  # its text has the proxy's answer, such as 407
        raise HubUnavailableError(
            f"{repository}: the proxy refused ({shown(str(error))}): if it wants a login, set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
        ) from None
    except httpx2.HTTPError as error:
        raise _broken(repository, name, type(error).__name__) from None
    except (ValueError, TypeError, KeyError, AttributeError):  # an answer that is no JSON, or not the hub's
        raise HubUnavailableError(
            f"{repository}: {_shown(_endpoint())} answers something else than the hub does: is a login page between?"
        ) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise PatinaError(f"{where}cannot store {name} of {repository} ({error.strerror or error})") from None


def _broken(repository: str, name: str, how: str) -> HubUnavailableError:
    return HubUnavailableError(
        f"{repository}: the connection to {_shown(_endpoint())} failed ({how}) at {name}: "
        "run it again, it goes on where it ended"
    )


def _http_sentence(error: HfHubHTTPError, name: str) -> str:
    status = error.response.status_code
    if isinstance(error, GatedRepoError) or status == 403:
        return f"access is gated ({status}): accept its terms on the hub and set HF_TOKEN"
    if isinstance(error, RevisionNotFoundError):
        return "the hub has no such revision"
    if isinstance(error, RemoteEntryNotFoundError):
        return f"the hub has no file {name} there"
    if isinstance(error, RepositoryNotFoundError) or status in {401, 404}:
        return f"the hub does not show it ({status}): is the name right? If it is private, set HF_TOKEN"
    if status == 407:
        return "the proxy wants a login (407): set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
    if status == 429:
        return "the hub asks to wait (429): try again in a few minutes, or set HF_TOKEN"
    return f"the hub answered {status} for {name}: try again later"


def _endpoint() -> str:
    return os.environ.get(ENDPOINT_VARIABLE, constants.ENDPOINT).rstrip("/")


def _shown(url: str) -> str:
    """Return `url` without a user, password or query: those may be secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "HF_ENDPOINT"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
