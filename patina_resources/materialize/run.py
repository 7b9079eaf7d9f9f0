"""`materialize`: reads a repository and appends to its eventlog; the only entry to this folder."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from patina_resources.errors import PatinaError, check_known
from patina_resources.eventlog.derived_views import rebuild_views
from patina_resources.eventlog.writer import EventlogWriter, open_eventlog
from patina_resources.materialize.code.scraper import scrape_code
from patina_resources.materialize.code.source_files import DEFAULT_INCLUDE
from patina_resources.materialize.docs.scraper import scrape_documents
from patina_resources.materialize.git.command import GitFailedError
from patina_resources.materialize.git.repository import Repository, find_repository
from patina_resources.materialize.git.scraper import refuse_foreign, scrape_git
from patina_resources.materialize.git.untold import scrape_untold
from patina_resources.materialize.notes.sessions import SESSION_GLOBS, known_notes, scrape_sessions
from patina_resources.materialize.report import ScraperReport, TellProgress, joint_report, no_progress

SCRAPERS = ("git", "sessions", "docs", "code")
# What the types of their events begin with.
KINDS = ("git", "session", "doc", "code")


def materialize(
    repository: Path,
    eventlog: Path,
    *,
    only: Collection[str] | None = None,
    full: bool = False,
    progress: TellProgress | None = None,
    session_globs: Sequence[str] = SESSION_GLOBS,
    code_include: Sequence[str] = DEFAULT_INCLUDE,
    forge_files: Sequence[Path] = (),
) -> tuple[ScraperReport, ...]:
    """Append what is new in a repository to its eventlog, and return one report per scraper.

    A second run with nothing new appends nothing. Each scraper is one transaction: a run that is killed leaves whole
    scrapers or nothing, and the next run completes it. A scraper reads first and takes the lock to append; if another
    process wrote meanwhile, it reads again, so that nothing is appended twice.

    Args:
        repository: A folder in a git repository.
        eventlog: The SQLite file; made where it is missing.
        only: Names of the scrapers to run; None runs all.
        full: Compare everything, whatever the last run remembered. Still appends only what is new. Also takes back
            all of an eventlog that shares no commit with the repository, which is refused otherwise.
        progress: Called with (what is being done, how much is done, total or None).
        session_globs: Which files are session notes, relative to `repository`.
        code_include: Folders and files of code that are read although they look vendored or generated, from the
            repository's top.
        forge_files: JSON files with issues and pull requests; `-` is standard input. Without one, what is known of
            them stays as it is.

    Raises:
        PatinaError: An unknown name in `only`, no git repository, git failed on more than the history, a glob that
            leads out of the repository, an eventlog of another repository, one that cannot be written, or a wrong
            forge file.
    """
    chosen = _chosen(only)
    show = progress or no_progress
    found = find_repository(repository)
    folder = repository.resolve()
    forge = _forge(forge_files, show)

    def notes(writer: EventlogWriter) -> Collection[bytes]:
        return known_notes(found, folder, writer, session_globs)

    with open_eventlog(eventlog, waiting=lambda: show("waiting for another process", 0, None)) as writer:
        scrapers: dict[str, Callable[[], ScraperReport]] = {
            "git": lambda: _history(found, writer, full=full, progress=show, goes_on=len(chosen) > 1),
            "sessions": lambda: writer.write(
                lambda: scrape_sessions(found, folder, writer, globs=session_globs, full=full, progress=show)
            ),
            "docs": lambda: writer.write(
                lambda: scrape_documents(found, folder, writer, notes=notes(writer), full=full, progress=show)
            ),
            "code": lambda: writer.write(
                lambda: scrape_code(found, folder, writer, include=code_include, full=full, progress=show)
            ),
        }
        if not full:
            refuse_foreign(found, eventlog, writer)
        reports = tuple(scrape() for name, scrape in scrapers.items() if name in chosen)
        if forge is not None:
            reports = (*reports, writer.write(lambda: forge(writer)))
        rebuild_views(writer)
        writer.remember_counts(KINDS)
    return reports


def _history(
    found: Repository, writer: EventlogWriter, *, full: bool, progress: TellProgress, goes_on: bool
) -> ScraperReport:
    """Read the history; where git cannot, say so if there is more to read, else raise PatinaError."""
    try:
        return joint_report(
            writer.write(lambda: scrape_git(found, writer, full=full, progress=progress)),
            writer.write(lambda: scrape_untold(found, writer, full=full)),
        )
    except GitFailedError as error:
        if not goes_on:
            raise
        return ScraperReport("git", skipped=(f"git: the history is not read: {error}",), failed=True)


def _forge(files: Sequence[Path], show: TellProgress) -> Callable[[EventlogWriter], ScraperReport] | None:
    """Return what appends what files say of issues and pull requests; None where there are none."""
    if not files:
        return None
    from patina_resources.materialize.forge.scraper import read_forge, scrape_forge  # most runs have no such file

    read = read_forge(files, show)
    return lambda writer: scrape_forge(read, writer)


def _chosen(only: Collection[str] | None) -> Collection[str]:
    if only is not None and not only:
        raise PatinaError(f"no scraper is named: expected some of {', '.join(SCRAPERS)}")
    check_known(only or (), SCRAPERS, "scraper")
    return SCRAPERS if only is None else only
