"""Reads commits with what they changed. A damaged object costs the line counts of a commit, not the whole history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from patina_resources.materialize.git.command import GitFailedError
from patina_resources.materialize.git.git_log import (
    COUNTED,
    LOG_OPTIONS,
    NO_FILES,
    UNCOUNTED,
    Commit,
    ManyFilesError,
    parse_log,
)  # fmt: skip
from patina_resources.materialize.git.repository import Repository

# So many commits are asked of one process: where it fails, the rest is asked of another one.
COMMITS_OF_A_PROCESS = 5_000
# After so many failures, lines are not counted any more: each takes two processes.
MOST_FAILURES = 200


@dataclass
class CommitReader:
    """Reads commits of a repository.

    Attributes:
        repository: The repository.
        uncounted: Commits whose lines could not be counted.
        without_files: Commits of which not even the names of their files could be read.
        large: Commits of more than MOST_FILES files, which are not told.
    """

    repository: Repository
    uncounted: list[str] = field(default_factory=list)
    without_files: list[str] = field(default_factory=list)
    large: list[str] = field(default_factory=list)

    def read(self, shas: Sequence[str]) -> Iterator[Commit]:
        """Yield the commits in this order.

        Raises:
            PatinaError: A commit itself cannot be read, or the clone is a partial one.
        """
        for start in range(0, len(shas), COMMITS_OF_A_PROCESS):
            yield from self._read(shas[start : start + COMMITS_OF_A_PROCESS])

    def _read(self, shas: Sequence[str]) -> Iterator[Commit]:
        done = 0
        while done < len(shas):
            told = COUNTED if len(self.uncounted) < MOST_FAILURES else UNCOUNTED
            try:
                for commit in self._log(shas[done:], told):
                    done += 1
                    self.uncounted.extend([commit.sha] if told == UNCOUNTED else [])
                    yield commit
            except (GitFailedError, ManyFilesError):
                yield self._damaged(shas[done])
                done += 1

    def _damaged(self, sha: str) -> Commit:
        """Return the first commit of those that a process failed on, with all that can be told of it."""
        for told, failures in ((COUNTED, []), (UNCOUNTED, self.uncounted)):
            try:
                [commit] = self._log([sha], told)
            except GitFailedError:
                continue
            except ManyFilesError:
                self.large.append(sha)
                [commit] = self._log([sha], NO_FILES)
                return commit
            failures.append(sha)
            return commit
        [commit] = self._log([sha], NO_FILES)
        self.without_files.append(sha)
        return commit

    def _log(self, shas: Sequence[str], told: Sequence[str]) -> Iterator[Commit]:
        """Yield commits; of the last one only if git did not fail, which may have been in the middle of it."""
        asked = "".join(f"{sha}\n" for sha in shas).encode()
        last: Commit | None = None
        with self.repository.stream(*LOG_OPTIONS, *told, stdin=asked) as blocks:
            for commit in parse_log(blocks, self.repository.raw_commit, counted=told == COUNTED):
                if last is not None:
                    yield last
                last = commit
        if last is not None:
            yield last
