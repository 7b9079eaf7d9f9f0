"""What a file of passages says of words: which passages hold them, how well, and how many."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from patina_assets.passages.passage import Group
from patina_assets.search.asking.filters import NO_FILTERS, Filters
from patina_assets.search.files.found import ROLES, Found
from patina_assets.search.files.passage_tables import FIRST_ROWS, GROUP_ROWS
from patina_assets.search.files.search_file import SearchFile
from patina_assets.search.lexical import terms

# As many words and items as a day of questions asks for again.
ANSWERS_KEPT = 16_384
# Of a word that so few passages hold, to read them all takes less time than to look for a dozen of them.
READ_WHOLE = 1_500
# Below those whose symbol is the name as a whole.
ENDS_SCORE = 0.9
_AFTER_JOINTS = re.compile(r"^.*[.:#]", re.DOTALL)
FILTERED = """
SELECT key FROM passage JOIN item USING (key) JOIN content USING (key)
WHERE TRUE {conditions}
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
# Who is called by a name has it as one word among the words of its name.
CALLED_QUERY = """
SELECT passage.key, "group", thing, role, passage.state, symbol
FROM words JOIN passage ON passage.key = words.rowid % {group_rows}
WHERE words MATCH ?
ORDER BY role <> 'source', passage.key
LIMIT ?
"""


class WordFile(SearchFile):
    """A search file with the tables of `encode_passages`, as its index of words is asked."""

    def __init__(self, data: bytes, name: str) -> None:
        """Open the verified bytes of the file called `name`.

        Raises:
            PatinaError: It is not a search file.
        """
        super().__init__(data, name)
        # The file never changes.
        self._frequency = lru_cache(ANSWERS_KEPT)(self._count_holders)

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
        conditions, values = limited("rowid % {group_rows}", filters)
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

    def called(self, name: str, k: int) -> Iterator[tuple[Group, Found]]:
        """Yield passages whose symbol ends with a name in small letters, after what it stands in."""
        words = terms(_AFTER_JOINTS.sub("", name))
        try:
            rows = self.rows(CALLED_QUERY.format(group_rows=GROUP_ROWS), (f'name : "{words[-1]}"', k)) if words else ()
        except sqlite3.OperationalError:  # there is no FTS5
            return
        for key, group, thing, role, state, symbol in rows:
            if symbol.lower().endswith((f".{name}", f"::{name}", f"#{name}")):
                yield Group(group), Found(key, ENDS_SCORE, thing, ROLES[role], state, has_symbol=True)

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
        rows = listed(FIRST_ROWS[group] + key for group, own in keys.items() for key in own)
        # FTS5 begins anew for each row that it is told of. The sign keeps the rows from it.
        sign = "+" if self.frequency(term) <= READ_WHOLE else ""
        query = f"SELECT rowid FROM words WHERE words MATCH ? AND {sign}rowid IN ({rows})"  # noqa: S608 - numbers
        return {row[0] % GROUP_ROWS for row in self.rows(query, (f'"{term}"',))}


def limited(key: str, filters: Filters) -> tuple[str, list[str]]:
    """Return SQL that limits keys to what filters allow, and its parameters; nothing where they allow all.

    Args:
        key: SQL of the key, where `{group_rows}` stands for GROUP_ROWS.
        filters: What is allowed.
    """
    conditions, values = filters.conditions()
    if not conditions:
        return "", []
    return f"AND {key.format(group_rows=GROUP_ROWS)} IN ({FILTERED.format(conditions=conditions)})", values


def listed(keys: Iterable[int]) -> str:
    """Return whole numbers as they stand in a list of SQL."""
    return ", ".join(str(int(key)) for key in keys)
