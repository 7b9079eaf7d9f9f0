"""What a question reads of the store, within one transaction: words, vectors, names, and the passages themselves."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from patina_assets.passages.passage import Group, Passage
from patina_assets.search.files.found import ROLES, Found
from patina_assets.search.lexical import telling_terms
from patina_assets.search.published.expressions import MOST_CANDIDATES, phrases_of, quoted, word_expression
from patina_assets.search.published.near import CONDITIONS, QuestionVectors, near_query, vector_values
from patina_assets.search.published.rows import clean
from patina_assets.search.published.scope import LISTED, Scope
from patina_assets.search.question_lists import COMMON_SHARE, nearest_cosines
from patina_assets.search.ranking import COSINE_SCALE, WORD_WEIGHTS

if TYPE_CHECKING:
    import psycopg

# The rarest words of a question alone count for the order (schema.sql).
MOST_SCORED = 8
# As many passages are compared one by one, which finds all that is near; among more, the index is asked.
COMPARED_ONE_BY_ONE = 10_000
# Of each group, as many are kept of those that were compared: to keep more costs next to nothing.
COMPARED_DEPTH = 50
WEIGHT_UNIT = 8.0  # ts_rank takes weights up to 1

STEMS = "SELECT word, tsvector_to_array(to_tsvector('pg_catalog.english', word)) FROM unnest(%s::text[]) AS word"
FREQUENCIES = """
SELECT word, sum(passages) FROM patina.frequency WHERE word = ANY (%(words)s) AND {among} GROUP BY word
"""
WORDS = """
SELECT id, score
FROM patina.holding(%s::tsquery, %s::tsquery[], %s::real[], %s, %s::real[], %s::integer[], %s, %s::text[], %s, %s, %s,
                    %s)
ORDER BY score DESC, id
"""
# Apart from WORDS: joined with it, Postgres reads all passages, as it does not know how few the function gives.
PLACES = "SELECT id, kind, project_id, thing, role, state, symbol_key <> '' FROM patina.passage WHERE id = ANY (%s)"
NAMED = """
SELECT kind, id, 1.0, project_id, thing, role, state, symbol_key <> '' FROM patina.passage
WHERE (symbol_key = ANY (%(symbols)s) OR thing = ANY (%(things)s)) AND {among}
ORDER BY role <> 'source', id LIMIT %(most)s
"""
HOLDING = "SELECT id, tsvector_to_array(words) FROM patina.passage WHERE id = ANY (%s)"
CONTENTS = """
SELECT id, project_id, item, symbol, doc, body, path, line, end_line, session, "commit", state, "time", author, url,
       status
