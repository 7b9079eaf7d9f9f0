"""The commits that changed some lines of a file, as `git log -L` follows them back from HEAD."""

from collections.abc import Iterator

from patina_resources.errors import PatinaError
from patina_resources.materialize.git.repository import Repository

OPTIONS = (
    "log",
    "-z",
    "--no-patch",
    "--no-ext-diff",
    "--no-textconv",
    "--no-show-signature",
    "--no-color",
    "--no-notes",
    "--find-renames=50%",
    "--format=%H",
)


def commits_of_lines(repository: Repository, path: str, first: int, last: int) -> Iterator[str]:
    """Yield the commits that changed lines of a file, newest first, while git finds them; renames are followed.

    Args:
        repository: A repository with a commit.
        path: The file at HEAD, from the repository's top.
        first: The first line at HEAD, from 1.
        last: The last line at HEAD.

    Raises:
        PatinaError: Git failed: HEAD has no such file, or it has fewer lines.
    """
    if "\0" in path or not 1 <= first <= last:
        raise PatinaError(f"{path}:{first}: not lines of a file")
    with repository.stream(*OPTIONS, f"-L{first},{last}:{path}", "HEAD", "--") as blocks:
        rest = b""
        for block in blocks:
            *whole, rest = (rest + block).split(b"\0")
            yield from (sha for token in whole if (sha := token.strip().decode("ascii", "replace")))
        if sha := rest.strip().decode("ascii", "replace"):
            yield sha
