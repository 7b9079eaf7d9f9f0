"""`same_day`: commits of the same day belong together."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from patina_assets.pairs.commits import GIT_COMMITS
from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_resources.eventlog.reader import Row


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return every commit as an item, and the commits of a day as a context.

    Days are split by a hash, so that no day has commits in two parts.
    """
    days: dict[str, list[Item]] = defaultdict(list)
    for time, sha, _files, message, *_ in rows[GIT_COMMITS.name]:
        days[str(time)[:10]].append(Item("commit", str(message), commit=str(sha)))
    return PairData(
        items=[commit for commits in days.values() for commit in commits],
        contexts=[Context(tuple(commits), options.splits.by_hash(day)) for day, commits in days.items()],
    )


SAME_DAY = PairType(
    name="same_day",
    purpose="commits of the same day",
    source=GIT_COMMITS,
    derive=derive,
    version=1,
    missing="two days with two commits each",
    teaches_corpus_model=False,
)
