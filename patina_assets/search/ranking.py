"""One list out of passages of several groups: folded by thing, fused, and mixed by what the question asks for. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from patina_assets.passages.passage import Group
from patina_assets.passages.roles import Role
from patina_assets.search.files.found import DefinitionPart, Found

# The lists that find passages. No projection can be called so: its list stands beside these.
WORDS, VECTORS, NAMES, TOUCHED = "<words>", "<vectors>", "<names>", "<touched>"
# How much a word counts in the columns place, name, doc and body; all figures here were chosen in docs/search.md.
WORD_WEIGHTS: Mapping[Group, tuple[float, float, float, float]] = {
    Group.CODE: (3, 8, 3, 1),
    Group.DOCS: (2, 4, 1, 1),
    Group.COMMITS: (0.5, 3, 1, 1),
    Group.NOTES: (1, 2, 1, 1),
}
# What all projections of a group weigh together, and the share of a weight that the vectors of `corpus-static` alone
# keep: it knows the words of the project, as the index of words does.
PROJECTIONS_WEIGHT = 0.5
OWN_WORDS_SHARE = 0.25
LIST_WEIGHTS: Mapping[Group, Mapping[str, float]] = {
    Group.CODE: {WORDS: 1, VECTORS: 2, NAMES: 10},
    Group.DOCS: {WORDS: 1, VECTORS: 2, NAMES: 10},
    Group.COMMITS: {WORDS: 1, VECTORS: 0.5, NAMES: 10},
    Group.NOTES: {WORDS: 1, VECTORS: 2, NAMES: 10},
}
# These hold where the best passages have this share of the question's rare words. Where they have no more than the
# second share, words find nothing that is meant, and vectors weigh this much.
COVERED, UNCOVERED = 0.8, 0.5
UNCOVERED_VECTORS_WEIGHT = 8.0
# There, files that near commits touched count so much, too: messages say in plain words what code does. So many commits
# of so few files are looked at. One whose cosine is larger by TOUCHED_SCALE counts e times as much.
TOUCHED_WEIGHT, TOUCHED_COMMITS, TOUCHED_FILES, TOUCHED_SCALE = 2.0, 30, 8, 0.05
# Cosines of unlike texts are far above zero: e times as much counts what is nearer by this, so that three passages
# that are near do not stand above one that is much nearer.
COSINE_SCALE = 0.1
# Files that repeat or try what others do stand below these. Short texts are near everything, so brief commits do, too.
ROLE_FACTORS: Mapping[Group, Mapping[Role, float]] = {
    Group.CODE: {Role.TEST: 0.5, Role.EXAMPLE: 0.5, Role.VENDORED: 0.4, Role.GENERATED: 0.4, Role.CHANGELOG: 0.5,
                 Role.BINARY: 0.4, Role.TEXT: 0.8},
    Group.DOCS: {Role.TEST: 0.5, Role.EXAMPLE: 0.7, Role.VENDORED: 0.4, Role.GENERATED: 0.4, Role.CHANGELOG: 0.5,
                 Role.TRANSLATED: 0.5},
    Group.COMMITS: {Role.BRIEF: 0.6, Role.ASIDE: 0.7, Role.BRIEF_ASIDE: 0.42},
}  # fmt: skip
STATE_FACTOR = 0.5
# Cosines of unlike texts are far above zero, so a factor on them must be gentler than one on BM25.
COSINE_POWER = 0.6
# Cormack, Clarke and Büttcher 2009: score = sum over lists of weight / (constant + rank), of things, and of passages
# of a thing.
FUSION_CONSTANT = 5.0
# A thing counts by its best passages: s1 + s2 / 2 + s3 / 3. A session counts by its best note: its notes tell of many
# subjects, and a long session would win by their number.
PASSAGES_COUNTED: Mapping[Group, int] = {Group.CODE: 3, Group.DOCS: 3, Group.COMMITS: 3, Group.NOTES: 1}
# Which passage of a thing is shown: what is left of a source file beside its definitions counts less, and so do tests
# in it. They hold words of many definitions, and a person points at one of these.
REST_FACTOR = 0.6
# Which definition of a file is shown, where words find little: its cosine counts, and by so much its share of the best
# BM25 in the file, where all words are there and where few are, and the logarithm of its lines, up to so many.
DEFINITION_WORDS, UNCOVERED_DEFINITION_WORDS = 0.16, 0.06
DEFINITION_LINES, DEFINITION_MOST_LINES = 0.06, 20


@dataclass(frozen=True)
class RankedThing:
    """A file, commit or session that was found.

    Attributes:
        group: Its group.
        name: As in `Passage.thing`.
        score: Fused score within the group.
        keys: Keys of its passages, best first.
        ranks: Its rank in each list.
        scores: The score of its best passage in each list.
    """

    group: Group
    name: str
    score: float
    keys: tuple[int, ...]
    ranks: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)


def vectors_weight(group: Group, coverage: float) -> float:
    """Return how much vectors weigh in a group: the more, the fewer words of the question stand in any passage.

    Args:
        group: The group.
        coverage: The largest share of the question's rare words that passages of a group hold: 0 to 1.
    """
    weight = LIST_WEIGHTS[group][VECTORS]
    return weight + lacking(coverage) * (UNCOVERED_VECTORS_WEIGHT - weight)


def lacking(coverage: float) -> float:
    """Return from 0 to 1 how much words lack of what is meant."""
    return min(max((COVERED - coverage) / (COVERED - UNCOVERED), 0.0), 1.0)


def touched_files(
    commits: Sequence[Found], paths: Mapping[int, Sequence[str]], lists: Mapping[str, Sequence[Found]]
) -> list[Found]:
    """Return the files that near commits touched, best first, each by its best passage in the other lists.

    Args:
        commits: The nearest commits, best first.
        paths: What each of them touched, by its key.
        lists: The other lists of the group of files; a file that none of them has is left out.
    """
    best: dict[str, Found] = {}
    for name in sorted(lists, key=lambda name: name != VECTORS):
        for entry in lists[name]:
            best.setdefault(entry.thing, entry)
    worth: dict[str, float] = defaultdict(float)
    for commit in commits[:TOUCHED_COMMITS]:
        own = paths.get(commit.key, ())
        for path in own if len(own) <= TOUCHED_FILES else ():
            nearness = math.exp((commit.score - commits[0].score) / TOUCHED_SCALE)
            worth[f"path {path}"] += nearness / math.sqrt(len(own))
    found = (best[thing]._replace(score=score) for thing, score in worth.items() if thing in best)
    return demoted(found, Group.CODE)


def demoted(found: Iterable[Found], group: Group, power: float = 1.0) -> list[Found]:
    """Return a list, best first, with lower scores for what seldom answers: its role or its state says so."""
    factors = ROLE_FACTORS.get(group, {})
    result = []
    for entry in found:
        key, score, thing, role, state, has_symbol = entry
        factor = factors.get(role, 1.0) * (STATE_FACTOR if state else 1.0)
        # `_replace` takes several times as long.
        result.append(entry if factor == 1.0 else Found(key, score * factor**power, thing, role, state, has_symbol))
    return sorted(result, key=lambda entry: (-entry.score, entry.key))


def rank_group(
    group: Group, lists: Mapping[str, Sequence[Found]], weights: Mapping[str, float], k: int | None = None
) -> list[RankedThing]:
    """Return the things of one group, best first: reciprocal ranks of things, and of passages within a thing.

    Args:
        group: The group.
        lists: By name, passages best first.
        weights: By name of a list.
        k: How many are wanted; None for all.
    """
    scores: dict[str, float] = defaultdict(float)
    ranks: dict[str, dict[str, int]] = {}
    passages: dict[str, dict[str, list[Found]]] = {}
    worth: dict[int, float] = defaultdict(float)
    for name, found in lists.items():
        weight = weights.get(name, 1.0)
        of_thing: dict[str, list[Found]] = defaultdict(list)
        for place, entry in enumerate(found, 1):
            of_thing[entry.thing].append(entry)
            worth[entry.key] += weight * _definition_factor(group, entry) / (FUSION_CONSTANT + place)
        ranks[name], passages[name] = _ranks(group, of_thing, is_cosine=name == VECTORS), of_thing
        for thing, rank in ranks[name].items():
            scores[thing] += weight / (FUSION_CONSTANT + rank)
    best = sorted(scores, key=lambda thing: (-scores[thing], thing))[:k]
    return [
        RankedThing(
            group,
            thing,
            scores[thing],
            _best_first({entry.key for of_thing in passages.values() for entry in of_thing.get(thing, ())}, worth),
            {name: ranked[thing] for name, ranked in ranks.items() if thing in ranked},
            {name: of_thing[thing][0].score for name, of_thing in passages.items() if thing in of_thing},
        )
        for thing in best
    ]


def _ranks(group: Group, of_thing: Mapping[str, Sequence[Found]], *, is_cosine: bool) -> dict[str, int]:
    """Return the rank of each thing in one list, from 1."""
    most = PASSAGES_COUNTED[group]
    totals = {}
    for thing, entries in of_thing.items():
        # Best first: what follows counts less.
        told = (entry.score for entry in entries[:most])
        worth = (math.exp(score / COSINE_SCALE) for score in told) if is_cosine else told
        totals[thing] = sum(score / place for place, score in enumerate(worth, 1))
    return {thing: rank for rank, thing in enumerate(sorted(totals, key=lambda thing: (-totals[thing], thing)), 1)}


def _definition_factor(group: Group, entry: Found) -> float:
    is_rest = not entry.has_symbol or entry.role is Role.INNER_TEST
    return REST_FACTOR if is_rest and group is Group.CODE else 1.0


def _best_first(keys: Iterable[int], worth: Mapping[int, float]) -> tuple[int, ...]:
    return tuple(sorted(keys, key=lambda key: (-worth[key], key)))


def nearest_definitions(
    definitions: Sequence[DefinitionPart], cosines: Sequence[float], words: Mapping[int, float], coverage: float
) -> list[int]:
    """Return the keys of a file's definitions, the likeliest answer first: the nearest passage of each.

    Short ones are near everything, as short texts are.

    Args:
        definitions: Their passages.
        cosines: Of each passage with the question.
        words: BM25 by key, of those that hold words of the question.
        coverage: As in `vectors_weight`.
    """
    best: dict[str, tuple[float, int]] = {}
    lines: dict[str, int] = defaultdict(int)
    scores: dict[str, float] = defaultdict(float)
    for entry, cosine in zip(definitions, cosines, strict=True):
        best[entry.symbol] = max(best.get(entry.symbol, (-1.0, 0)), (cosine, -entry.key))
        lines[entry.symbol] += entry.lines
        scores[entry.symbol] = max(scores[entry.symbol], words.get(entry.key, 0.0))
    most = max(scores.values(), default=0.0) or 1.0
    share = DEFINITION_WORDS + lacking(coverage) * (UNCOVERED_DEFINITION_WORDS - DEFINITION_WORDS)

    def worth(symbol: str) -> float:
        length = math.log(min(lines[symbol], DEFINITION_MOST_LINES))
        return best[symbol][0] + share * scores[symbol] / most + DEFINITION_LINES * length

    return [-best[symbol][1] for symbol in sorted(best, key=lambda symbol: (-worth(symbol), -best[symbol][1]))]


def mixed(
    groups: Mapping[Group, Sequence[RankedThing]], asked: Mapping[Group, float], k: int
) -> list[tuple[RankedThing, float]]:
    """Return the k best things over all groups with their scores, best first.

    A thing counts the likelihood of its group, times its score as a share of the best one of the group, divided by its
    rank there: so the best of each group comes before long blocks of one.

    Args:
        groups: The things of each group, best first.
        asked: How likely the question asks for each group, summing to 1.
        k: Number of results.
    """
    scored = [
        (thing, asked.get(group, 0.0) * thing.score / things[0].score / rank)
        for group, things in groups.items()
        for rank, thing in enumerate(things, 1)
    ]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0].group, pair[0].name))[:k]
