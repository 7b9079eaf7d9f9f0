"""`co_changed`: two files that changed in the same commit belong together; files that never did do not."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from patina_assets.pairs.code_text import file_text, normal_path_sql
from patina_assets.pairs.commits import current_path, utc_time
from patina_assets.pairs.relations import Context, Item, PairData, PairType
from patina_assets.pairs.splits import split_by_time
from patina_resources.eventlog.payloads import EVENT_DATA
from patina_resources.eventlog.reader import NOT_RETRACTED, Row, Source

# Commits of one file say nothing; those of over 50 are moves, formatting runs and imports.
CO_CHANGES_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT seq, timestamp, source_id, {EVENT_DATA} AS data
    FROM eventlog
    WHERE event_type = 'git.commit' AND {NOT_RETRACTED}
), changed AS (
    SELECT event.seq, event.timestamp, COALESCE(json_extract(event.data, '$.sha'), event.source_id) AS sha,
           CASE file.type WHEN 'text' THEN file.value
                          WHEN 'object' THEN COALESCE(json_extract(file.value, '$.path'),
                                                      json_extract(file.value, '$.file_path')) END AS path
    FROM event, json_each(event.data, CASE json_type(event.data, '$.files') WHEN 'array' THEN '$.files'
                                      ELSE '$.files_changed' END) AS file
), first_seen AS (
    SELECT MIN(seq) AS seq, MIN(timestamp) AS timestamp, sha, {normal_path_sql("path")} AS path
    FROM changed
    WHERE typeof(path) = 'text' AND path <> ''
    GROUP BY 3, 4
)
SELECT seq, timestamp, sha, path
FROM first_seen
WHERE sha IN (SELECT sha FROM first_seen GROUP BY sha HAVING COUNT(*) BETWEEN 2 AND 50)
ORDER BY seq, path
"""


def derive(rows: Mapping[str, Sequence[Row]]) -> PairData:
    """Return every file of a commit that touched 2-50 files as an item, and every such commit as a context.

    Commits are split by time: training sees the oldest 80 %, the test asks about the newest 10 %.
    """
    first_seq: dict[str, int] = {}
    commits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for seq, timestamp, sha, written in rows[CO_CHANGES.name]:
        path = current_path(written)
        first_seq[path] = min(seq, first_seq.get(path, seq))
        commits[(utc_time(timestamp), str(sha))].add(path)
    items = {name: Item(kind="file", text=file_text(name), file=name, seq=seq) for name, seq in first_seq.items()}
    # The sha breaks ties: an import of many commits may give all of them one time.
    splits = split_by_time(f"{time} {sha}" for time, sha in commits)
    return PairData(
        items=list(items.values()),
        contexts=[
            Context(tuple(items[name] for name in sorted(names)), split)
            for names, split in zip(commits.values(), splits, strict=True)
        ],
    )


CO_CHANGES = Source("git.co_changes", CO_CHANGES_SQL)
CO_CHANGED = PairType(
    name="co_changed",
    source=CO_CHANGES,
    derive=derive,
    version=2,
    missing="commits that touch 2 to 50 files",
    hard_negatives=True,
)
