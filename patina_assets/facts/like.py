"""What is like a thing: the nearest in each index that holds it, and what the eventlog says for certain beside that."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from patina_assets.facts import calls
from patina_assets.facts.calls import Calls, Definition, calls_of
from patina_assets.facts.mentions import numbers_of
from patina_assets.facts.near import NearList
from patina_assets.facts.record import RepositoryRecord, ToldCommit, read_repository_record
from patina_assets.facts.things import Thing
from patina_assets.facts.together import Author, ChangedTogether, authors, changed_together, touching, writers
from patina_assets.pairs.files import FILE_HISTORY
from patina_assets.pairs.types.same_author import AUTHORS
from patina_assets.passages.forge import KINDS, thread_number
from patina_assets.passages.history import COMMITS, READ_ORDER
from patina_assets.passages.passage import Passage
from patina_assets.search.fusion import Hit
from patina_resources.eventlog.reader import Row, Source

COMMIT_SOURCES: Sequence[Source] = (COMMITS, FILE_HISTORY, READ_ORDER, AUTHORS)
CALL_SOURCES = calls.SOURCES
# What calls and is called.
CODE_KINDS = frozenset({"function", "type"})
NO_CALLS = Calls((), ())


@dataclass(frozen=True)
class Facts:
    """What an eventlog says of a thing for certain.

    Attributes:
        commits: How many commits touched it: of a file, or the file of a definition. Of an issue: how many name it.
        authors: Who wrote these, or the one commit that it is, most commits first.
        changed_together: Files that changed in the same commits, most often first.
        calls: What a function or type calls and is called by, where names say that for certain.
        files: What a commit touched, or the commits that name an issue, sorted.
        writers: Who wrote each commit, by sha.
        touched_by: The commits that touched it.
    """

    commits: int = 0
    authors: tuple[Author, ...] = ()
    changed_together: tuple[ChangedTogether, ...] = ()
    calls: Calls = NO_CALLS
    files: tuple[str, ...] = ()
    writers: Mapping[str, str] = field(default_factory=dict, repr=False)
    touched_by: frozenset[str] = field(default_factory=frozenset, repr=False)


@dataclass(frozen=True)
class HitFacts:
    """What an eventlog says for certain of a thing and a result.

    Attributes:
        changed_together: How often the two files changed together, and when last; None for never.
        calls: Whether the thing calls the result.
        called: Whether the result calls the thing.
        touched: Whether the one is a commit that touched the file that the other is, or stands in.
        same_author: Whether both are commits of one person.
    """

    changed_together: ChangedTogether | None = None
    calls: bool = False
    called: bool = False
    touched: bool = False
    same_author: bool = False


@dataclass(frozen=True)
class Like:
    """What is like a thing.

    Attributes:
        thing: The thing.
        passage: Its first passage.
        facts: What the eventlog says for certain of it; None where it cannot be read.
        lists: The nearest things in each index that holds it.
        missing: What could not be asked, and why.
    """

    thing: Thing
    passage: Passage
    facts: Facts | None
    lists: tuple[NearList, ...]
    missing: Mapping[str, str] = field(default_factory=dict)

    def facts_of(self, hit: Hit) -> HitFacts:
        """Return what the eventlog says for certain of the thing and a result."""
        facts, item = self.facts, hit.item
        if facts is None:
            return HitFacts()
        if item.commit is not None:
            ours = facts.writers.get(self.thing.name)
            same = ours is not None and item.kind == "commit" and facts.writers.get(item.commit) == ours
            return HitFacts(touched=item.commit in facts.touched_by, same_author=same)
        if self.thing.kind == "commit":
            return HitFacts(touched=item.kind == "file" and item.file in facts.files)
        if self.thing.kind == "file":
            together = {entry.file: entry for entry in facts.changed_together}
            return HitFacts(together.get(item.file or "") if item.kind == "file" else None)
        symbol = hit.passage.symbol if hit.passage is not None else ""
        definition = Definition(item.file or "", symbol)
        return HitFacts(calls=definition in facts.calls.callees, called=definition in facts.calls.callers)


def facts_of_thing(rows: Mapping[str, Sequence[Row]], thing: Thing, line_of: Callable[[str, str], int | None]) -> Facts:
    """Return what is certain of a thing.

    Args:
        rows: The rows of `COMMIT_SOURCES`, and of `CALL_SOURCES` where it is of CODE_KINDS.
        thing: The thing.
        line_of: Returns the first line of the definition of a path and name.
    """
    record = read_repository_record(rows)
    writer = writers(record, rows[AUTHORS.name])
    if thing.kind == "commit":
        return _of_commit(record, thing.name, writer)
    if thing.kind in KINDS:
        return _of_thread(record, thing.name, writer)
    if thing.path is None:
        return Facts()
    touched = touching(record, thing.path)
    found = calls_of(rows, Definition(thing.path, thing.name)) if thing.kind in CODE_KINDS else NO_CALLS
    return Facts(
        commits=len(touched),
        authors=tuple(authors(touched, writer)),
        changed_together=tuple(changed_together(record, thing.path)),
        calls=Calls(*(_placed(definitions, line_of) for definitions in (found.callees, found.callers))),
        writers=writer,
        touched_by=frozenset(told.sha for told in touched),
    )


def _placed(found: Iterable[Definition], line_of: Callable[[str, str], int | None]) -> tuple[Definition, ...]:
    return tuple(replace(definition, line=line_of(definition.file, definition.name)) for definition in found)


def _of_commit(record: RepositoryRecord, sha: str, writer: Mapping[str, str]) -> Facts:
    own = next((told for told in record.commits if told.sha == sha), None)
    if own is None:
        return Facts(writers=writer)
    theirs: list[ToldCommit] = [told for told in record.commits if writer.get(told.sha, "") == writer.get(sha, sha)]
    return Facts(authors=tuple(authors(theirs, writer)), files=tuple(own.commit.paths), writers=writer)


def _of_thread(record: RepositoryRecord, name: str, writer: Mapping[str, str]) -> Facts:
    """Return what the commits that name an issue say of it."""
    found = [told for told in record.commits if thread_number(name) in numbers_of(told)]
    files = sorted({path for told in found for path in told.commit.paths})
    return Facts(len(found), tuple(authors(found, writer)), files=tuple(files), writers=writer)
