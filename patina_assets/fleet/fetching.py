"""Fetches many repositories, so many at once, and notes what was found."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from patina_assets.fleet.memory import FleetMemory
from patina_assets.pipeline.plain_text import one_line
from patina_resources.errors import PatinaError
from patina_resources.fleet.clones import fetch, remote_head
from patina_resources.fleet.model import Fleet, FleetProject


@dataclass(frozen=True)
class Looked:
    """What was found of one repository.

    Attributes:
        name: The repository.
        moved: Whether its head is another one than was known.
        failure: Why it could not be reached; empty where it could.
    """

    name: str
    moved: bool
    failure: str = ""


def fetch_all(fleet: Fleet, memory: FleetMemory, projects: Sequence[FleetProject]) -> Iterator[Looked]:
    """Fetch repositories into their clones, and yield each when it is done, in their order."""
    yield from _each(fleet, memory, projects, lambda project: fetch(project, fleet.fetch_seconds).head)


def look_at_heads(fleet: Fleet, memory: FleetMemory, projects: Sequence[FleetProject]) -> Iterator[Looked]:
    """Ask for the heads of repositories, without fetching anything, and yield each when it is done, in their order."""
    yield from _each(fleet, memory, projects, lambda project: remote_head(project, fleet.fetch_seconds))


def _each(
    fleet: Fleet, memory: FleetMemory, projects: Sequence[FleetProject], find: Callable[[FleetProject], str]
) -> Iterator[Looked]:
    known = memory.standings()

    def look(project: FleetProject) -> Looked:
        before = known.get(project.name)
        try:
            head = find(project)
        except PatinaError as error:
            failure = one_line(str(error))
            memory.note_not_fetched(project.name, failure)
            return Looked(project.name, moved=False, failure=failure)
        moved = before is None or before.head != head
        if moved or (before is not None and before.fetch_failure):
            memory.note_fetched(project.name, head)
        return Looked(project.name, moved)

    executor = ThreadPoolExecutor(fleet.fetches)
    try:
        yield from executor.map(look, projects)
    finally:
        executor.shutdown(cancel_futures=True)
