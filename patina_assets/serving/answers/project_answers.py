"""The answers about one project: what is found, what is like a thing, its text, what happened, and how old it is.

Each answer is a new dictionary for JSON. It is bounded: by a number of results, and of characters of each. It says when
the index was built, and what of it is older than what it is made from.
"""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from patina_assets.facts.answers import recent_of, why_of
from patina_assets.facts.known_things import KnownThings
from patina_assets.facts.likeness import like_of, thing_of_name
from patina_assets.pairs.types import PAIR_TYPES, pair_types_by_source
from patina_assets.passages.passage import Group, Passage
from patina_assets.recipe.reader import read_recipe
from patina_assets.search.asking.current import CurrentSearcher
from patina_assets.search.asking.filters import NO_FILTERS, Filters, checked_pattern
from patina_assets.search.built import BASE
from patina_assets.search.freshness import age_notes
from patina_assets.serving.answers.bounds import MOST_RESULTS, AnswerDocument, between, cut, question
from patina_assets.serving.answers.documents import hit_of, like_of_document, passage_document
from patina_assets.serving.answers.encoded import EncodedAnswer
from patina_assets.serving.answers.map_answers import Maps
from patina_assets.serving.answers.overview import example_questions, left_out, single_filters
from patina_assets.terminal.facts import entries_document, like_document, thing_document, why_document
from patina_assets.terminal.hits import JSON_VERSION, missing_notes
from patina_assets.upkeep.suggestions import unused
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.git.commit_diff import commit_diff
from patina_resources.materialize.git.repository import find_repository
from patina_resources.project.project import Project
from patina_resources.store.files import file_sha256
from patina_resources.store.mutex import is_held

CHARACTERS = 400
PASSAGE_CHARACTERS = 8_000
MOST_CHARACTERS = 40_000
MOST_OFFSET = 200
MOST_DAYS = 36_500
# Of each group so many passages are looked at for a question; so many entries are new.
LOOKED_AT, NEWEST = 60, 5


