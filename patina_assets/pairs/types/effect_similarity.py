"""`effect_similarity`: two commits with a similar effect belong together; those with an unlike effect do not."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.commits import (
    GIT_COMMITS,
    MOST_FILES,
    ChangeSet,
    commit_item,
    commit_kind,
    has_subject,
    module_of,
    read_commit,
)
from patina_assets.pairs.files import FILE_HISTORY, read_files
from patina_assets.pairs.items import Context
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_assets.pairs.relations import Likeness, nearest_earlier
from patina_resources.arrays import Int64
from patina_resources.eventlog.reader import Row

LEAST_SIMILAR = 0.7
NEAREST = 4
# Of the earlier commits of a module, so many are compared.
LOOKED_AT = 32
# Lines changed are compared as powers of two; this many doublings apart is as unlike as can be.
SIZE_RANGE = 6.0


@dataclass(frozen=True)
class Effect:
    """What a commit did: kind, modules, the share of each change type among its files, log2 of lines changed."""

    kind: str
    modules: frozenset[str]
    changes: Mapping[str, float]
    size: float


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return commits of 1-50 files as items, and commits of similar effect as contexts of two.

    The similarity of two effects is the mean of four parts in 0..1: the Jaccard index of the modules touched
    (folders, at most three levels), the overlap of the shares of change types (sum of minima), 1 - the difference in
    log2(lines changed + 1) / 6, and 1 for the same kind (`feat`, `fix`, ...). Each commit has the 4 most similar
    earlier ones of at least 0.7, looked for among the last 32 of each of its modules. Negatives share no module.
    A pair belongs to the part (by time) of its later commit. The text is the commit's subject: the effect is not told.
    """
    files = read_files(rows[FILE_HISTORY.name])
    everything = [(read_commit(row, files), *row[3:]) for row in rows[GIT_COMMITS.name] if has_subject(row[3])]
    commits = [entry for entry in everything if 1 <= len(entry[0].changes) <= MOST_FILES]
    commits.sort(key=lambda entry: entry[0].moment)
    effects = [_effect(commit, commit_kind(message, parsed)) for commit, message, _, parsed in commits]
    items = [commit_item(commit, message, body) for commit, message, body, _ in commits]
    splits = options.splits.by_time(commit.moment for commit, *_ in commits)
    contexts = [Context((items[earlier], items[later]), splits[later]) for later, earlier in _similar(effects)]
    apart: dict[str, set[str]] = defaultdict(set)
    for item, effect in zip(items, effects, strict=True):
        apart[item.text] |= effect.modules
    return PairData(items, contexts, apart)


def _effect(commit: ChangeSet, kind: str) -> Effect:
    counts = Counter(change.kind for change in commit.changes)
    return Effect(
        kind=kind,
        modules=frozenset(module_of(path) for path in commit.paths),
        changes={change: count / len(commit.changes) for change, count in counts.items()},
        # Where lines were not counted, files are.
        size=math.log2(1 + (sum(change.lines for change in commit.changes) or len(commit.changes))),
    )


def _similar(effects: Sequence[Effect]) -> list[tuple[int, int]]:
    """Return (later, earlier) places of commits of similar effect."""
    return nearest_earlier(_candidates(effects), similarity(effects), LEAST_SIMILAR, NEAREST)


def _candidates(effects: Sequence[Effect]) -> Iterator[set[int]]:
    """Yield for each commit the earlier ones that it is compared with."""
    commits_of: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=LOOKED_AT))
    for later, effect in enumerate(effects):
        yield {earlier for module in effect.modules for earlier in commits_of[module]}
        for module in effect.modules:
            commits_of[module].append(later)


def similarity(effects: Sequence[Effect]) -> Likeness:
    """Return what tells how alike effects are, 0 to 1: see `derive`."""
    modules = [effect.modules for effect in effects]
    counts = np.fromiter(map(len, modules), np.int64, len(modules))
    sizes = np.fromiter((effect.size for effect in effects), np.float64, len(effects))
    kinds = {kind: place for place, kind in enumerate({effect.kind for effect in effects})}
    kind = np.fromiter((kinds[effect.kind] for effect in effects), np.int64, len(effects))
    overlap = _overlap(effects)

    def likeness(first: Int64, second: Int64) -> NDArray[np.float64]:
        shared = _shared(modules, first, second)
        alike: NDArray[np.float64] = shared / (counts[first] + counts[second] - shared)
        alike += overlap(first, second)
        alike += np.maximum(0.0, 1 - np.abs(sizes[first] - sizes[second]) / SIZE_RANGE)
        alike += kind[first] == kind[second]
        return alike / 4

    return likeness


def _shared(sets: Sequence[frozenset[str]], first: Int64, second: Int64) -> Int64:
    """Return int64 [n]: how many members the sets at n pairs of places share."""
    chosen = map(sets.__getitem__, first.tolist()), map(sets.__getitem__, second.tolist())
    return np.fromiter(map(len, map(frozenset.intersection, *chosen)), np.int64, len(first))


def _overlap(effects: Sequence[Effect]) -> Likeness:
    """Return what tells the overlap of shares of change types, summed in the order of the first effect's types."""
    number = {name: place for place, name in enumerate({name for effect in effects for name in effect.changes})}
    most = max((len(effect.changes) for effect in effects), default=0)
    types = np.zeros((len(effects), most), np.int64)
    shares = np.zeros((len(effects), most))  # what fills up a row has no share: its type does not matter
    for row, effect in enumerate(effects):
        types[row, : len(effect.changes)] = [number[name] for name in effect.changes]
        shares[row, : len(effect.changes)] = list(effect.changes.values())

    def likeness(first: Int64, second: Int64) -> NDArray[np.float64]:
        found = np.zeros(len(first))
        others = list(zip(types[second].T, shares[second].T, strict=True))
        for own_type, own_share in zip(types[first].T, shares[first].T, strict=True):
            for other_type, other_share in others:
                found += np.where(own_type == other_type, np.minimum(own_share, other_share), 0.0)
        return found

    return likeness


EFFECT_SIMILARITY = PairType(
    name="effect_similarity",
    purpose="commits with a similar effect",
    source=GIT_COMMITS,
    further_sources=(FILE_HISTORY,),
    derive=derive,
    version=3,
    missing="commits with a message that do alike things to the same modules",
    teaches_corpus_model=False,  # the texts are those of `commit_touches`
)
