"""When files were last changed: the time of the last commit that touched each of them."""

from collections.abc import Collection
from contextlib import suppress

from patina_resources.materialize.git.command import GitFailedError, split_at_nul
from patina_resources.materialize.git.repository import Repository
from patina_resources.materialize.git.times import commit_time

# A command line holds so many paths easily; for more, all commits are looked through.
MOST_NAMED = 200
MARK = b"\x01"
LOG = ("log", "-z", "--no-renames", "--name-only", "--format=%x01%H%x01%at%x01%aI%x01%ct%x01%cI", "HEAD", "--")


def last_changed(repository: Repository, paths: Collection[bytes]) -> dict[bytes, str]:
    """Return the author's time (ISO 8601) of the last commit that touched each path; none for one that no commit has.

    Where git cannot read a commit's folders, older commits are not looked at.

    Args:
        repository: A repository.
        paths: From its top.
    """
    wanted = set(paths)
    if not wanted or repository.head() is None:
        return {}
    named = [path.decode("utf-8", "surrogateescape") for path in sorted(wanted)] if len(wanted) <= MOST_NAMED else []
    touched: dict[bytes, bytes] = {}
    commit = b""
    with suppress(GitFailedError), repository.stream(*LOG, *named) as blocks:
        for part in split_at_nul(blocks):
            token = part.lstrip(b"\n")
            if token.startswith(MARK):
                commit = token
            elif token in wanted:
                touched.setdefault(token, commit)
    times = {commit: _time(repository, commit) for commit in set(touched.values())}
    return {path: times[commit] for path, commit in touched.items()}


def _time(repository: Repository, commit: bytes) -> str:
    _, sha, *printed = commit.decode("ascii", "replace").split(MARK.decode())
    return commit_time(printed, lambda: repository.raw_commit(sha)).text
