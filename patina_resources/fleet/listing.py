"""Lists of repositories: what the API of a code host answered (JSON), or one address a line, or a folder of clones."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from patina_resources.documents.json_value import refuse_deep_json
from patina_resources.documents.text_file import read_small_text
from patina_resources.errors import PatinaError
from patina_resources.fleet.address import checked_address, last_part, plain_name

MOST_BYTES = 256 << 20
# What the tools call it: GitHub's and Gitea's API, `gh repo list --json`, GitLab's API and `glab`.
NAMES = ("full_name", "nameWithOwner", "path_with_namespace")
ADDRESSES: Mapping[str, Sequence[str]] = {
    "https": ("clone_url", "http_url_to_repo", "url"),
    "ssh": ("ssh_url", "sshUrl", "ssh_url_to_repo"),
}


class Listed(NamedTuple):
    """A repository of a list: its name and address."""

    name: str
    address: str


def listed_in_file(path: Path, transport: str) -> list[Listed]:
    """Return the repositories that a file lists.

    Args:
        path: JSON as a code host's API answers it (pages may follow each other), or text with one address a line.
        transport: `https` or `ssh`: which of the addresses is taken.

    Raises:
        PatinaError: The file cannot be read, or says something else.
    """
    try:
        text = read_small_text(path, "JSON", MOST_BYTES)
    except FileNotFoundError as error:
        raise PatinaError(f"{path}: no such file: expected a list of repositories") from error
    if text.lstrip()[:1] not in ("[", "{"):
        return list(_lines(path, text))
    return [_of_host(path, number, entry, transport) for number, entry in enumerate(_entries(path, text))]


def _lines(path: Path, text: str) -> Iterator[Listed]:
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.strip()
        if written and not written.startswith("#"):
            address = _address(written, f"{path}:{number}")
            yield Listed(last_part(address), address)


def _entries(path: Path, text: str) -> Iterator[object]:
    """Yield the objects of all pages."""
    decoder, place = json.JSONDecoder(), len(text) - len(text.lstrip())
    try:
        refuse_deep_json(text)
        while place < len(text):
            page, end = decoder.raw_decode(text, place)
            yield from page if isinstance(page, list) else [page]
            place = next((at for at in range(end, len(text)) if not text[at].isspace()), len(text))
    except ValueError as error:
        raise PatinaError(f"{path}: not valid JSON: {error}") from error


def _of_host(path: Path, number: int, entry: object, transport: str) -> Listed:
    where = f"{path}: [{number}]"
    if not isinstance(entry, dict):
        raise PatinaError(f"{where}: expected an object that describes a repository, with {', '.join(NAMES)}")
    name = next((entry[key] for key in NAMES if isinstance(entry.get(key), str)), None)
    address = next((entry[key] for key in ADDRESSES[transport] if isinstance(entry.get(key), str)), None)
    if name is None or address is None:
        missing = NAMES if name is None else ADDRESSES[transport]
        raise PatinaError(f"{where}: expected one of the keys {', '.join(missing)}, as a code host's API has them")
    return Listed(plain_name(name), _address(address, where))


def listed_in_folder(folder: Path) -> list[Listed]:
    """Return the git repositories directly below a folder, bare or not, by name.

    Raises:
        PatinaError: The folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise PatinaError(f"{folder}: cannot be read ({error.strerror}): expected a folder of repositories") from error
    return [Listed(last_part(str(path)), str(path)) for path in found if _is_repository(path)]


def _is_repository(path: Path) -> bool:
    return any((place / "HEAD").is_file() and (place / "objects").is_dir() for place in (path, path / ".git"))


def _address(text: str, where: str) -> str:
    try:
        return checked_address(text)
    except PatinaError as error:
        raise PatinaError(f"{where}: {error}") from error
