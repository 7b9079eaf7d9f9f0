"""The file beside the index over all passages: a search file with their places and words in four columns (FTS5)."""

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import NamedTuple

from patina_assets.pairs.code_text import told_name
from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Group, Passage, thing_of
from patina_assets.passages.roles import Role
from patina_assets.search.asking.filters import NO_FILTERS, Filters
from patina_assets.search.lexical import index_text, terms
from patina_assets.search.search_file import SearchFile, write_items
from patina_resources.errors import PatinaError

# What every query reads stands apart from the texts, so that a page holds many rows of it.
PASSAGE_SCHEMA = """
CREATE TABLE passage (key INTEGER PRIMARY KEY, "group" TEXT NOT NULL, thing TEXT NOT NULL, role TEXT NOT NULL,
                      symbol TEXT NOT NULL, state TEXT);
CREATE INDEX passage_symbol ON passage (lower(symbol));
CREATE INDEX passage_thing ON passage (thing);
CREATE TABLE content (key INTEGER PRIMARY KEY, doc TEXT NOT NULL, body TEXT NOT NULL, end_line INTEGER, time TEXT,
                      author TEXT, paths TEXT NOT NULL, url TEXT, status TEXT);
"""


class _Roles(dict[str, Role]):
    """Roles by their text. One that a newer version has written counts as source: this one may be asked meanwhile."""

    def __missing__(self, _: str) -> Role:
        return Role.SOURCE


ROLES = _Roles({str(role): role for role in Role})
GROUPS = {str(group): group for group in Group}
# As many words and items as a day of questions asks for again.
ANSWERS_KEPT = 16_384
FILTERS_KEPT = 64
# Below those whose symbol is the name as a whole.
ENDS_SCORE = 0.9
_AFTER_JOINTS = re.compile(r"^.*[.:#]", re.DOTALL)
# Each takes about 250 bytes.
PLACES_KEPT = 65_536
# The index alone, without a second copy of the texts. Words are reduced to stems. A row number is a passage's key and
# the number of its group above GROUP_ROWS, so that one group's rows are searched without a look at the others.
GROUP_ROWS = 1 << 40
FIRST_ROWS = {group: number * GROUP_ROWS for number, group in enumerate(Group)}
WORDS_SCHEMA = """
CREATE VIRTUAL TABLE words USING fts5(place, name, doc, body, content = '',
                                      tokenize = 'porter unicode61 remove_diacritics 2')
"""
SELECT_PASSAGE = """
SELECT symbol, doc, body, end_line, time, author, paths, url, status FROM passage JOIN content USING (key)
WHERE passage.key = ?
"""
WORDS_QUERY = """
SELECT passage.key, score, thing, role, passage.state, symbol <> ''
FROM (SELECT rowid AS row, -bm25(words, {weights}) AS score FROM words
      WHERE words MATCH ? AND rowid >= ? AND rowid < ? {conditions}
      ORDER BY score DESC, rowid
      LIMIT ?)
     JOIN passage ON passage.key = row % {group_rows}
ORDER BY score DESC, passage.key
"""
FILTERED = """
SELECT key FROM passage JOIN item USING (key) JOIN content USING (key)
WHERE TRUE {conditions}
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
# Who is called by a name has it as one word among the words of its name.
CALLED_QUERY = """
SELECT passage.key, "group", thing, role, passage.state, symbol
FROM words JOIN passage ON passage.key = words.rowid % {group_rows}
WHERE words MATCH ?
ORDER BY role <> 'source', passage.key
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


class Found(NamedTuple):
    """A passage that a list found: its key, score (more is better), thing, role of its file, and state.

    What is left of a source file beside its definitions has no symbol.
    """

    key: int
    score: float
    thing: str
    role: Role
    state: str | None
    has_symbol: bool


class PassagePlace(NamedTuple):
    """What every list tells of a passage: its group, and the last four parts of `Found`."""

    group: Group
    thing: str
    role: Role
    state: str | None
    has_symbol: bool

    def found(self, key: int, score: float) -> Found:
        """Return the passage as a list gives it."""
        return Found(key, score, self.thing, self.role, self.state, self.has_symbol)


class DefinitionPart(NamedTuple):
    """A passage of a definition: its key, the definition's name, and how many lines the passage has."""

    key: int
    symbol: str
    lines: int


def encode_passages(passages: Sequence[Passage], facts: Mapping[str, str]) -> bytes:
    """Return a search file with the passages; their row is their key in the index.

    Args:
        passages: The passages.
        facts: Model name, model digest and so on.
    """
    connection = sqlite3.connect(":memory:")
    try:
        write_items(connection, [passage.item for passage in passages], facts, None)
        connection.executescript(PASSAGE_SCHEMA)
        connection.execute("CREATE TABLE IF NOT EXISTS detail (key INTEGER PRIMARY KEY, line INTEGER, state TEXT)")
        places = (_place(key, passage) for key, passage in enumerate(passages))
        connection.executemany("INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?)", places)
        contents = (_content(key, passage) for key, passage in enumerate(passages))
        connection.executemany("INSERT INTO content VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", contents)
        if has_fts5(connection):
            connection.execute(WORDS_SCHEMA)
            connection.executemany(
                "INSERT INTO words (rowid, place, name, doc, body) VALUES (?, ?, ?, ?, ?)",
                ((FIRST_ROWS[passage.group] + key, *_words(passage)) for key, passage in enumerate(passages)),
            )
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.commit()
        return connection.serialize()
    finally:
        connection.close()