class ProjectAnswers:
    """Answers about a project. Several threads may ask; an index that was built anew is opened when it is next asked.

    Every method raises PatinaError, one sentence, where something cannot be answered.
    """

    def __init__(self, project: Project) -> None:
        """Open nothing yet."""
        self._project = project
        self._searchers = CurrentSearcher(project)
        self._maps = Maps()
        self._suggesting = Lock()
        self._suggested: tuple[str, list[AnswerDocument]] | None = None

    @property
    def project(self) -> Project:
        """The project."""
        return self._project

    def search(
        self,
        query: str,
        *,
        projection: str | None = None,
        limit: int = 8,
        offset: int = 0,
        filters: Filters = NO_FILTERS,
        characters: int = CHARACTERS,
    ) -> AnswerDocument:
        """Return what fits a question best, best first.

        Args:
            query: Words or a question.
            projection: One projection, `base` or `lexical`; None for all.
            limit: Number of results, 1 to 50.
            offset: How many of the best are left out, 0 to 200.
            filters: What results are limited to.
            characters: How much of each text is given.
        """
        limit, offset = between("limit", limit, 1, MOST_RESULTS), between("offset", offset, 0, MOST_OFFSET)
        characters = between("characters", characters, 0, MOST_CHARACTERS)
        searcher = self._searchers.get()
        answer = searcher.answer(question(query), projection, offset + limit + 1, filters)
        shown = answer.hits[offset : offset + limit]
        more = len(answer.hits) > offset + limit and offset + limit <= MOST_OFFSET
        return {
            "version": JSON_VERSION,
            "query": query,
            "hits": [hit_of(rank, hit, query, characters) for rank, hit in enumerate(shown, offset + 1)],
            "next_offset": offset + limit if more else None,
            "doubtful": answer.doubtful,
            "left_out": self._left_out(filters),
            "notes": [*filter(None, (answer.caution,)), *missing_notes(answer.missing)],
            **self._age(),
        }

    def like(
        self, name: str, *, projection: str | None = None, limit: int = 5, characters: int = CHARACTERS
    ) -> AnswerDocument:
        """Return what is like a thing, and what is certain of it.

        Args:
            name: A path, PATH:LINE, a symbol, `commit SHA` or `session ID`.
            projection: One projection, or `base`; None for all that hold the thing.
            limit: Number of results of each list, 1 to 50.
            characters: How much of each text is given.
        """
        limit = between("limit", limit, 1, MOST_RESULTS)
        characters = between("characters", characters, 0, MOST_CHARACTERS)
        found = like_of(self._project, self._searchers.get().indexes, name, projection, limit)
        document = like_of_document(like_document(found), found, characters)
        remarks = [found.thing.remark] if found.thing.remark else []
        return {**document, "notes": [*remarks, *missing_notes(found.missing)], **self._age()}

    def passage(self, name: str, *, offset: int = 0, characters: int = PASSAGE_CHARACTERS) -> AnswerDocument:
        """Return the text of a thing as the index holds it: nothing else is read.

        Args:
            name: A path, PATH:LINE, a symbol, `commit SHA` or `session ID`.
            offset: How many of its passages are left out.
            characters: How much text is given; the first passage is cut there, the others are given whole or not.
        """
        characters = between("characters", characters, 1, MOST_CHARACTERS)
        indexes = self._searchers.get().indexes
        thing = thing_of_name(self._project, KnownThings(indexes.passages()), name)
        offset = between("offset", offset, 0, max(len(thing.keys) - 1, 0))
        shown: list[Passage] = []
        size = 0
        for key in thing.keys[offset:]:
            passage = indexes.passages().passage(key)
            if shown and size + len(passage.body or passage.text) > characters:
                break
            shown.append(passage)
            size += len(passage.body or passage.text)
        end = offset + len(shown)
        return {
            **thing_document(thing),
            "passages": [passage_document(passage, characters) for passage in shown],
            "next_offset": end if end < len(thing.keys) else None,
            "notes": [thing.remark] if thing.remark else [],
            **self._age(),
        }

    def commit(self, name: str) -> AnswerDocument:
        """Return a commit that the index knows, with its diff against its first parent, as git tells it.

        Args:
            name: `commit SHA`, a SHA or the beginning of one.
        """
        found = self.passage(f"commit {name.removeprefix('commit ').strip()}", characters=MOST_CHARACTERS)
        diff = commit_diff(find_repository(self._project.root), found["name"])
        return {**found, "diff": diff.text, "diff_cut": diff.cut}

    def map(self, projection: str = BASE) -> EncodedAnswer:
        """Return where the items of an index lie in the plane in which they vary most, as JSON: some megabytes.

        Args:
            projection: A projection, or `base`.
        """
        drawn = self._maps.map(self._searchers.get().indexes, projection)
        return drawn.after({"version": JSON_VERSION, **self._age()})

    def recent(
        self, *, days: int | None = None, path: str | None = None, limit: int = 20, characters: int = CHARACTERS
    ) -> AnswerDocument:
        """Return the newest commits, notes and issues; nothing has to be built.

        Args:
            days: Only in so many days before now.
            path: A glob: only what touched or names such a file.
            limit: Number of entries, 1 to 50.
            characters: How much of each text is given.
        """
        days = between("days", days, 1, MOST_DAYS) if days is not None else None
        found = recent_of(self._project, days, checked_pattern(path, "path"), between("limit", limit, 1, MOST_RESULTS))
        return {**self._entries(entries_document(found), characters), **self._eventlog_age()}

    def why(self, place: str, *, limit: int = 20, characters: int = CHARACTERS) -> AnswerDocument:
        """Return the commits, notes and issues that made a file, or the definition around a line, what it is.

        Args:
            place: A path, PATH:LINE, or the name of a function or type.
            limit: Number of entries, 1 to 50.
            characters: How much of each text is given.
        """
        found = why_of(self._project, place, between("limit", limit, 1, MOST_RESULTS))
        notes = [f"{found.why_not}: this is about the whole file"] if found.why_not else []
        return {**self._entries(why_document(found), characters), "notes": notes, **self._eventlog_age()}

    def status(self) -> AnswerDocument:
        """Return what can be searched, how old it is, and whether something is being built now."""
        document: AnswerDocument = {
            "version": JSON_VERSION,
            "project": self._project.root.name,
            "building": is_held(self._project.mutex),
            "error": None,
            "model": None,
            "passages": 0,
            "projections": [],
        }
        try:
            indexes = self._searchers.get().indexes
            document |= {
                "model": indexes.spec.name,
                "projections": [{"name": name, "left_out": indexes.no_part(name)} for name in indexes.projections],
                "passages": indexes.passages().count,
            }
        except PatinaError as error:
            return {**document, "error": str(error), **self._eventlog_age()}
        return {**document, **self._age()}

    def overview(self) -> AnswerDocument:
        """Return what somebody sees who has asked nothing: passages by group, questions to begin with, what is new."""
        groups: list[AnswerDocument] = []
        examples: list[AnswerDocument] = []
        with suppress(PatinaError):  # nothing is built: `status` says so
            passages = self._searchers.get().indexes.passages()
            counts = passages.group_counts()
            groups = [{"group": str(group), "count": counts[group]} for group in Group if group in counts]
            examples = example_questions({group: passages.sample(group, LOOKED_AT) for group in Group})
        new = self.recent(limit=NEWEST)
        return {**new, "groups": groups, "examples": examples}

    def suggestions(self) -> AnswerDocument:
        """Return which projections the eventlog has signal for, and the recipe has not: `init --update` adds them."""
        eventlog = self._project.eventlog()
        probe = f"{Eventlog(eventlog).probe()} {file_sha256(self._project.recipe)}"
        with self._suggesting:
            if self._suggested is None or self._suggested[0] != probe:
                recipe = read_recipe(self._project.recipe, pair_types_by_source())
                found = [
                    {"projection": entry.name, "purpose": PAIR_TYPES[entry.pair_type].purpose}
                    for entry in unused(self._project, recipe)
                ]
                self._suggested = probe, found
            return {"version": JSON_VERSION, "suggestions": self._suggested[1], "command": "patina init --update"}

    def _left_out(self, filters: Filters) -> list[AnswerDocument]:
        single = single_filters(filters)
        if not single:
            return []
        passages = self._searchers.get().indexes.passages()
        counts = {one: passages.group_counts(one) for one in (NO_FILTERS, filters, *single.values())}
        return left_out(counts, filters, single)

    def _entries(self, document: AnswerDocument, characters: int) -> AnswerDocument:
        characters = between("characters", characters, 0, MOST_CHARACTERS)
        return {**document, "entries": [{**entry, **cut(entry["text"], characters)} for entry in document["entries"]]}

    def _age(self) -> AnswerDocument:
        return self._told_age(self._searchers.get().indexes.spec.name)

    def _eventlog_age(self) -> AnswerDocument:
        return self._told_age(None)

    def _told_age(self, model: str | None) -> AnswerDocument:
        stale = [
            {"older": note.older, "text": note.text, "command": note.command}
            for note in age_notes(self._project, model)
        ]
        return {"built": _time_of(self._project.lock), "stale": stale}


def _time_of(path: Path) -> str | None:
    """Return when a file was written (ISO 8601, UTC); None where there is none."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        return None