FROM patina.content JOIN patina.passage USING (id, project_id) WHERE id = ANY (%s)
"""


class NearPassages(NamedTuple):
    """What is near a question.

    Attributes:
        found: By group, passages with their cosines to the vector that the question has for it, nearest first.
        own: The same passages with their cosines to the question's own vector.
        cosines: By group that has another vector: how near its nearest passage is to the question's own.
    """

    found: Mapping[Group, list[Found]]
    own: Mapping[Group, list[Found]]
    cosines: Mapping[Group, float]


class PublishedPassages:
    """The passages that one question may see; counts and frequencies are of these alone."""

    def __init__(self, connection: "psycopg.Connection[Any]", scope: Scope, query: str) -> None:
        """Take a connection within `asking`; look up how many passages hold each word of the query."""
        self._connection, self._scope = connection, scope
        self._stems = self._stemmed(telling_terms(query))
        self._frequencies = self._counted(self._stems.values())
        self._lexemes: dict[int, frozenset[str]] = {}
        self._passages: dict[int, Passage] = {}
        self.projects: dict[int, int] = {}

    @property
    def count(self) -> int:
        """The number of passages that are searched."""
        return self._scope.passages

    def words(self, query: str, depth: int) -> dict[Group, list[Found]]:
        """Return by group the passages that hold most of the query's words, best first."""
        every = sorted(self._frequencies, key=lambda stem: (self._frequencies[stem], stem))
        stems = [stem for stem in every if self._frequencies[stem] <= COMMON_SHARE * self.count] or every
        rarity = {stem: self._rarity(stem) for stem in stems[:MOST_SCORED]}
        frequencies = {stem: self._frequencies[stem] for stem in rarity}
        expression = word_expression(frequencies, self.count, [self._phrase(text) for text in phrases_of(query)])
        if not expression:
            return {}
        values = self._scope.values()
        # Labels D, C, B, A of each group: place, body, doc, name.
        weights = [weight / WEIGHT_UNIT for kind in values["kinds"] for weight in _labelled(Group(kind))]
        filters = [values[key] for key in ("kinds", "projects", "path", "endings", "since", "author")]
        kinds, *others = filters
        rows = self._rows(
            WORDS,
            (expression, [quoted(stem) for stem in rarity], list(rarity.values()), kinds, weights, *others,
             MOST_CANDIDATES, depth),
        )  # fmt: skip
        scores: dict[int, float] = dict(rows)
        places = {key: place for key, *place in self._rows(PLACES, (list(scores),))}
        return self._found(
            (places[key][0], key, score, *places[key][1:]) for key, score in scores.items() if key in places
        )

    def near(self, vectors: QuestionVectors, depth: int) -> NearPassages:
        """Return the nearest passages.

        Args:
            vectors: Of the question.
            depth: How many of each group, on average, where the index is asked.
        """
        compares = self._scope.passages <= COMPARED_ONE_BY_ONE
        depth = max(depth, COMPARED_DEPTH) if compares else depth
        conditions = CONDITIONS.format(among=LISTED if compares else self._scope.among)
        values = self._scope.values()
        groups = [group for group in vectors.by_group if group in values["kinds"]]
        values |= {**vector_values(vectors, groups), "most": len(values["kinds"]) * depth}
        rows = self._rows(near_query(conditions, groups, compares=compares), values)
        found = self._found(sorted((row[:-1] for row in rows), key=_nearest_first))
        if not groups:
            return NearPassages(found, found, {})
        own = self._found(sorted(((*row[:2], row[-1], *row[3:-1]) for row in rows), key=_nearest_first))
        return NearPassages(found, own, nearest_cosines(own, groups))

    def likeliest(self, near: Mapping[Group, Sequence[Found]]) -> list[int]:
        """Return the projects that a question is likeliest about: how many passages are near, and how near.

        A large project has more of them by chance, so its size counts against it.

        Args:
            near: What is near the question's own vector.
        """
        sizes = {project.number: project.passages for project in self._scope.projects}
        found: dict[int, float] = defaultdict(float)
        for entry in chain.from_iterable(near.values()):
            found[self.projects[entry.key]] += math.exp(entry.score / COSINE_SCALE)
        return sorted(found, key=lambda number: (-found[number] / math.sqrt(max(sizes.get(number, 1), 1)), number))

    def named(self, names: Sequence[str], k: int) -> dict[Group, list[Found]]:
        """Return passages whose symbol or path is exactly one of the names, sources before tests."""
        symbols = [clean(name.lower()) for name in names]
        things = [clean(f"path {name}") for name in names]
        query = NAMED.format(among=self._scope.among)
        values = {"symbols": symbols, "things": things, "projects": self._scope.numbers, "most": k}
        return self._found(self._rows(query, values))

    def frequency(self, term: str) -> int:
        """Return how many of the passages that are searched hold a word of the query, in any of its forms."""
        return self._frequencies.get(self._stems.get(term, ""), 0)

    def holding(self, term: str, keys: Mapping[Group, Iterable[int]]) -> set[int]:
        """Return those of the keys whose passages hold a word of the query, in any of its forms."""
        wanted = {key for own in keys.values() for key in own}
        unknown = [key for key in wanted if key not in self._lexemes]
        if unknown:
            rows = self._rows(HOLDING, (unknown,))
            self._lexemes |= {key: frozenset(lexemes) for key, lexemes in rows}
        stem = self._stems.get(term)
        return {key for key in wanted if stem is not None and stem in self._lexemes.get(key, ())}

    def passage(self, key: int) -> Passage:
        """Return the passage of a key that was read.

        Raises:
            KeyError: There is none.
        """
        return self._passages[key]

    def read(self, keys: Iterable[int]) -> None:
        """Read passages, and of which project each is."""
        for key, project, kind, symbol, doc, body, *rest in self._rows(CONTENTS, (list(keys),)):
            path, line, end_line, session, commit, state, time, author, url, status = rest
            self.projects[key] = project
            self._passages[key] = Passage(
                kind, body, symbol, doc, body, path, line, end_line, session, commit, state, time, author, (), url,
                status,
            )  # fmt: skip

    def _stemmed(self, words: Sequence[str]) -> dict[str, str]:
        """Return the form of each word that the store holds; a word that no passage can be told by has none."""
        cleaned = {clean(word): word for word in words}
        rows = self._rows(STEMS, (list(cleaned),))
        return {cleaned[word]: lexemes[0] for word, lexemes in rows if lexemes}

    def _counted(self, stems: Iterable[str]) -> dict[str, int]:
        query = FREQUENCIES.format(among=self._scope.among)
        rows = self._rows(query, {"words": list(stems), "projects": self._scope.numbers})
        return {word: int(count) for word, count in rows}

    def _rows(self, query: str, values: Sequence[object] | Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Return all rows of a query at once: one by one, psycopg takes several times as long."""
        return self._connection.execute(query.encode(), values).fetchall()

    def _rarity(self, stem: str) -> float:
        return math.log(1 + self.count / (1 + self._frequencies.get(stem, 0)))

    def _phrase(self, text: str) -> str:
        """Return the expression of a phrase; empty where it holds nothing to search for."""
        row = self._connection.execute("SELECT phraseto_tsquery('pg_catalog.english', %s)::text", (text,)).fetchone()
        return str(row[0]) if row is not None else ""

    def _found(self, rows: Iterable[tuple[Any, ...]]) -> dict[Group, list[Found]]:
        """Return rows by group; a file of one project is another thing than that of the next."""
        groups: dict[Group, list[Found]] = {}
        for kind, key, score, project, thing, role, state, has_symbol in rows:
            self.projects[key] = project
            groups.setdefault(Group(kind), []).append(
                Found(key, float(score), f"{project} {thing}", ROLES[role], state, has_symbol)
            )
        return groups


def _nearest_first(row: Sequence[Any]) -> tuple[float, int]:
    _, key, score, *_ = row
    return -score, key


def _labelled(group: Group) -> tuple[float, float, float, float]:
    place, name, doc, body = WORD_WEIGHTS[group]
    return place, body, doc, name
