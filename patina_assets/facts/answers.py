"""Answers about a project from its eventlog and its repository: what happened last, and why a place is as it is."""

from collections.abc import Sequence
from datetime import UTC, datetime

from patina_assets.facts import lines
from patina_assets.facts.lines import AtHead, ReadFile, known_symbol, read_file, span_at_head
from patina_assets.facts.record import SOURCES, RepositoryRecord, read_repository_record
from patina_assets.facts.typed import known_path, typed, unread_file
from patina_assets.facts.why import Entries, Why, recent, why
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.git.line_history import commits_of_lines
from patina_resources.materialize.git.repository import Repository, find_repository, is_in_repository, top_of
from patina_resources.materialize.texts import versions_of
from patina_resources.project.project import Project

OTHER_VERSION = "the eventlog knows another version of it, which `patina materialize` brings up to date"


def recent_of(project: Project, days: int | None = None, path: str | None = None, k: int = 20) -> Entries:
    """Return what happened last in a project; see `recent`.

    Raises:
        PatinaError: The eventlog is missing or damaged.
    """
    return recent(_record(project), days, path, k, datetime.now(UTC))


def why_of(project: Project, name: str, k: int = 20, folder: str = "") -> Why:
    """Return what happened to a file, or to the definition around a line.

    Args:
        project: The project.
        name: A path, PATH:LINE, or the name of a function or type.
        k: Number of entries.
        folder: The folder that the path is told from, from the top of the repository.

    Raises:
        PatinaError: Nothing is called so, or several things are; the file has no such line; the eventlog is missing or
            damaged.
    """
    eventlog = Eventlog(project.eventlog())
    rows = eventlog.rows([*SOURCES, *lines.SOURCES])
    record = read_repository_record(rows)
    told = [row for source in lines.SOURCES for row in rows[source.name]]
    known = record.paths | {row[0] for row in told} | {note.path for note in record.notes if note.path is not None}
    wanted = typed(name, folder)
    path, line = known_path(wanted, known, record.name_now)
    symbol = ""
    if not path and (unread := unread_file(wanted, top_of(project.root))) is not None:
        raise PatinaError(f"{unread} is not in the eventlog: run `patina materialize`")
    if not path:
        path, line, symbol = known_symbol(told, wanted.text, known)
    if line is None:
        return why(record, path, k, line=None, span=None, why_not="", shas=None)
    found, shas = _of_lines(project, path, line, read_file(told, path))
    if symbol and (found.span is None or found.span.symbol != symbol):
        found, shas = AtHead(None, found.why_not or OTHER_VERSION), None
    return why(record, path, k, line=line, span=found.span, why_not=found.why_not, shas=shas)


def _of_lines(project: Project, path: str, line: int, read: ReadFile | None) -> tuple[AtHead, Sequence[str] | None]:
    """Return the lines at HEAD around a line, and the commits that changed them; None where they are not known."""
    if not is_in_repository(project.root):
        return AtHead(None, "there is no git repository that knows its lines"), None
    try:
        repository = find_repository(project.root)
    except PatinaError as error:
        return AtHead(None, str(error)), None
    worktree, head = versions_of(repository, path)
    try:
        found = span_at_head(line, worktree, head, read)
    except PatinaError as error:
        raise PatinaError(f"{path}: {error}") from error
    return _with_commits(repository, path, found)


def _with_commits(repository: Repository, path: str, found: AtHead) -> tuple[AtHead, Sequence[str] | None]:
    if found.span is None:
        return found, None
    try:
        return found, list(commits_of_lines(repository, path, found.span.first, found.span.last))
    except PatinaError as error:
        return AtHead(None, str(error)), None


def _record(project: Project) -> RepositoryRecord:
    return read_repository_record(Eventlog(project.eventlog()).rows(SOURCES))