def has_fts5(connection: sqlite3.Connection) -> bool:
    """Return whether this SQLite was compiled with FTS5."""
    return connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def _place(key: int, passage: Passage) -> tuple[object, ...]:
    return (key, passage.group, passage.thing, passage.role, passage.symbol, passage.state)


def _content(key: int, passage: Passage) -> tuple[object, ...]:
    return (key, passage.doc, passage.body, passage.end_line, passage.time, passage.author, json.dumps(passage.paths),
            passage.url, passage.status)  # fmt: skip


def _words(passage: Passage) -> tuple[str, str, str, str]:
    place = index_text((passage.path, passage.session, passage.commit, *passage.paths))
    return place, index_text((passage.name,)), index_text((passage.doc,)), index_text((passage.body,))


class PassageFile(SearchFile):
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
        self._frequency = lru_cache(ANSWERS_KEPT)(self._count_holders)
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

    def words(
        self, expression: str, group: Group, weights: Sequence[float], k: int, filters: Filters = NO_FILTERS
    ) -> list[Found] | None:
        """Return the k passages of a group that match best by BM25, best first; None where there is no FTS5.

        Args:
            expression: An FTS5 expression, as `match_expression` makes it.
            group: The group.
            weights: How much a word counts in the columns place, name, doc and body.
            k: Number of results.
            filters: What they are limited to.
        """
        conditions, values = _limited("rowid % {group_rows}", filters)
        query = WORDS_QUERY.format(
            weights=", ".join(str(weight) for weight in weights), conditions=conditions, group_rows=GROUP_ROWS
        )
        first = FIRST_ROWS[group]
        try:
            rows = self.rows(query, (expression, first, first + GROUP_ROWS, *values, k))
        except sqlite3.OperationalError as error:
            if str(error).startswith("no such"):  # table: words, or module: fts5
                return None
            raise
        return [
            Found(key, score, thing, ROLES[role], state, bool(symbol))
            for key, score, thing, role, state, symbol in rows
        ]

    def found(self, scores: Mapping[int, float], filters: Filters = NO_FILTERS) -> dict[Group, list[Found]]:
        """Return passages by group, in the order of the scores, without those that the filters exclude.

        Args:
            scores: Score by key, best first.
            filters: What they are limited to.
        """
        groups: dict[Group, list[Found]] = {}
        for key, place in self.places(scores, filters).items():
            groups.setdefault(place.group, []).append(place.found(key, scores[key]))
        return groups

    def places(self, keys: Collection[int], filters: Filters = NO_FILTERS) -> dict[int, PassagePlace]:
        """Return where passages stand, in the order of the keys, without those that the filters exclude."""
        conditions, values = _limited("key", filters)
        read = {} if conditions else self._places
        unread = [key for key in keys if key not in read]
        if unread:
            if len(read) > PLACES_KEPT:
                read = self._places = {}
                unread = list(keys)
            rows = self.rows(FOUND_QUERY.format(keys=_listed(unread), conditions=conditions), values)
            read |= {
                key: PassagePlace(GROUPS[group], thing, ROLES[role], state, bool(symbol))
                for key, group, thing, role, state, symbol in rows
            }
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
            for group, found in self._called(name.lower(), k) if len(terms(name)) > 1 else ():
                groups.setdefault(group, []).append(found)
        return groups

    def _called(self, name: str, k: int) -> Iterator[tuple[Group, Found]]:
        """Yield passages whose symbol ends with a name in small letters, after what it stands in."""
        words = terms(_AFTER_JOINTS.sub("", name))
        try:
            rows = self.rows(CALLED_QUERY.format(group_rows=GROUP_ROWS), (f'name : "{words[-1]}"', k)) if words else ()
        except sqlite3.OperationalError:  # there is no FTS5
            return
        for key, group, thing, role, state, symbol in rows:
            if symbol.lower().endswith((f".{name}", f"::{name}", f"#{name}")):
                yield Group(group), Found(key, ENDS_SCORE, thing, ROLES[role], state, has_symbol=True)

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
        rows = self.rows(f"SELECT key, paths FROM content WHERE key IN ({_listed(keys)})")  # noqa: S608 - numbers
        return {key: tuple(json.loads(paths)) for key, paths in rows}

    def frequency(self, term: str) -> int:
        """Return how many passages hold a word, in any of its forms; 0 without FTS5."""
        return self._frequency(term)

    def _count_holders(self, term: str) -> int:
        try:
            query = "SELECT count(*) FROM words WHERE words MATCH ?"
            return int(self.rows(query, (f'"{term}"',))[0][0])
        except sqlite3.OperationalError:
            return 0

    def holding(self, term: str, keys: Mapping[Group, Iterable[int]]) -> set[int]:
        """Return those of the keys whose passages hold a word, in any of its forms.

        Args:
            term: The word.
            keys: Keys of passages by their group.
        """
        rows = _listed(FIRST_ROWS[group] + key for group, own in keys.items() for key in own)
        query = f"SELECT rowid FROM words WHERE words MATCH ? AND rowid IN ({rows})"  # noqa: S608 - numbers
        return {row[0] % GROUP_ROWS for row in self.rows(query, (f'"{term}"',))}

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


def _limited(key: str, filters: Filters) -> tuple[str, list[str]]:
    """Return SQL that limits keys to what filters allow, and its parameters; nothing where they allow all."""
    conditions, values = filters.conditions()
    if not conditions:
        return "", []
    return f"AND {key.format(group_rows=GROUP_ROWS)} IN ({FILTERED.format(conditions=conditions)})", values


def _listed(keys: Iterable[int]) -> str:
    return ", ".join(str(int(key)) for key in keys)
