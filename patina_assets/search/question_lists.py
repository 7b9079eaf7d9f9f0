"""The lists that a question is answered from, group by group, and what they say of the groups."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from types import MappingProxyType
from typing import Protocol

from patina_assets.passages.passage import Group, Passage
from patina_assets.search.asking.filters import NO_FILTERS, Filters
from patina_assets.search.built import BASE, LEXICAL
from patina_assets.search.files.found import GROUPS, Found, found_at
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.fusion import Hit, Place
from patina_assets.search.lexical import match_expression, telling_terms, terms
from patina_assets.search.questions import Evidence, asked_for
from patina_assets.search.ranking import (
    COSINE_POWER,
    LIST_WEIGHTS,
    NAMES,
    PROJECTIONS_WEIGHT,
    TOUCHED,
    TOUCHED_WEIGHT,
    VECTORS,
    WORD_WEIGHTS,
    WORDS,
    RankedThing,
    demoted,
    lacking,
    mixed,
    rank_group,
    vectors_weight,
)

# Of one file, as many other passages are told of beside the best.
OTHERS_SHOWN = 2
EVIDENCE_PASSAGES = 3
# What covers less of the question's rare words than this, and is no nearer than that, is no answer: docs/search.md.
LEAST_COVERAGE = 0.3
LEAST_COSINE = 0.48
# Static vectors of unlike texts are near each other: they say nothing of that.
NO_COSINE = 2.0
# A word that stands in a larger share of the passages tells nothing apart, and looking for it takes longest. The rarest
# of the rest are looked for, until together they stand in this many passages: each costs a microsecond.
COMMON_SHARE = 0.1
MOST_HOLDERS = 5_000
SHOWN_AS = {WORDS: LEXICAL, VECTORS: BASE, NAMES: "name", TOUCHED: "commits"}
MOST_NAMES = 8
# What is written like a name in code, or a path: `read_recipe`, `Searcher.answer`, `src/main.rs`, `readRecipe`.
_QUOTES = "`'\"?,;()"
_NAME = re.compile(r"[\w./:-]+")
_JOINT = re.compile(r"[_./:]|[a-z][A-Z]")


class ReadPassages(Protocol):
    """What a question reads of passages, wherever they are kept."""

    @property
    def count(self) -> int:
        """The number of passages."""

    def frequency(self, term: str) -> int:
        """Return how many passages hold a word."""

    def holding(self, term: str, keys: Mapping[Group, Iterable[int]]) -> set[int]:
        """Return those of the keys, by group, whose passages hold a word."""

    def named(self, names: Sequence[str], k: int) -> dict[Group, list[Found]]:
        """Return passages whose symbol or path is one of the names."""

    def passage(self, key: int) -> Passage:
        """Return a passage."""


# Passages, best first, by group and by name of a list.
GroupLists = dict[Group, dict[str, list[Found]]]


@dataclass(frozen=True)
class RankedAnswer:
    """What the lists of a question say.

    Attributes:
        things: The best things of all groups with their scores, best first.
        doubtful: Whether nothing that was found seems to answer.
        coverage: The largest share of the question's rare words that passages of a group hold.
    """

    things: list[tuple[RankedThing, float]]
    doubtful: bool
    coverage: float


def ranked_answer(
    file: ReadPassages,
    query: str,
    lists: GroupLists,
    k: int,
    *,
    is_static: bool,
    leaning: Mapping[Group, float],
    share: float = 1.0,
    cosines: Mapping[Group, float] = MappingProxyType({}),
) -> RankedAnswer:
    """Rank the things of each group, and mix the groups by what the question asks for.

    Args:
        file: The passages.
        query: The question.
        lists: From `merged`; not empty.
        k: Number of things.
        is_static: Whether the base model knows words alone.
        leaning: From `leanings`.
        share: How much of their weight vectors keep.
        cosines: How near the nearest passage of a group is, where its list was asked for with another vector.
    """
    evidence = evidence_of(file, query, lists)
    evidence |= {
        group: replace(evidence[group], cosine=cosine) for group, cosine in cosines.items() if group in evidence
    }
    by_name = {group for group, found in lists.items() if NAMES in found}
    asked = asked_for(query, evidence, by_name if only_names(query) else (), leaning=leaning)
    coverage = max(seen.coverage for seen in evidence.values())
    things = {
        group: rank_group(group, found, list_weights(group, found, share, coverage), k)
        for group, found in lists.items()
    }
    least = NO_COSINE if is_static else LEAST_COSINE
    doubtful = not by_name and all(seen.coverage < LEAST_COVERAGE and seen.cosine < least for seen in evidence.values())
    return RankedAnswer(list(mixed(things, asked, k)), doubtful, coverage)


def list_weights(group: Group, found: Iterable[str], share: float, coverage: float = 1.0) -> dict[str, float]:
    """Return the weight of each list of a group: all projections together count little beside words and vectors.

    Args:
        group: The group.
        found: Names of its lists.
        share: How much of their weight vectors keep, those of projections included.
        coverage: As in `vectors_weight`.
    """
    weights = dict(LIST_WEIGHTS[group]) | {VECTORS: vectors_weight(group, coverage)}
    projections = [name for name in found if name not in {*weights, TOUCHED}]
    if group is Group.CODE:
        weights[TOUCHED] = TOUCHED_WEIGHT * lacking(coverage)
    weights |= {name: PROJECTIONS_WEIGHT / len(projections) for name in projections}
    return {name: weight * (1.0 if name in {WORDS, NAMES} else share) for name, weight in weights.items()}


def near_lists(
    file: PassageFile, own: Mapping[int, float], others: Mapping[Group, Mapping[int, float]], filters: Filters
) -> tuple[dict[Group, list[Found]], dict[Group, float]]:
    """Return the nearest passages by group, and the cosine of the nearest to the question's own vector.

    Args:
        file: The passages.
        own: Cosines of keys with the question's own vector, nearest first.
        others: By group that is asked with another vector: cosines of keys with that. Of these groups alone, the second
            result tells.
        filters: What passages are limited to.
    """
    # Each look at the file has its price, whatever it asks for.
    places = file.places({key for scores in (own, *others.values()) for key in scores}, filters)
    own_lists: dict[Group, list[Found]] = defaultdict(list)
    told = set()
    for key, score in own.items():
        place = places.get(key)
        if place is None:
            continue
        group, (_, _, role, state, _) = GROUPS[place[0]], place
        # Of those that are lowered alike, the first is the nearest.
        if group not in others or (group, role, state) not in told:
            told.add((group, role, state))
            own_lists[group].append(found_at(place, key, score))
    near = {group: found for group, found in own_lists.items() if group not in others}
    for group, scores in others.items():
        near[group] = [
            found_at(places[key], key, score)
            for key, score in scores.items()
            if key in places and places[key][0] == group
        ]
    return near, nearest_cosines(own_lists, others)


def nearest_cosines(own: Mapping[Group, Sequence[Found]], groups: Iterable[Group]) -> dict[Group, float]:
    """Return how near the nearest passage of some groups is to the question's own vector.

    Args:
        own: By group, passages with their cosines to that vector.
        groups: Those that are asked with another vector; a group that has no passages is left out.
    """
    return {group: demoted(own[group], group, COSINE_POWER)[0].score for group in groups if own.get(group)}


def word_lists(file: PassageFile, query: str, depth: int, filters: Filters) -> dict[Group, list[Found]] | None:
    """Return the passages that hold words of the query, by group; None without FTS5."""
    expression = match_expression(query, _too_common(file, telling_terms(query)))
    found: dict[Group, list[Found]] = {}
    for group in Group if expression else ():
        matches = file.words(expression or "", group, WORD_WEIGHTS[group], depth, filters)
        if matches is None:
            return None
        if matches:
            found[group] = matches
    return found


def _too_common(file: PassageFile, wanted: Iterable[str]) -> set[str]:
    """Return the words that are not looked for: those in a large share of the passages, and the commonest of many."""
    holders = {term: file.frequency(term) for term in wanted}
    rarest = sorted(holders, key=lambda term: holders[term])
    together = accumulate(holders[term] for term in rarest)
    few = {term for term, count in zip(rarest, together, strict=True) if count <= MOST_HOLDERS} or set(rarest[:1])
    return {term for term in holders if term not in few or holders[term] > COMMON_SHARE * file.count}


def named(file: ReadPassages, query: str, depth: int) -> dict[Group, list[Found]]:
    """Return passages whose symbol or path the query spells out."""
    kept = list(dict.fromkeys(_names(query)))[:MOST_NAMES]
    return file.named(kept, depth) if kept else {}


def only_names(query: str) -> bool:
    """Return whether each word that says something of the query's subject belongs to a name that it spells out."""
    spelt_out = {term for name in _names(query) for term in terms(name)}
    return bool(spelt_out) and spelt_out.issuperset(telling_terms(query))


