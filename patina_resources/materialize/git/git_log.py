"""Reads the output of `git log`: commits and the files that they changed.

Everything is separated by NUL, which neither a path nor a message can hold, and read by position; so no path, author
or message can be taken for something else.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from patina_resources.errors import PatinaError
from patina_resources.materialize.git.command import split_at_nul
from patina_resources.materialize.git.times import CommitTime, commit_time

HEADER = "%x00".join(("tformat:%H", "%P", "%at", "%aI", "%ct", "%cI", "%aN", "%aE", "%an", "%ae", "%s", "%b", "%B"))
LOG_OPTIONS = (
    "log",
    "-z",
    "--no-walk=unsorted",
    "--stdin",
    "--no-diff-merges",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
    "--no-show-signature",
    "--no-notes",
    "--submodule=short",
    "--ignore-submodules=none",
    "--encoding=UTF-8",
    f"--format={HEADER}",
)
# What of its files is told: all, what can be told without their contents, and nothing.
COUNTED = ("--raw", "--numstat", "--find-renames=50%")
UNCOUNTED = ("--raw", "--find-renames=100%")
NO_FILES = ("--no-patch",)
# Of a commit. Ten folders in each other that are ten times the same have 10,000,000,000 files, in a kilobyte.
MOST_FILES = 50_000
HEADER_FIELDS = HEADER.count("%x00") + 1
CHANGE_TYPES = {b"A": "added", b"C": "added", b"D": "deleted", b"M": "modified", b"R": "renamed", b"T": "modified"}
NUMSTAT = re.compile(rb"(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)


class ManyFilesError(PatinaError):
    """A commit changes more than MOST_FILES files."""


@dataclass(frozen=True)
class FileChange:
    """One file of a commit. `old_path` is set for a renamed file only.

    Attributes:
        path: Its path after the commit, or before it was deleted.
        change_type: `added`, `deleted`, `modified` or `renamed`.
        lines_added: 0 for a binary file, None where the contents cannot be read.
        lines_removed: As `lines_added`.
        old_path: Its path before.
    """

    path: str
    change_type: str
    lines_added: int | None
    lines_removed: int | None
    old_path: str | None = None


@dataclass(frozen=True)
class Commit:
    """One commit; a merge has no files.

    Attributes:
        sha: Its name.
        time: When it was written, by its author.
        author_name: The author, as `.mailmap` names them.
        author_email: Their address, as `.mailmap` has it.
        recorded_author: `Name <address>` as the commit itself has it.
        subject: The first paragraph of the message, on one line.
        body: The rest of the message, trailers included.
        message: The whole message.
        parents: How many parents it has; a merge has several.
        files: What it changed.
    """

    sha: str
    time: CommitTime
    author_name: str
    author_email: str
    recorded_author: str
    subject: str
    body: str
    message: str
    parents: int
    files: tuple[FileChange, ...]


def parse_log(blocks: Iterable[bytes], raw_commit: Callable[[str], bytes], *, counted: bool = True) -> Iterator[Commit]:
    """Yield the commits of `git log` with LOG_OPTIONS, one at a time.

    Args:
        blocks: What git prints.
        raw_commit: Returns a commit object, where git cannot print its time.
        counted: Whether lines were counted.

    Raises:
        ManyFilesError: A commit changes more than MOST_FILES files; those before it were yielded.
    """
    parts = _Parts(blocks)
    while not parts.at_end():
        header = [parts.next() for _ in range(HEADER_FIELDS)]
        yield _commit(header, _files(parts, counted), raw_commit)


class _Parts:
    """The NUL-separated parts of a stream, with one part of lookahead."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._parts = split_at_nul(blocks)
        self._ahead = next(self._parts, None)

    def at_end(self) -> bool:
        return self._ahead is None

    def peek(self) -> bytes:
        return self._ahead or b""

    def next(self) -> bytes:
        part, self._ahead = self._ahead or b"", next(self._parts, None)
        return part


def _files(parts: _Parts, counted: bool) -> tuple[FileChange, ...]:
    """Return the changes that follow a header: first all raw entries, then all line counts."""
    types: dict[bytes, tuple[str, bytes | None]] = {}
    lines: dict[bytes, tuple[int, int]] = {}
    while True:
        ahead = parts.peek().lstrip(b"\n")
        if ahead.startswith(b":"):
            letter = parts.next().rsplit(b" ", 1)[-1][:1]
            old = parts.next() if letter in b"RC" else None
            if len(types) == MOST_FILES:
                raise ManyFilesError(f"a commit changes more than {MOST_FILES:,} files")
            types[parts.next()] = (CHANGE_TYPES.get(letter, "modified"), old if letter == b"R" else None)
        elif counts := NUMSTAT.fullmatch(ahead):
            parts.next()
            path = counts[3]
            if not path:
                parts.next()
                path = parts.next()
            lines[path] = (_count(counts[1]), _count(counts[2]))
        else:
            break
    unknown = (0, 0) if counted else (None, None)
    return tuple(_change(path, kind, old, lines.get(path, unknown)) for path, (kind, old) in types.items())


def _count(number: bytes) -> int:
    return 0 if number == b"-" else int(number)


def _change(path: bytes, kind: str, old: bytes | None, lines: tuple[int | None, int | None]) -> FileChange:
    return FileChange(path_text(path), kind, *lines, old_path=None if old is None else path_text(old))


def person(name: str, email: str) -> tuple[str, str]:
    """Return an author as git prints `%aN` and `%aE`; of a commit without one, it prints what it was asked."""
    return ("", "") if (name, email) == ("%aN", "%aE") else (name, email)


def path_text(path: bytes) -> str:
    r"""Return a path as text. Bytes that are not UTF-8 become `\xNN`, so that different paths stay different."""
    return path.decode("utf-8", "backslashreplace")


def _commit(header: list[bytes], files: tuple[FileChange, ...], raw_commit: Callable[[str], bytes]) -> Commit:
    sha, parents, *times, name, email, own_name, own_email, subject, body, message = (
        field.decode("utf-8", "replace") for field in header
    )
    name, email = person(name, email)
    return Commit(
        sha=sha.strip(),
        time=commit_time(times, lambda: raw_commit(sha.strip())),
        author_name=name,
        author_email=email,
        recorded_author=f"{own_name} <{own_email}>",
        subject=subject,
        body=body.replace("\r\n", "\n").strip("\r\n"),
        message=message,
        parents=len(parents.split()),
        files=files,
    )
