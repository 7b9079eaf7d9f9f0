"""What commit events do not tell, and still holds at HEAD, as `git.file` and `git.identity` events.

Merges have no files: where a merge alone added, moved or removed a file, a `git.file` event tells what became of its
path. An author is written down as `.mailmap` names them at that time: where it says something else now, a
`git.identity` event tells who that is. So neither takes back a commit.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from patina_resources.errors import PatinaError
from patina_resources.eventlog.file_names import PATHS_SQL, follow, read_paths, untold_names
from patina_resources.eventlog.normal_forms import current_path
from patina_resources.eventlog.writer import Event, EventlogWriter, payload
from patina_resources.materialize.git.command import split_at_nul
from patina_resources.materialize.git.git_log import path_text, person
from patina_resources.materialize.git.repository import Repository
from patina_resources.materialize.git.scraper import SHA
from patina_resources.materialize.reconcile import Reconciler
from patina_resources.materialize.report import ScraperReport

FILE = "git.file"
IDENTITY = "git.identity"
MAILMAP = ".mailmap"
# The largest known repositories have about a tenth of it.
MOST_PATHS = 5_000_000
STATE_KEY = "materialize_git_untold"
TOUCHED_SQL = """
SELECT json_extract(file.value, '$.path'), MAX(COALESCE(json_extract(file.value, '$.change_type') = 'added', 0))
FROM live, json_each(live.data, '$.files') AS file
WHERE live.event_type = 'git.commit' AND file.type = 'object' AND json_type(file.value, '$.path') = 'text'
GROUP BY 1
"""
# Materialized: SQLite would otherwise look again for each field that is taken out of an event, and at each use of one.
AUTHORS_SQL = """
WITH event AS MATERIALIZED (
    SELECT source_id, data FROM live WHERE event_type = 'git.commit'
), person AS MATERIALIZED (
    SELECT source_id AS sha, json_extract(data, '$.recorded_author') AS recorded,
           COALESCE(json_extract(data, '$.author_name'), '') AS name,
           COALESCE(json_extract(data, '$.author_email'), '') AS email
    FROM event
)
SELECT COALESCE(recorded, name || ' <' || email || '>'), name, email, MIN(sha)
FROM person
WHERE typeof(name) = 'text' AND typeof(email) = 'text'
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
"""
AUTHOR_OPTIONS = (
    "log", "-z", "--no-walk=unsorted", "--stdin", "--ignore-missing", "--no-patch", "--no-show-signature", "--no-color",
    "--encoding=UTF-8", "--format=tformat:%an <%ae>%x00%aN%x00%aE",
)  # fmt: skip

Person = tuple[str, str]


def scrape_untold(repository: Repository, writer: EventlogWriter, *, full: bool) -> ScraperReport:
    """Append what holds at HEAD and the commits in the eventlog do not tell, and take back what they tell by now.

    Args:
        repository: Where to read.
        writer: Where to append; see `EventlogWriter.write`.
        full: Compare even if HEAD is the one of the last run.

    Raises:
        PatinaError: Git failed.
    """
    head = repository.head()
    known = writer.live_counts("git")
    before = {kind: known[kind] for kind in (FILE, IDENTITY) if kind in known}
    if head is None or (writer.state(STATE_KEY) == head and not full):
        return ScraperReport("git", known=before)
    reconciler = Reconciler(writer, "git", repository.commit_time(head))
    paths = {event.source_id: event for event in _files(repository, writer, reconciler.now)}
    for path in sorted((writer.live_files("git") - {MAILMAP}) | paths.keys()):
        reconciler.update(path, [paths[path]] if path in paths else [], [FILE])
    reconciler.update(MAILMAP, _identities(repository, writer, reconciler.now), [IDENTITY])
    writer.set_state(STATE_KEY, head)
    return reconciler.report("git", before, ())


def _files(repository: Repository, writer: EventlogWriter, now: str) -> Iterator[Event]:
    changes, _ = read_paths(writer.read(PATHS_SQL))
    names = follow(changes)
    touched = {current_path(path): is_added == 1 for path, is_added in writer.read(TOUCHED_SQL)}
    there = _paths_at_head(repository, {*touched, *names.last, *names.moved.values()})
    for path, name in untold_names(names, touched, there).items():
        yield Event(FILE, now, path, path, payload({"path": path, "now": name}))


def _paths_at_head(repository: Repository, asked: Collection[str]) -> set[str]:
    """Return which of these paths HEAD has, in whatever case: all its paths need not fit into memory."""
    there: set[str] = set()
    folded = {path.casefold() for path in asked}
    with repository.stream("ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD") as blocks:
        for count, path in enumerate(map(path_text, split_at_nul(blocks))):
            if count == MOST_PATHS:
                raise PatinaError(
                    f"{repository.git_dir}: HEAD has more than {MOST_PATHS:,} files, as only a repository has that was "
                    "made to take up memory: look at it with `git ls-tree HEAD`"
                )
            if path.casefold() in folded:
                there.add(path)
    return there


def _identities(repository: Repository, writer: EventlogWriter, now: str) -> Iterator[Event]:
    """Yield an event for each author of whom `.mailmap` says something else than a commit event."""
    told: dict[str, set[Person]] = defaultdict(set)
    examples: dict[str, str] = {}
    for recorded, name, email, sha in writer.read(AUTHORS_SQL):
        told[recorded].add((name, email))
        examples[recorded] = sha
    for recorded, named in dict(_named_now(repository, list(examples.values()))).items():
        # An event of another tool may say something else than its commit: that is left as it is.
        if recorded in told and told[recorded] != {named}:
            name, email = named
            fields = {"recorded_author": recorded, "author_name": name, "author_email": email}
            yield Event(IDENTITY, now, recorded, MAILMAP, payload(fields))


def _named_now(repository: Repository, shas: Sequence[str]) -> Iterator[tuple[str, Person]]:
    """Yield each author as the commits have them, and as `.mailmap` at HEAD names them."""
    asked = "".join(f"{sha}\n" for sha in shas if SHA.fullmatch(sha)).encode()
    with repository.stream(*AUTHOR_OPTIONS, stdin=asked) as blocks:
        parts = b"".join(blocks).decode("utf-8", "replace").split("\0")
    for recorded, name, email in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
        yield recorded, person(name, email)