def _names(query: str) -> list[str]:
    """Return what is written like a name in code or a path; a word that stands alone is one."""
    words = [word.strip(_QUOTES) for word in query.split()]
    return [word for word in words if word and (len(words) == 1 or (_NAME.fullmatch(word) and _JOINT.search(word)))]


def merged(
    words: Mapping[Group, list[Found]],
    near: Mapping[Group, list[Found]],
    named: Mapping[Group, list[Found]],
    projected: Mapping[Group, Mapping[str, list[Found]]],
    filters: Filters,
) -> GroupLists:
    """Return the lists of each group that words, vectors or names found; what repeats or tries other files is lowered.

    Args:
        words: What holds words of the question.
        near: What is near the question's vector.
        named: What is called as the question spells out.
        projected: What stands for the nearest items of projections.
        filters: What is asked for.
    """
    lists: GroupLists = {}
    for group in Group:
        if not filters.allows(group):
            continue
        found = {
            WORDS: demoted(words.get(group, ()), group),
            VECTORS: demoted(near.get(group, ()), group, COSINE_POWER),
            NAMES: [] if filters != NO_FILTERS else demoted(named.get(group, ()), group),
        }
        kept = {name: entries for name, entries in found.items() if entries}
        if kept:
            lists[group] = kept | dict(projected.get(group, {}))
    return lists


