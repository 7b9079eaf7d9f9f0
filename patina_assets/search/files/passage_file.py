"""The file beside the index over all passages: their places and texts, by key, by name and by thing."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

from patina_assets.pairs.code_text import told_name
from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Group, Passage, thing_of
from patina_assets.search.asking.filters import NO_FILTERS, Filters
from patina_assets.search.files.found import GROUPS, ROLES, DefinitionPart, Found, PassagePlace, found_at
from patina_assets.search.files.word_file import ANSWERS_KEPT, WordFile, limited, listed
from patina_assets.search.lexical import terms
from patina_resources.errors import PatinaError

FILTERS_KEPT = 64
# Each takes about 250 bytes.
PLACES_KEPT = 65_536
SELECT_PASSAGE = """
SELECT symbol, doc, body, end_line, time, author, paths, url, status FROM passage JOIN content USING (key)
WHERE passage.key = ?
"""
FOUND_QUERY = """
SELECT key, "group", thing, role, state, symbol <> '' FROM passage WHERE key IN ({keys}) {conditions}
"""
LIKE_QUERY = """
SELECT passage.key, "group", thing, role, state, symbol <> ''
FROM passage JOIN item USING (key)
WHERE thing = ? ORDER BY item.text = ? DESC, symbol = ? DESC, passage.key LIMIT 1
"""
NAMED_QUERY = """
SELECT key, "group", thing, role, state, symbol <> ''
FROM passage
WHERE lower(symbol) IN ({marks}) OR thing IN ({marks})
ORDER BY role <> 'source', key
LIMIT ?
"""
# Lines of their text: those of a type are its own, without its methods.
DEFINITIONS_QUERY = """
SELECT key, symbol, length(body) - length(replace(body, char(10), '')) + 1
FROM passage JOIN content USING (key) WHERE thing = ? AND symbol <> '' ORDER BY key LIMIT ?
"""
COUNTS_QUERY = """
SELECT "group", count(*) FROM passage JOIN item USING (key) JOIN content USING (key) WHERE TRUE {conditions}
GROUP BY "group"
"""
# Evenly spaced ones of a group: the newest first where they have a time, and source before tests.
SAMPLE_QUERY = """
SELECT key FROM (SELECT key, time, role, row_number() OVER (ORDER BY key) AS number
                 FROM passage JOIN content USING (key) WHERE "group" = ? AND state IS NULL)
