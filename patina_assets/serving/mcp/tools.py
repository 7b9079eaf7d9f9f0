"""What the tools of the MCP server answer: JSON texts of a few kilobytes. No SDK here.

A project is looked for at each call, so that a server that was started in a wrong place says what to do, and one that
was started before `patina init` goes on without a restart.
"""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from patina_assets.search.asking.chosen import chosen_filters, nothing_text
from patina_assets.serving.answers.bounds import between
from patina_assets.serving.answers.project_answers import ProjectAnswers
from patina_assets.serving.mcp.short import (
    MOST_BYTES,
    ROOMS,
    Room,
    ShortAnswer,
    age_of,
    bytes_for,
    cut,
    entry_of,
    facts_of,
    fitted,
    hit_of,
    without_nothing,
)
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project

RESULTS, MOST_RESULTS = 8, 30
LIKE, RECENT = 5, 10
PASSAGE_CHARACTERS, MOST_PASSAGE_CHARACTERS = 3_000, 40_000
# What stands around a passage of the usual length.
PASSAGE_OVERHEAD = 1_000
NOTHING_MATCHES = "nothing matches the words of the question well: these are the nearest in meaning"


class CurrentAnswers:
    """Gives the answers about a project that is looked for anew each time. Several threads may ask."""

    def __init__(self, find: Callable[[], Project]) -> None:
        """Look for nothing yet."""
        self._find, self._lock = find, Lock()
        self._answers: ProjectAnswers | None = None

    def get(self) -> ProjectAnswers:
        """Return the answers; the same ones while the project and its settings stay as they are.

        Raises:
            PatinaError: There is no project, or its settings are wrong.
        """
        project = self._find()
        with self._lock:
            if self._answers is None or self._answers.project != project:
                self._answers = ProjectAnswers(project)
            return self._answers


class Tools:
    """The tools. Each returns JSON, and raises PatinaError, one sentence, where it cannot answer."""

    def __init__(self, answers: Callable[[], ProjectAnswers]) -> None:
        """Take what finds the answers of the project."""
        self._answers = answers

    def search(
        self,
        query: str,
        k: int = RESULTS,
        offset: int = 0,
        kinds: Sequence[str] = (),
        path: str | None = None,
        language: str | None = None,
        since: str | None = None,
        author: str | None = None,
    ) -> str:
        """Return what fits a question best, best first."""
        filters = chosen_filters(kinds, path, language, since, author, prefix="")
        k = between("k", k, 1, MOST_RESULTS)
        found = self._answers().search(query, limit=k, offset=offset, filters=filters)
        doubt = NOTHING_MATCHES if found["hits"] else nothing_text(filters, prefix="")

        def made(room: Room) -> ShortAnswer:
            hits = found["hits"][: room.results]
            left_out = len(hits) < len(found["hits"])
            return (
                {"hits": [hit_of(hit, room) for hit in hits]}
                | without_nothing(
                    {
                        "next_offset": offset + len(hits) if left_out else found["next_offset"],
                        "notes": [*([doubt] if found["doubtful"] else []), *found["notes"]],
                    }
                )
                | age_of(found)
            )

        return fitted(made, bytes_for(k))

    def like(self, name: str, k: int = LIKE) -> str:
        """Return what is like a thing in each projection that holds it, and what is certain of it."""
        k = between("k", k, 1, MOST_RESULTS)
        found = self._answers().like(name, limit=k)

        def made(room: Room) -> ShortAnswer:
            lists = [
                {
                    "projection": told["projection"],
                    "meaning": told["meaning"],
                    "hits": [hit_of(hit, room) for hit in told["hits"][: room.results]],
                }
                for told in found["lists"]
            ]
            thing = {key: found[key] for key in ("kind", "name", "file", "line")}
            told = {**thing, "facts": facts_of(found["facts"], room), "lists": lists, "notes": found["notes"]}
            return without_nothing(told) | age_of(found)

        return fitted(made, bytes_for(k))

    def read_passage(self, name: str, offset: int = 0, characters: int = PASSAGE_CHARACTERS) -> str:
        """Return the text of a thing as the index holds it."""
        characters = between("characters", characters, 1, MOST_PASSAGE_CHARACTERS)
        found = self._answers().passage(name, offset=offset, characters=characters)

        def made(room: Room) -> ShortAnswer:
            shown = found["passages"][: room.results]
            left_out = len(shown) < len(found["passages"])
            return without_nothing(
                {
                    "kind": found["kind"],
                    "passages": [_passage(passage, room) for passage in shown],
                    "next_offset": offset + len(shown) if left_out else found["next_offset"],
                    "notes": found["notes"],
                }
            ) | age_of(found)

        # Whole passages are left out before a text is cut.
        whole = [Room(characters, RECENT, results) for results in range(len(found["passages"]), 0, -1)]
        return fitted(made, max(MOST_BYTES, characters + PASSAGE_OVERHEAD), [*whole, *ROOMS])

    def why(self, place: str, k: int = RECENT) -> str:
        """Return the commits, notes and issues that made a place what it is."""
        k = between("k", k, 1, MOST_RESULTS)
        found = self._answers().why(place, limit=k)
        keys = ("file", "former", "removed", "symbol", "first_line", "last_line", "notes")
        return _entries(found, {key: found[key] for key in keys}, k)

    def recent(self, k: int = RECENT, days: int | None = None, path: str | None = None) -> str:
        """Return what happened last."""
        k = between("k", k, 1, MOST_RESULTS)
        return _entries(self._answers().recent(days=days, path=path, limit=k), {}, k)

    def status(self) -> str:
        """Return what can be searched, and how old it is."""
        answers = self._answers()
        found = answers.status()

        def made(room: Room) -> ShortAnswer:
            projections = [told["name"] for told in found["projections"] if not told["left_out"]]
            kept = {key: found[key] for key in ("project", "building", "model", "passages")}
            told: ShortAnswer = {
                "root": str(answers.project.root),
                "projections": projections[: room.results],
                "error": cut(found["error"] or "", room.characters),
            }
            return {**kept, **without_nothing(told), **age_of(found)}

        return fitted(made, MOST_BYTES)

    def open_index(self) -> None:
        """Open the index before somebody asks; what is wrong with it is said when somebody does."""
        try:
            self._answers().search("the first question", limit=1)
        except PatinaError:
            return


def _entries(found: Mapping[str, Any], head: ShortAnswer, k: int) -> str:
    def made(room: Room) -> ShortAnswer:
        entries = found["entries"][: room.results]
        more = found["more"] + len(found["entries"]) - len(entries)
        told = {**head, "entries": [entry_of(entry, room) for entry in entries], "more": more}
        return without_nothing(told) | age_of(found)

    return fitted(made, bytes_for(k))


def _passage(passage: Mapping[str, Any], room: Room) -> ShortAnswer:
    keys = ("name", "kind", "symbol", "end_line", "state", "author", "time", "url", "cut")
    kept = {key: passage[key] for key in keys}
    is_cut = passage["cut"] or len(passage["text"]) > room.characters
    return without_nothing({**kept, "cut": is_cut, "text": cut(passage["text"], room.characters)})
