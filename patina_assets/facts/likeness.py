"""Answers about a project from its index and its eventlog: what is like a thing."""

from collections.abc import Mapping, Sequence

from patina_assets.facts.known_things import KnownThings
from patina_assets.facts.like import CALL_SOURCES, CODE_KINDS, COMMIT_SOURCES, Like, facts_of_thing
from patina_assets.facts.near import near_lists
from patina_assets.facts.record import read_repository_record
from patina_assets.facts.things import Thing, find_thing
from patina_assets.facts.typed import Typed, typed, unread_file
from patina_assets.search.built import BASE, LEXICAL
from patina_assets.search.indexes import Indexes
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog, Row, Source
from patina_resources.materialize.git.repository import find_repository, is_in_repository, top_of
from patina_resources.project.project import Project

FACTS = "facts"


def like_of(
    project: Project, indexes: Indexes, name: str, projection: str | None = None, k: int = 5, folder: str = ""
) -> Like:
    """Return what is like a thing.

    Args:
        project: The project.
        indexes: What is built in it.
        name: A path, PATH:LINE, a symbol, a commit or a session.
        projection: One projection, or `base`; None for all that hold the thing.
        k: Number of results of each list.
        folder: The folder that a path is told from, from the top of the repository.

    Raises:
        PatinaError: Nothing is called so, or several things are; nothing is built; the projection does not hold it.
    """
    if projection is not None and indexes.known(projection) == LEXICAL:
        raise PatinaError(f"{LEXICAL}: words have no vectors: expected a projection or {BASE}")
    missing: dict[str, str] = {}
    rows = _rows(project, COMMIT_SOURCES, missing)
    known = KnownThings(indexes.passages())
    thing = _named(project, known, typed(name, folder), rows)
    names = [projection] if projection is not None else [*indexes.projections, BASE]
    lists = near_lists(indexes, thing, names, k, missing)
    if projection is not None and projection in missing:
        raise PatinaError(f"{projection}: {missing[projection]}")
    if projection is not None and not lists:
        raise PatinaError(
            f"{projection} does not hold the {thing.kind} {thing.name}: leave --projection out to ask all that do"
        )
    if rows is not None and thing.kind in CODE_KINDS:
        called = _rows(project, CALL_SOURCES, missing)
        rows = rows | called if called is not None else None
    facts = facts_of_thing(rows, thing, known.line_of) if rows is not None else None
    return Like(thing, indexes.passages().passage(thing.keys[0]), facts, tuple(lists), missing)


def thing_of_name(project: Project, known: KnownThings, name: str) -> Thing:
    """Return what a name means, as `like_of` takes it.

    Args:
        project: The project.
        known: What its index knows.
        name: A path, PATH:LINE, a symbol, a commit or a session.

    Raises:
        PatinaError: Nothing is called so, or several things are.
    """
    return _named(project, known, typed(name), None)


def _named(project: Project, known: KnownThings, wanted: Typed, rows: Mapping[str, Sequence[Row]] | None) -> Thing:
    """Return what was typed; with the rows of `COMMIT_SOURCES` also by a name that a file had before."""
    renamed = read_repository_record(rows).name_now if rows is not None else lambda _: None
    try:
        return find_thing(known, wanted, renamed, lambda text: _revision(project, text))
    except PatinaError:
        if (path := unread_file(wanted, top_of(project.root))) is not None:
            raise PatinaError(f"{path} is not in the index: run `patina materialize --oxidize`") from None
        raise


def _revision(project: Project, text: str) -> str | None:
    """Return the commit that a branch, a tag or `HEAD` means; None where git does not know."""
    if not is_in_repository(project.root):
        return None
    try:
        return find_repository(project.root).commit_named(text)
    except PatinaError:
        return None


def _rows(project: Project, sources: Sequence[Source], missing: dict[str, str]) -> dict[str, Sequence[Row]] | None:
    """Return the rows that facts are made of; None, and why, where the eventlog cannot be read."""
    try:
        return Eventlog(project.eventlog()).rows(sources)
    except PatinaError as error:
        missing[FACTS] = str(error)
        return None
