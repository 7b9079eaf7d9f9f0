"""What a commit changed, line by line, as git tells it: bounded in size and time."""

import re
from dataclasses import dataclass

from patina_resources.errors import PatinaError
from patina_resources.materialize.git.repository import Repository

OPTIONS = (
    "log",
    "-1",
    "--patch",
    "--format=",
    "--diff-merges=first-parent",
    "--unified=3",
    "--inter-hunk-context=0",
    "--find-renames=50%",
    "--submodule=short",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--no-ext-diff",
    "--no-textconv",
    "--no-show-signature",
    "--no-color",
    "--no-color-moved",
    "--no-notes",
    "--no-relative",
)
MOST_BYTES = 256 << 10
MOST_SECONDS = 10.0
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class _EnoughError(Exception):
    """More has been read than is wanted."""


@dataclass(frozen=True)
class CommitDiff:
    """The unified diff of a commit against its first parent; what is no UTF-8 is U+FFFD.

    Attributes:
        text: The diff, or its beginning.
        cut: Whether there is more.
    """

    text: str
    cut: bool


def commit_diff(
    repository: Repository, sha: str, most_bytes: int = MOST_BYTES, seconds: float = MOST_SECONDS
) -> CommitDiff:
    """Return what a commit changed.

    Args:
        repository: The repository.
        sha: The whole name of the commit (hex).
        most_bytes: Git is ended after so many.
        seconds: Git is ended after so long.

    Raises:
        PatinaError: It is no name of a commit, git does not know it, or git took too long.
    """
    if not _SHA.fullmatch(sha):
        raise PatinaError(f"{sha[:70]!a}: expected the whole name of a commit")
    told = bytearray()
    try:
        with repository.stream(*OPTIONS, sha, "--", seconds=seconds) as blocks:
            for block in blocks:
                told += block
                if len(told) > most_bytes:
                    raise _EnoughError
    except _EnoughError:  # an exception ends git, which would wait for a reader
        return CommitDiff(_whole_lines(told[:most_bytes]).decode("utf-8", "replace"), cut=True)
    return CommitDiff(told.decode("utf-8", "replace"), cut=False)


def _whole_lines(told: bytes | bytearray) -> bytes:
    return bytes(told[: told.rfind(b"\n") + 1] or told)