def evidence_of(
    file: ReadPassages, query: str, lists: Mapping[Group, Mapping[str, Sequence[Found]]]
) -> dict[Group, Evidence]:
    """Return how well the best passages of each group hold the query's words, and how near its nearest is."""
    terms = telling_terms(query)
    count = file.count
    rarity = {term: math.log(1 + count / (1 + file.frequency(term))) for term in terms}
    total = sum(rarity.values()) or 1.0
    best = {group: [entry.key for entry in found.get(WORDS, ())[:EVIDENCE_PASSAGES]] for group, found in lists.items()}
    holders = {term: file.holding(term, best) if any(best.values()) else set() for term in terms}
    evidence = {}
    for group, found in lists.items():
        covered = (sum(rarity[term] for term in terms if key in holders[term]) for key in best[group])
        cosine = found[VECTORS][0].score if found.get(VECTORS) else 0.0
        evidence[group] = Evidence(max(covered, default=0.0) / total, cosine)
    return evidence


def hit(file: ReadPassages, thing: RankedThing, score: float) -> Hit:
    """Return a result: the best passage of a thing, and others of it."""
    passage = file.passage(thing.keys[0])
    further = (file.passage(key) for key in thing.keys[1 : 4 * OTHERS_SHOWN])
    others = tuple(islice(_apart(passage, further), OTHERS_SHOWN))
    places = {SHOWN_AS.get(name, name): Place(rank, thing.scores[name]) for name, rank in thing.ranks.items()}
    return Hit(passage.item, score, places, passage, others)


def _apart(best: Passage, others: Iterable[Passage]) -> Iterable[Passage]:
    """Yield those of a thing's other passages that do not overlap with one that was told of."""
    seen = [best]
    for passage in others:
        if passage.symbol not in {entry.symbol for entry in seen}:
            seen.append(passage)
            yield passage
