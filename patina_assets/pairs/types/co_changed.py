"""`co_changed`: two files that changed in the same commit belong together; files that never did do not."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from patina_assets.pairs.code_text import file_text, normal_path_sql
from patina_assets.pairs.files import FILE_HISTORY, read_files
from patina_assets.pairs.items import Context
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_assets.pairs.splits import Split
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.normal_forms import current_path, utc_time
from patina_resources.eventlog.reader import Row, Source

# Commits of one file say nothing; those of over 50 are moves, formatting runs and imports.
CO_CHANGES_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT timestamp, source_id, data
    FROM eventlog
    WHERE event_type = 'git.commit' AND {LIVE}
), changed AS (
    SELECT event.timestamp, COALESCE(json_extract(event.data, '$.sha'), event.source_id) AS sha,
           CASE file.type WHEN 'text' THEN file.value
                          WHEN 'object' THEN COALESCE(json_extract(file.value, '$.path'),
                                                      json_extract(file.value, '$.file_path')) END AS path
    FROM event, json_each(event.data, CASE json_type(event.data, '$.files') WHEN 'array' THEN '$.files'
                                      ELSE '$.files_changed' END) AS file
), first_seen AS (
    SELECT MIN(timestamp) AS timestamp, sha, {normal_path_sql("path")} AS path
    FROM changed
    WHERE typeof(path) = 'text' AND path <> ''
    GROUP BY 2, 3
)
SELECT timestamp, sha, path
FROM first_seen
WHERE sha IN (SELECT sha FROM first_seen GROUP BY sha HAVING COUNT(*) BETWEEN 2 AND 50)
ORDER BY sha, path
"""

# Files of a commit, and its part of the data.
FileGroup = tuple[tuple[str, ...], Split]


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return every file of a commit that touched 2-50 files as an item, and every such commit as a context.

    Commits are split by time: training sees the oldest 80 %, the test asks about the newest 10 %.

    Args:
        rows: The rows of the sources.
        options: Two files belong together if `min_count` commits touched both, up to the end of a commit's part of the
            data. From 2 on, a context is two such files of a commit.
    """
    files = read_files(rows[FILE_HISTORY.name])
    commits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for timestamp, sha, written in rows[CO_CHANGES.name]:
        time = utc_time(timestamp)
        commits[(time, str(sha))].add(files.name(time, current_path(written)))
    items = {name: files.item(name, file_text(name)) for name in sorted(set().union(*commits.values()))}
    # The sha breaks ties: an import of many commits may give all of them one time.
    splits = options.splits.by_time(f"{time} {sha}" for time, sha in commits)
    groups = [(tuple(sorted(names)), split) for names, split in zip(commits.values(), splits, strict=True)]
    if options.min_count > 1:
        groups = _often_together(groups, options.min_count)
    return PairData(
        items=list(items.values()),
        contexts=[Context(tuple(items[name] for name in names), split) for names, split in groups],
    )


def _often_together(groups: Sequence[FileGroup], min_count: int) -> list[FileGroup]:
    """Return the pairs of files that `min_count` groups hold: groups of a pair's part of the data and of earlier ones.

    So nothing that the test asks about has a say in what is trained on.
    """
    counts: Counter[tuple[str, str]] = Counter()
    found: list[FileGroup] = []
    for split in Split:
        pairs = [pair for names, part in groups if part == split for pair in combinations(names, 2)]
        counts.update(pairs)
        found += [(pair, split) for pair in dict.fromkeys(pairs) if counts[pair] >= min_count]
    return found


CO_CHANGES = Source("git.co_changes", CO_CHANGES_SQL)
CO_CHANGED = PairType(
    name="co_changed",
    purpose="files that change together",
    source=CO_CHANGES,
    further_sources=(FILE_HISTORY,),
    derive=derive,
    version=4,
    missing="commits that touch 2 to 50 files",
    teaches_corpus_model=True,
    hard_negatives=True,
    min_count=1,
)
