"""`materialize`: reads a repository and appends to its eventlog; the only entry to this folder."""

from collections.abc import Collection, Sequence
from pathlib import Path

from patina_resources.errors import PatinaError, did_you_mean
from patina_resources.eventlog.derived_views import rebuild_views
from patina_resources.eventlog.writer import open_eventlog
from patina_resources.materialize.code.scraper import scrape_code
from patina_resources.materialize.git.repository import find_repository
from patina_resources.materialize.git.scraper import refuse_foreign, scrape_git
from patina_resources.materialize.notes.sessions import SESSION_GLOBS, scrape_sessions
from patina_resources.materialize.report import Progress, ScraperReport, no_progress

SCRAPERS = ("git", "sessions", "code")


def materialize(
    repository: Path,
    eventlog: Path,
    *,
    only: Collection[str] | None = None,
    full: bool = False,
    progress: Progress | None = None,
    session_globs: Sequence[str] = SESSION_GLOBS,
) -> tuple[ScraperReport, ...]:
    """Append what is new in a repository to its eventlog, and return one report per scraper.

    A second run with nothing new appends nothing. Each scraper is one transaction: a run that is killed leaves whole
    scrapers or nothing, and the next run completes it. While another process writes, this one waits.

    Args:
        repository: A folder in a git repository.
        eventlog: The SQLite file; made where it is missing.
        only: Names of the scrapers to run; None runs all.
        full: Compare everything, whatever the last run remembered. Still appends only what is new. Also takes back
            all of an eventlog that shares no commit with the repository, which is refused otherwise.
        progress: Called with (what is being done, how much is done, total or None).
        session_globs: Which files are session notes, relative to `repository`.

    Raises:
        PatinaError: An unknown name in `only`, no git repository, git failed, a glob that leads out of the repository,
            an eventlog of another repository, or one that cannot be written.
    """
    chosen = _chosen(only)
    show = progress or no_progress
    found = find_repository(repository)
    folder = repository.resolve()
    reports: list[ScraperReport] = []
    with open_eventlog(eventlog, waiting=lambda: show("waiting for another process", 0, None)) as writer:
        if not full:
            with writer.transaction():
                refuse_foreign(found, eventlog, writer)
        if "git" in chosen:
            reports.append(scrape_git(found, writer, full=full, progress=show))
        if "sessions" in chosen:
            reports.append(scrape_sessions(found, folder, writer, globs=session_globs, full=full, progress=show))
        if "code" in chosen:
            reports.append(scrape_code(found, folder, writer, full=full, progress=show))
        rebuild_views(writer)
    return tuple(reports)


def _chosen(only: Collection[str] | None) -> Collection[str]:
    if only is not None and not only:
        raise PatinaError(f"no scraper is named: expected some of {', '.join(SCRAPERS)}")
    for name in only or ():
        if name not in SCRAPERS:
            hint = did_you_mean(name, SCRAPERS)
            raise PatinaError(f"unknown scraper {name!r}{hint}: expected some of {', '.join(SCRAPERS)}")
    return SCRAPERS if only is None else only
