"""`state_similarity`: two states of the repository with a similar working set belong together; disjoint ones do not."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.commits import COMMIT_TABLE, LIVE_COMMITS, MOST_FILES, ChangeSet, read_commit
from patina_assets.pairs.files import FILE_HISTORY, read_files
from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_assets.pairs.relations import Likeness, nearest_earlier
from patina_resources.arrays import Int64
from patina_resources.eventlog.reader import Row, Source

TRANSITIONS_SQL = f"""{LIVE_COMMITS}
SELECT timestamp, sha, files
FROM git_commit
ORDER BY sha
"""
# A state is what the last commits touched.
WINDOW = 10
# Only the files that were touched most often, then last, are told and compared.
MOST_LISTED = 12
# Similar: this Jaccard index at least, and among the k nearest.
LEAST_SIMILAR = 0.2
NEAREST = 4
# Of the earlier states that share a file, so many are compared: a file in every commit must not make this quadratic.
LOOKED_AT = 32
# What stands in a table of paths where a set has no more.
NO_PATH, NO_OTHER_PATH = -1, -2


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return the state after each commit as an item, and similar states as contexts of two.

    A state's *working set* is the files touched by that commit and the 9 before it (of 1-50 files each): the 12 that
    were touched most often. Two states are similar where no commit is in both windows, so that the project came back
    to the same files, and the Jaccard index of their working sets, |A and B| / |A or B|, is at least 0.2; each state
    has the 4 most similar earlier ones, looked for among the last 32 that share a file with it, for each of its files.
    Negatives share no file. A pair belongs to the part (by time) of its later state.
    """
    files = read_files(rows[FILE_HISTORY.name])
    commits = sorted((read_commit(row, files) for row in rows[TRANSITIONS.name]), key=lambda commit: commit.moment)
    commits = [commit for commit in commits if 1 <= len(commit.changes) <= MOST_FILES]
    sets = _working_sets(commits)
    items = [
        Item("state", state_text(working_set), commit=commit.sha)
        for commit, working_set in zip(commits, sets, strict=True)
    ]
    splits = options.splits.by_time(commit.moment for commit in commits)
    contexts = [
        Context((items[earlier], items[later]), splits[later])
        for later, earlier in _similar(sets)
        if items[earlier].text != items[later].text
    ]
    apart = {item.text: working_set for item, working_set in zip(items, sets, strict=True)}
    return PairData(items, contexts, apart)


def state_text(working_set: Sequence[str]) -> str:
    """Return a state's text: its files by folder, such as `State: working on src (cli.py, run.py), docs (index.md)`."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in working_set:
        folder, name = _folder_and_name(path)
        folders[folder].append(name)
    told = (f"{folder} ({', '.join(names)})" for folder, names in folders.items())
    return f"State: working on {', '.join(told)}"


@lru_cache(maxsize=65_536)
def _folder_and_name(path: str) -> tuple[str, str]:
    return str(PurePosixPath(path).parent), PurePosixPath(path).name


def _working_sets(commits: Sequence[ChangeSet]) -> list[tuple[str, ...]]:
    """Return, after each commit, the files of the window: most often touched first, then last touched, then by name."""
    window: deque[list[str]] = deque()
    # Of each path: how often it was touched, then where it was touched last, as one number; below zero, to sort by.
    ranks: dict[str, int] = {}
    often = len(commits)
    sets = []
    for place, commit in enumerate(commits):
        window.append(commit.paths)
        for path in window[-1]:
            times = -ranks.get(path, 0) // often
            ranks[path] = -((times + 1) * often + place)
        for path in window.popleft() if len(window) > WINDOW else ():
            ranks[path] += often
            if ranks[path] > -often:
                del ranks[path]
        # In two sorts without a call of Python for each path.
        sets.append(tuple(sorted(sorted(ranks), key=ranks.__getitem__)[:MOST_LISTED]))
    return sets


def _similar(sets: Sequence[tuple[str, ...]]) -> list[tuple[int, int]]:
    """Return (later, earlier) places of similar states."""
    return nearest_earlier(_candidates(sets), jaccard(sets), LEAST_SIMILAR, NEAREST)


def _candidates(sets: Sequence[tuple[str, ...]]) -> Iterator[set[int]]:
    """Yield for each state the earlier ones that it is compared with."""
    states_of: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=LOOKED_AT))
    for later, working_set in enumerate(sets):
        if later >= WINDOW:
            for path in sets[later - WINDOW]:
                states_of[path].append(later - WINDOW)
        yield set().union(*(states_of[path] for path in working_set if path in states_of))


def jaccard(sets: Sequence[Collection[str]]) -> Likeness:
    """Return what compares working sets, which are small, by their Jaccard index."""
    number = {path: place for place, path in enumerate({path for working_set in sets for path in working_set})}
    sizes = np.fromiter(map(len, sets), np.int64, len(sets))
    # A row for each place in a set, of as few bytes as will do: all pairs of places are compared.
    paths = np.full((int(sizes.max(initial=0)), len(sets)), NO_PATH, np.int16 if len(number) < 2**15 else np.int32)
    for column, working_set in enumerate(sets):
        paths[: len(working_set), column] = [number[path] for path in working_set]
    # What fills up one set is equal to nothing in another.
    own_paths, other_paths = paths, np.where(paths == NO_PATH, NO_OTHER_PATH, paths)
    counted = np.min_scalar_type(len(paths))

    def likeness(first: Int64, second: Int64) -> NDArray[np.float64]:
        others, shared = [row[second] for row in other_paths], np.zeros(len(first), counted)
        for row in own_paths:
            own = row[first]
            for other in others:
                shared += (own == other).view(np.uint8)
        found: NDArray[np.float64] = shared / (sizes[first] + sizes[second] - shared)
        return found

    return likeness


TRANSITIONS = Source("git.transitions", TRANSITIONS_SQL, COMMIT_TABLE)
STATE_SIMILARITY = PairType(
    name="state_similarity",
    purpose="times when the same files were worked on",
    source=TRANSITIONS,
    further_sources=(FILE_HISTORY,),
    derive=derive,
    version=3,
    missing="commits that come back to files of earlier ones",
    teaches_corpus_model=False,  # a state names the files that change together: `temporal` is tested on that
)
