"""Reads the output of one streaming `git log`: commits and the files that they changed.

Everything is separated by NUL, which neither a path nor a message can hold, and read by position; so no path, author
or message can be taken for something else.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEADER = "%x00".join(("tformat:%H", "%P", "%aI", "%cI", "%an", "%ae", "%s", "%B"))
LOG_OPTIONS = (
    "log",
    "-z",
    "--raw",
    "--numstat",
    "--find-renames=50%",
    "--no-diff-merges",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
    "--no-show-signature",
    "--no-mailmap",
    "--no-notes",
    "--submodule=short",
    "--ignore-submodules=none",
    "--encoding=UTF-8",
    "--reverse",
    "--date-order",
    f"--format={HEADER}",
)
HEADER_FIELDS = HEADER.count("%x00") + 1
CHANGE_TYPES = {b"A": "added", b"C": "added", b"D": "deleted", b"M": "modified", b"R": "renamed", b"T": "modified"}
NUMSTAT = re.compile(rb"(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)
# Git prints other things for a commit object that no git command wrote: the format itself, or the year 540678.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
NO_TIME = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class FileChange:
    """One file of a commit; lines are 0 for a binary file. `old_path` is set for a renamed file only."""

    path: str
    change_type: str
    lines_added: int
    lines_removed: int
    old_path: str | None = None


@dataclass(frozen=True)
class Commit:
    """One commit; a merge has no files. `timestamp` is the author's, as ISO 8601 with their UTC offset."""

    sha: str
    parents: tuple[str, ...]
    timestamp: str
    author_name: str
    author_email: str
    subject: str
    message: str
    files: tuple[FileChange, ...]


def parse_log(blocks: Iterable[bytes]) -> Iterator[Commit]:
    """Yield the commits of `git log` with LOG_OPTIONS, one at a time."""
    parts = _Parts(blocks)
    while not parts.at_end():
        header = [parts.next() for _ in range(HEADER_FIELDS)]
        yield _commit(header, _files(parts))


class _Parts:
    """The NUL-separated parts of a stream, with one part of lookahead."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._parts = _split(blocks)
        self._ahead = next(self._parts, None)

    def at_end(self) -> bool:
        return self._ahead is None

    def peek(self) -> bytes:
        return self._ahead or b""

    def next(self) -> bytes:
        part, self._ahead = self._ahead or b"", next(self._parts, None)
        return part


def _split(blocks: Iterable[bytes]) -> Iterator[bytes]:
    pending: list[bytes] = []
    for block in blocks:
        first, *others = block.split(b"\0")
        pending.append(first)
        for part in others:
            yield b"".join(pending)
            pending = [part]
    if rest := b"".join(pending):
        yield rest


def _files(parts: _Parts) -> tuple[FileChange, ...]:
    """Return the changes that follow a header: first all raw entries, then all line counts."""
    types: dict[bytes, tuple[str, bytes | None]] = {}
    lines: dict[bytes, tuple[int, int]] = {}
    while True:
        ahead = parts.peek().lstrip(b"\n")
        if ahead.startswith(b":"):
            letter = parts.next().rsplit(b" ", 1)[-1][:1]
            old = parts.next() if letter in b"RC" else None
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
    return tuple(_change(path, kind, old, lines.get(path, (0, 0))) for path, (kind, old) in types.items())


def _count(number: bytes) -> int:
    return 0 if number == b"-" else int(number)


def _change(path: bytes, kind: str, old: bytes | None, lines: tuple[int, int]) -> FileChange:
    return FileChange(path_text(path), kind, *lines, old_path=None if old is None else path_text(old))


def path_text(path: bytes) -> str:
    r"""Return a path as text. Bytes that are not UTF-8 become `\xNN`, so that different paths stay different."""
    return path.decode("utf-8", "backslashreplace")


def _commit(header: list[bytes], files: tuple[FileChange, ...]) -> Commit:
    sha, parents, authored, committed, name, email, subject, message = (
        field.decode("utf-8", "replace") for field in header
    )
    return Commit(
        sha=sha.strip(),
        parents=tuple(parents.split()),
        timestamp=first_time(authored, committed),
        author_name=name,
        author_email=email,
        subject=subject,
        message=message,
        files=files,
    )


def first_time(*printed: str) -> str:
    """Return the first of these that is a time (ISO 8601 with an offset from UTC), else NO_TIME."""
    return next((time for time in printed if TIME.fullmatch(time)), NO_TIME)
