"""Git history -> `git.commit` events: every commit reachable from HEAD, oldest first.

The last run's HEAD is remembered. What is reachable from HEAD and was not from there is new; what was reachable from
there and is not any more (after a rebase or a forced update) is taken back by a `git.removed` event.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError
from patina_resources.eventlog.writer import Event, EventlogWriter, payload
from patina_resources.materialize.git.conventional import parse_message
from patina_resources.materialize.git.git_log import MOST_FILES, Commit, FileChange
from patina_resources.materialize.git.reading import CommitReader
from patina_resources.materialize.git.repository import Repository
from patina_resources.materialize.report import ScraperReport, TellProgress

COMMIT = "git.commit"
REMOVED = "git.removed"
HEAD_KEY = "materialize_git_head"
EDGE_KEY = "materialize_git_shallow"
# Where other tools that write this format look for the last commit that they took in.
LAST_COMMIT_KEY = "last_processed_git"
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
PROGRESS_EVERY = 500
NAMED_COMMITS = 3
SHORT_SHA = 10


def scrape_git(repository: Repository, writer: EventlogWriter, *, full: bool, progress: TellProgress) -> ScraperReport:
    """Append what is new in the history.

    Args:
        repository: Where to read.
        writer: Where to append; see `EventlogWriter.write`.
        full: Compare the whole history with the eventlog, whatever the last run remembered.
        progress: Told of every few hundred commits.

    Raises:
        PatinaError: Git failed.
    """
    head, edge = repository.head(), repository.shallow_edge()
    if head is None:
        return ScraperReport("git", skipped=(f"git: {repository.why_no_commit()}",))
    last, last_edge = writer.state(HEAD_KEY), frozenset((writer.state(EDGE_KEY) or "").split())
    if (last, last_edge) == (head, edge) and not full:
        known = writer.live_counts("git").get(COMMIT, 0)
        return ScraperReport("git", known=_counts(known), skipped=tuple(_shallow(edge)))
    live = writer.live_sources(COMMIT)
    since = last if last and last_edge == edge and not full and _exists(repository, last) else None
    # An edge commit was written without its files: once its parents are here, it is written anew.
    gone = live.keys() & (_gone(repository, live, head, since, edge) | (last_edge - edge))
    taken_back = {sha: live.pop(sha) for sha in sorted(gone, key=live.__getitem__)}
    _retract(writer, taken_back, repository.commit_time(head))
    new = [sha for sha in _oldest_first(repository, f"{since}..{head}" if since else head) if sha not in live]
    skipped = [*_shallow(edge), *_append(repository, writer, new, edge, progress)]
    for key, value in ((HEAD_KEY, head), (EDGE_KEY, " ".join(sorted(edge))), (LAST_COMMIT_KEY, head)):
        writer.set_state(key, value)
    return ScraperReport("git", _counts(len(new)), _counts(len(live)), _counts(len(taken_back)), tuple(skipped))


def refuse_foreign(repository: Repository, eventlog: Path, writer: EventlogWriter) -> None:
    """Raise PatinaError if the eventlog holds commits and the repository has none of them.

    All of them, with every note and function, would be taken back otherwise, as if history had been rewritten.
    """
    remembered = (writer.state(HEAD_KEY), writer.state(LAST_COMMIT_KEY))
    if any(sha and _exists(repository, sha) for sha in remembered) or repository.shallow_edge():
        return
    live = writer.live_sources(COMMIT).keys()
    head = repository.head()
    if live and (head is None or live.isdisjoint(_rev_list(repository, head))):
        raise PatinaError(
            f"{eventlog}: holds {len(live)} commit(s), and none of them is in {repository.git_dir}: if this is another "
            "project's eventlog, name this one's in config.toml; if the whole history was rewritten, run "
            "`patina materialize --full` to take the old one back"
        )


def _counts(commits: int) -> Mapping[str, int]:
    return {COMMIT: commits} if commits else {}


def _shallow(edge: frozenset[str]) -> Iterator[str]:
    if edge:
        yield (
            f"git: this is a shallow clone: the files of {len(edge)} commit(s) at its edge are unknown, and what is "
            "older is not here (`git fetch --unshallow` brings it)"
        )


def _named(shas: Sequence[str]) -> str:
    more = ", ..." if len(shas) > NAMED_COMMITS else ""
    return ", ".join(sha[:SHORT_SHA] for sha in shas[:NAMED_COMMITS]) + more


def _exists(repository: Repository, sha: str) -> bool:
    return bool(SHA.fullmatch(sha)) and repository.succeeds("cat-file", "-e", f"{sha}^{{commit}}")


def _gone(
    repository: Repository, live: Mapping[str, list[int]], head: str, since: str | None, edge: frozenset[str]
) -> set[str]:
    """Return the commits that HEAD does not reach any more."""
    if since is not None:
        return set(_rev_list(repository, since, f"^{head}"))
    if edge or not live:
        # A shallow clone does not reach what was cut off, which says nothing about whether it still holds.
        return set()
    return live.keys() - set(_rev_list(repository, head))


def _rev_list(repository: Repository, *revisions: str) -> Iterator[str]:
    with repository.stream("rev-list", *revisions, "--") as blocks:
        yield from b"".join(blocks).decode("ascii").split()


def _retract(writer: EventlogWriter, taken_back: Mapping[str, list[int]], timestamp: str) -> None:
    for sha, seqs in taken_back.items():
        writer.retract(REMOVED, timestamp, sha, {"sha": sha}, seqs)


def _oldest_first(repository: Repository, revisions: str) -> Iterator[str]:
    return _rev_list(repository, "--reverse", "--date-order", revisions)


def _append(
    repository: Repository, writer: EventlogWriter, shas: Sequence[str], edge: frozenset[str], progress: TellProgress
) -> Iterator[str]:
    """Append commits in this order; yield a sentence for each thing that cannot be told of them as it is."""
    reader = CommitReader(repository)
    odd_times: list[str] = []

    def events() -> Iterator[Event]:
        for done, commit in enumerate(reader.read(shas)):
            if done % PROGRESS_EVERY == 0:
                progress("git", done, len(shas))
            if not commit.time.as_written:
                odd_times.append(commit.sha)
            yield commit_event(commit, with_files=commit.sha not in edge)
        progress("git", len(shas), len(shas))

    writer.append(events())
    for found, problem in (
        (reader.uncounted, "change what git cannot read, and are without line counts: check with `git fsck`"),
        (reader.without_files, "have folders that git cannot read, and are without files: check with `git fsck`"),
        (reader.large, f"change more than {MOST_FILES:,} files, and are without files"),
        (odd_times, "have a time zone or a year that does not exist: their time is in UTC"),
    ):
        if found:
            yield f"git: {len(found)} commit(s) {problem} ({_named(found)})"


def commit_event(commit: Commit, *, with_files: bool = True) -> Event:
    """Return a commit as an event: message is the subject line; keys that have nothing to say are left out."""
    fields: dict[str, Any] = {
        "sha": commit.sha,
        "message": commit.subject,
        "author_name": commit.author_name,
        "author_email": commit.author_email,
        "files": [_file(change) for change in commit.files] if with_files else [],
    }
    as_named = f"{commit.author_name} <{commit.author_email}>"
    further = {
        "parsed": parse_message(commit.message),
        "body": commit.body,
        "recorded_author": commit.recorded_author if commit.recorded_author != as_named else None,
        "author_seconds": commit.time.seconds,
        "parents": commit.parents if commit.parents > 1 else None,
    }
    fields |= {key: value for key, value in further.items() if value or value == 0}
    return Event(COMMIT, commit.time.text, commit.sha, None, payload(fields))


def _file(change: FileChange) -> dict[str, str | int]:
    fields = {
        "path": change.path,
        "change_type": change.change_type,
        "lines_added": change.lines_added,
        "lines_removed": change.lines_removed,
        "old_path": change.old_path,
    }
    return {key: value for key, value in fields.items() if value is not None}