WHERE number % ? = 0 OR time IS NOT NULL
ORDER BY time DESC, role <> 'source', key LIMIT ?
"""


class PassageFile(WordFile):
    """The open content of `encode_passages`."""

    def __init__(self, data: bytes, name: str) -> None:
        """Open the verified bytes of the file called `name`.

        Raises:
            PatinaError: It is not such a file.
        """
        super().__init__(data, name)
        try:
            self._connection.execute(SELECT_PASSAGE, (0,))
        except sqlite3.DatabaseError as error:
            raise PatinaError(f"{name}: is of an older build: run `patina oxidize`") from error
        # The file never changes.
        self._counts = lru_cache(FILTERS_KEPT)(self._count_groups)
        self._places: dict[int, PassagePlace] = {}
        self._stands_for = lru_cache(ANSWERS_KEPT)(lambda *of: self.rows(LIKE_QUERY, of))

    def passage(self, key: int) -> Passage:
        """Return the passage of an index key.

        Raises:
            KeyError: There is no such key.
        """
        item = self.item(key)
        symbol, doc, body, end_line, time, author, paths, url, status = self.rows(SELECT_PASSAGE, (key,))[0]
        return Passage(item.kind, item.text, symbol, doc, body, item.file, item.line, end_line, item.session,
                       item.commit, item.state, time, author, tuple(json.loads(paths)), url,
                       status)  # fmt: skip

    def found(self, scores: Mapping[int, float], filters: Filters = NO_FILTERS) -> dict[Group, list[Found]]:
        """Return passages by group, in the order of the scores, without those that the filters exclude.

        Args:
            scores: Score by key, best first.
            filters: What they are limited to.
        """
        groups: dict[Group, list[Found]] = {}
        for key, place in self.places(scores, filters).items():
            groups.setdefault(GROUPS[place[0]], []).append(found_at(place, key, scores[key]))
        return groups

    def places(self, keys: Collection[int], filters: Filters = NO_FILTERS) -> dict[int, PassagePlace]:
        """Return where passages stand, in the order of the keys, without those that the filters exclude."""
        conditions, values = limited("key", filters)
        read = {} if conditions else self._places
        unread = [key for key in keys if key not in read]
        if unread:
            if len(read) > PLACES_KEPT:
                read = self._places = {}
                unread = list(keys)
            rows = self.rows(FOUND_QUERY.format(keys=listed(unread), conditions=conditions), values)
            read |= {row[0]: row[1:] for row in rows}
        return {key: read[key] for key in keys if key in read}

    def named(self, names: Sequence[str], k: int) -> dict[Group, list[Found]]:
        """Return passages whose symbol or path is exactly one of the names, sources before tests.

        After them come those whose symbol ends with a name that has parts: `Puma.DSL.fork_worker` for `fork_worker`.
        """
        query = NAMED_QUERY.format(marks=", ".join("?" * len(names)))
        values = (*(name.lower() for name in names), *(f"path {name}" for name in names), k)
        groups: dict[Group, list[Found]] = {}
        for key, group, thing, role, state, symbol in self.rows(query, values):
            groups.setdefault(Group(group), []).append(Found(key, 1.0, thing, ROLES[role], state, bool(symbol)))
        for name in names:
            for group, found in self.called(name.lower(), k) if len(terms(name)) > 1 else ():
                groups.setdefault(group, []).append(found)
        return groups

    def like(self, item: Item, score: float) -> tuple[Group, Found] | None:
        """Return the passage that an item of a projection stands for, with its group; None where there is none."""
        of = (thing_of(item), item.text, told_name(item.text))
        for key, group, thing, role, state, symbol in self._stands_for(*of):
            return Group(group), Found(key, score, thing, ROLES[role], state, bool(symbol))
        return None

    def definitions(self, thing: str, k: int) -> list[DefinitionPart]:
        """Return the first k passages of a file's definitions, in their order."""
        return [DefinitionPart(*row) for row in self.rows(DEFINITIONS_QUERY, (thing, k))]

    def touched(self, keys: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """Return what the commits of some keys touched."""
        rows = self.rows(f"SELECT key, paths FROM content WHERE key IN ({listed(keys)})")  # noqa: S608 - numbers
        return {key: tuple(json.loads(paths)) for key, paths in rows}

    def group_counts(self, filters: Filters = NO_FILTERS) -> Mapping[Group, int]:
        """Return how many passages of each group filters allow, whatever groups they name; no entry for none."""
        return self._counts(replace(filters, groups=()))

    def _count_groups(self, filters: Filters) -> Mapping[Group, int]:
        conditions, values = filters.conditions()
        return {Group(group): count for group, count in self.rows(COUNTS_QUERY.format(conditions=conditions), values)}

    def sample(self, group: Group, count: int) -> list[Passage]:
        """Return some passages of a group: the newest, or evenly spaced ones where they have no time."""
        step = max(self.group_counts().get(group, 0) // count, 1)
        return [self.passage(key) for (key,) in self.rows(SAMPLE_QUERY, (str(group), step, count))]

    def times(self) -> dict[int, str]:
        """Return by key when each passage was written (ISO 8601, UTC), where that is known."""
        return dict(self.rows("SELECT key, time FROM content WHERE time IS NOT NULL"))

    def authors(self) -> dict[int, str]:
        """Return by key who wrote each passage, where that is known."""
        return dict(self.rows("SELECT key, author FROM content WHERE author IS NOT NULL"))

    @cached_property
    def count(self) -> int:
        """The number of passages."""
        return int(self.rows("SELECT count(*) FROM passage")[0][0])
