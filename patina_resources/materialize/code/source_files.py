"""Which files of a repository are source code to be read, and why the others are not."""

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from patina_resources.materialize.code.languages import is_source
from patina_resources.materialize.git.git_log import path_text
from patina_resources.materialize.git.repository import Repository

MAXIMUM_BYTES = 1 << 20
VENDORED = frozenset({
    ".venv", "Carthage", "Godeps", "Pods", "_vendor", "bower_components", "node_modules", "site-packages",
    "third-party", "third_party", "thirdparty", "vendor", "vendored", "venv",
})  # fmt: skip
GENERATED_NAME = re.compile(
    r"(_pb2(_grpc)?\.pyi?|\.pb(\.gw)?\.go|\.pb\.(cc|h)|[.-]min\.m?js|\.bundle\.js|[._]generated\.\w+|\.g\.cs|"
    r"\.designer\.cs)$",
    re.IGNORECASE,
)
COMMENT_LINE = re.compile(rb"^[ \t]*(?:#|//|/\*|\*|--|;)(.*)$", re.MULTILINE)
# A file is generated where its head has the first of these, or both of the others.
GENERATED_MARK = re.compile(rb"@generated\b|\bauto(matically)?[- ]?generated\b", re.IGNORECASE)
GENERATED_WORD = re.compile(rb"\bgenerated\b", re.IGNORECASE)
DO_NOT_EDIT = re.compile(rb"\bdo not (edit|modify)\b", re.IGNORECASE)
HEAD_BYTES = 1024
BINARY_BYTES = 8192
MINIFIED_LINE_BYTES = 500


@dataclass
class SourceFiles:
    """The source files of a repository.

    Attributes:
        paths: Their paths from the worktree's top, as git has them, in order.
        skipped: Why each of the others is left out, one sentence each; a vendored folder is one sentence.
    """

    paths: list[bytes] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def list_sources(repository: Repository, folder: Path) -> SourceFiles:
    """Return the source files below `folder` that git tracks, or does not ignore.

    Raises:
        PatinaError: Git failed.
    """
    found = SourceFiles()
    vendored: Counter[str] = Counter()
    for path in repository.files(folder):
        text = path_text(path)
        if not is_source(text):
            continue
        if below := _vendored_folder(text):
            vendored[below] += 1
        elif GENERATED_NAME.search(text):
            found.skipped.append(f"{text}: generated")
        else:
            found.paths.append(path)
    found.skipped.extend(f"{below}: vendored ({count} file(s))" for below, count in sorted(vendored.items()))
    return found


def _vendored_folder(path: str) -> str | None:
    parts = PurePosixPath(path).parts[:-1]
    for depth, part in enumerate(parts):
        if part in VENDORED:
            return "/".join(parts[: depth + 1]) + "/"
    return None


@dataclass(frozen=True)
class Unread:
    """Why a file is not read. `gone` is set for one that git knows and the worktree does not have."""

    reason: str
    gone: bool = False


def read_source(top: Path, path: bytes) -> bytes | Unread:
    """Return the content of a source file below `top`, or why it is not to be read."""
    content = read_regular(top, path)
    return content if isinstance(content, Unread) else _unless_unfit(content)


def is_there(top: Path, file: str) -> bool:
    """Return whether a path out of an eventlog, which may be any text, is that of a file below `top`."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts:
        return False
    try:
        whole = top / path
        return stat.S_ISREG(whole.lstat().st_mode) and whole.parent.resolve() == top.resolve() / path.parent
    except (OSError, ValueError):  # too long, or no path at all
        return False


def read_regular(top: Path, path: bytes) -> bytes | Unread:
    """Return the content of a file of at most MAXIMUM_BYTES below `top`. No link is ever followed."""
    whole = os.path.join(os.fsencode(top), path)  # noqa: PTH118 - a path may be any bytes
    if os.path.realpath(os.path.dirname(whole)) != os.path.dirname(whole):  # noqa: PTH120
        return Unread("is behind a symbolic link")
    try:
        descriptor = os.open(whole, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Unread("is not there", gone=True)
    except OSError as error:
        is_link = os.path.islink(whole)  # noqa: PTH114
        return Unread("is a symbolic link" if is_link else f"cannot be read ({error.strerror})")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Unread("is not a regular file")
        if status.st_size > MAXIMUM_BYTES:
            return Unread(f"larger than {MAXIMUM_BYTES >> 20} MiB")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAXIMUM_BYTES)
    finally:
        os.close(descriptor)


def _unless_unfit(content: bytes) -> bytes | Unread:
    if b"\0" in content[:BINARY_BYTES]:
        return Unread("binary")
    if _is_generated(b" ".join(COMMENT_LINE.findall(content[:HEAD_BYTES]))):
        return Unread("generated")
    if len(content) > MINIFIED_LINE_BYTES * (content.count(b"\n") + 1):
        return Unread("minified")
    return content


def _is_generated(head: bytes) -> bool:
    return bool(GENERATED_MARK.search(head) or (GENERATED_WORD.search(head) and DO_NOT_EDIT.search(head)))
