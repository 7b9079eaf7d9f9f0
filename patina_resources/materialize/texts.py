"""The text of files as events know them: by path and digest, from the working tree, else from HEAD."""

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from patina_resources.errors import PatinaError
from patina_resources.materialize.characters import characters
from patina_resources.materialize.code.source_files import MAXIMUM_BYTES, Unread, read_regular
from patina_resources.materialize.git.repository import Repository, find_repository

# Name and size in bytes of an object.
_Blob = tuple[str, int]


class FileTexts(Mapping[str, str]):
    """The text of files by path. It is read when it is asked for: the texts of a repository may not fit into memory."""

    def __init__(self, repository: Repository | None, files: Iterable[tuple[str, str]]) -> None:
        """Look for files: in the working tree, else at HEAD; None for no repository, where nothing is found.

        Args:
            repository: Where they are.
            files: As in `texts_of_files`.
        """
        self._repository = repository
        self._digests: dict[str, str] = {}
        self._places: dict[str, tuple[int, int]] = {}
        # Of what is not checked out. Git gives all of it in one stream; each by itself would take a process.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with this object
        if repository is not None:
            self._find(repository, files)

    def __getitem__(self, path: str) -> str:
        """Return a text.

        Raises:
            KeyError: There is none, or the file was changed meanwhile.
        """
        if path in self._places:
            start, size = self._places[path]
            self._file.seek(start)
            return characters(self._file.read(size))
        digest = self._digests[path]
        content = _in_worktree(self._repository, path, digest) if self._repository is not None else None
        if content is None:
            raise KeyError(path)
        return characters(content)

    def __iter__(self) -> Iterator[str]:
        """Yield the paths."""
        yield from self._digests.keys() | self._places.keys()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._digests.keys() | self._places.keys())

    def _find(self, repository: Repository, files: Iterable[tuple[str, str]]) -> None:
        elsewhere: dict[str, str] = {}
        for path, digest in files:
            if _is_plain(path):
                found = _in_worktree(repository, path, digest) is not None
                (self._digests if found else elsewhere)[path] = digest
        for paths, content in _at_head(repository, elsewhere):
            place = (self._file.seek(0, os.SEEK_END), len(content))
            self._file.write(content)
            self._places.update(dict.fromkeys(paths, place))


def texts_of_files(folder: Path, files: Iterable[tuple[str, str]]) -> FileTexts:
    """Return the text of files by path; what no longer has the content that was asked for is left out.

    Args:
        folder: A folder of the repository; where there is no repository, nothing is found.
        files: Path from the worktree's top and SHA-256 (hex) of the content, as `code.file` events have them.
    """
    try:
        repository = find_repository(folder)
    except PatinaError:
        return FileTexts(None, ())
    return FileTexts(repository, files)


def versions_of(repository: Repository, path: str) -> tuple[bytes | None, bytes | None]:
    """Return the content of a file in the working tree and at HEAD; None where it is not there, or too large.

    Args:
        repository: A repository.
        path: From the worktree's top.
    """
    if not _is_plain(path):
        return None, None
    at_head = None
    if repository.head() is not None:
        at_head = next(
            (content for _, content in _contents(repository, list(_blobs_at_head(repository, [path]).values()))), None
        )
    return _in_worktree(repository, path), at_head


def _is_plain(path: str) -> bool:
    """Return whether a path out of an eventlog, which may be any text, is one below the top."""
    place = PurePosixPath(path)
    return not (place.is_absolute() or ".." in place.parts or "\0" in path or "\n" in path or not place.parts)


def _in_worktree(repository: Repository, path: str, digest: str | None = None) -> bytes | None:
    """Return the content of a checked-out file; None where it has another digest than one that is asked for."""
    if repository.worktree is None:
        return None
    content = read_regular(repository.worktree, os.fsencode(path))
    if isinstance(content, Unread) or (digest is not None and hashlib.sha256(content).hexdigest() != digest):
        return None
    return content


def _at_head(repository: Repository, files: Mapping[str, str]) -> Iterator[tuple[list[str], bytes]]:
    """Yield the content of those files that HEAD has with the digest that is asked for, each with its paths."""
    if not files or repository.head() is None:
        return
    paths: dict[_Blob, list[str]] = defaultdict(list)
    for path, blob in _blobs_at_head(repository, list(files)).items():
        paths[blob].append(path)
    for blob, content in _contents(repository, list(paths)):
        digest = hashlib.sha256(content).hexdigest()
        if wanted := [path for path in paths[blob] if files[path] == digest]:
            yield wanted, content


def _blobs_at_head(repository: Repository, paths: Sequence[str]) -> dict[str, _Blob]:
    """Return the object of each path that HEAD has as a file that is not too large."""
    asked = "".join(f"HEAD:{path}\n" for path in paths).encode("utf-8", "replace")
    with repository.stream("cat-file", "--batch-check", stdin=asked) as blocks:
        answers = b"".join(blocks).split(b"\n")
    found = {}
    for path, answer in zip(paths, answers, strict=False):
        words = answer.split(b" ")  # a path that is not there: `HEAD:path missing`
        if len(words) == 3 and words[1] == b"blob" and words[2].isdigit() and int(words[2]) <= MAXIMUM_BYTES:
            found[path] = (words[0].decode("ascii", "replace"), int(words[2]))
    return found


def _contents(repository: Repository, blobs: Sequence[_Blob]) -> Iterator[tuple[_Blob, bytes]]:
    """Yield the content of objects in their order, one at a time."""
    if not blobs:
        return
    with repository.stream("cat-file", "--batch", stdin="".join(f"{name}\n" for name, _ in blobs).encode()) as blocks:
        read = bytearray()
        for name, size in blobs:
            head = len(f"{name} blob {size}\n")
            while len(read) < head + size + 1 and (block := next(blocks, b"")):
                read += block
            yield (name, size), bytes(read[head : head + size])
            del read[: head + size + 1]
