"""Git history -> `git.commit` events: every commit reachable from HEAD, oldest first.

The last run's HEAD is remembered. What is reachable from HEAD and was not from there is new; what was reachable from
there and is not any more (after a rebase or a forced update) is taken back by a `git.removed` event.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError
from patina_resources.materialize.conventional import parse_message
from patina_resources.materialize.eventlog_writer import Event, EventlogWriter, payload
from patina_resources.materialize.git_log import LOG_OPTIONS, Commit, FileChange, parse_log
from patina_resources.materialize.report import Progress, ScraperReport
from patina_resources.materialize.repository import Repository

COMMIT = "git.commit"
REMOVED = "git.removed"
HEAD_KEY = "materialize_git_head"
EDGE_KEY = "materialize_git_shallow"
# Where other tools that write this format look for the last commit that they took in.
LAST_COMMIT_KEY = "last_processed_git"
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
PROGRESS_EVERY = 500


def scrape_git(repository: Repository, writer: EventlogWriter, *, full: bool, progress: Progress) -> ScraperReport:
    """Append what is new in the history, in one transaction.

    Args:
        repository: Where to read.
        writer: Where to append.
        full: Compare the whole history with the eventlog, whatever the last run remembered.
        progress: Told of every few hundred commits.

    Raises:
        PatinaError: Git failed, or the eventlog cannot be written.
    """
    with writer.transaction():  # first: what is read while another process writes may be old when its turn comes
        head, edge = repository.head(), repository.shallow_edge()
        if head is None:
            return ScraperReport("git", skipped=("git: there are no commits yet",))
        live = writer.live_sources(COMMIT)
        last, last_edge = writer.state(HEAD_KEY), frozenset((writer.state(EDGE_KEY) or "").split())
        if (last, last_edge) == (head, edge) and not full:
            return ScraperReport("git", known=_counts(len(live)), skipped=_skipped(edge))
        since = last if last and last_edge == edge and not full and _exists(repository, last) else None
        # An edge commit was written without its files: once its parents are here, it is written anew.
        gone = live.keys() & (_gone(repository, live, head, since, edge) | (last_edge - edge))
        taken_back = {sha: live.pop(sha) for sha in sorted(gone, key=live.__getitem__)}
        _retract(writer, taken_back, repository.commit_time(head))
        new = _append(repository, writer, f"{since}..{head}" if since else head, live, edge, progress)
        for key, value in ((HEAD_KEY, head), (EDGE_KEY, " ".join(sorted(edge))), (LAST_COMMIT_KEY, head)):
            writer.set_state(key, value)
    return ScraperReport("git", _counts(new), _counts(len(live)), _counts(len(taken_back)), _skipped(edge))


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


def _skipped(edge: frozenset[str]) -> tuple[str, ...]:
    if not edge:
        return ()
    return (
        f"git: this is a shallow clone: the files of {len(edge)} commit(s) at its edge are unknown, and what is older "
        "is not here (`git fetch --unshallow` brings it)",
    )


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


def _append(
    repository: Repository,
    writer: EventlogWriter,
    revisions: str,
    live: Mapping[str, list[int]],
    edge: frozenset[str],
    progress: Progress,
) -> int:
    """Append the commits that are not live, as git prints them; return how many."""
    total = int(repository.output("rev-list", "--count", revisions, "--"))
    appended = 0

    def events(commits: Iterable[Commit]) -> Iterator[Event]:
        nonlocal appended
        for done, commit in enumerate(commits):
            if done % PROGRESS_EVERY == 0:
                progress("git", done, total)
            if commit.sha not in live:
                appended += 1
                yield commit_event(commit, with_files=commit.sha not in edge)
        progress("git", total, total)

    with repository.stream(*LOG_OPTIONS, revisions, "--") as blocks:
        writer.append(events(parse_log(blocks)))
    return appended


def commit_event(commit: Commit, *, with_files: bool = True) -> Event:
    """Return a commit as an event: message is the subject line; `parsed` is there where it has anything to say."""
    fields: dict[str, Any] = {
        "sha": commit.sha,
        "message": commit.subject,
        "author_name": commit.author_name,
        "author_email": commit.author_email,
        "files": [_file(change) for change in commit.files] if with_files else [],
    }
    if parsed := parse_message(commit.message):
        fields["parsed"] = parsed
    return Event(COMMIT, commit.timestamp, commit.sha, None, payload(fields))


def _file(change: FileChange) -> dict[str, str | int]:
    fields: dict[str, str | int] = {
        "path": change.path,
        "change_type": change.change_type,
        "lines_added": change.lines_added,
        "lines_removed": change.lines_removed,
    }
    return fields if change.old_path is None else {**fields, "old_path": change.old_path}
