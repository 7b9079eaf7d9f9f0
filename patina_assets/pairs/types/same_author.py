"""`same_author`: commits and files of one author belong together; those of another author do not."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from patina_assets.pairs.code_text import file_text
from patina_assets.pairs.commits import COMMIT_TABLE, LIVE_COMMITS, ChangeSet, commit_item, has_subject, read_commit
from patina_assets.pairs.files import FILE_HISTORY, Files, read_files
from patina_assets.pairs.items import Context, Item, dealt
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_assets.pairs.splits import Split
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.reader import Row, Source

# Who an author of earlier commits is by now: see materialize/git/untold.py.
AUTHORS_SQL = f"""{LIVE_COMMITS}, identity AS MATERIALIZED (
    SELECT json_extract(data, '$.recorded_author') AS recorded,
           MIN(lower(COALESCE(json_extract(data, '$.author_email'), json_extract(data, '$.author_name')))) AS author
    FROM eventlog
    WHERE event_type = 'git.identity' AND {LIVE}
    GROUP BY 1
), authored AS (
    SELECT git_commit.*, COALESCE(identity.author, git_commit.author) AS person
    FROM git_commit LEFT JOIN identity ON identity.recorded = git_commit.recorded
)
SELECT timestamp, sha, files, message, body, person
FROM authored
WHERE message IS NOT NULL AND typeof(person) = 'text' AND person <> ''
ORDER BY sha
"""
# Of an author with fewer commits there is not enough to know him or her by.
LEAST_COMMITS = 5


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return commits, and the files that they were the first to touch, as items, and groups of one author as contexts.

    An author is an e-mail address, or a name where there is none; authors of fewer than 5 commits are left out. A
    commit belongs to its author, a file to that of the first commit that touched it. Both are split by the time of
    that commit, and contexts are drawn from one part. Subjects that two authors used are in both's contexts.
    """
    files = read_files(rows[FILE_HISTORY.name])
    read = [(read_commit(row, files), *row[3:]) for row in rows[AUTHORS.name] if has_subject(row[3])]
    counts = Counter(author for *_, author in read)
    commits = sorted((entry for entry in read if counts[entry[3]] >= LEAST_COMMITS), key=lambda entry: entry[0].moment)
    splits = options.splits.by_time(commit.moment for commit, *_ in commits)
    belongings: dict[tuple[str, Split], list[Item]] = defaultdict(list)
    apart: dict[str, set[str]] = defaultdict(set)
    seen: set[str] = set()
    for (commit, message, body, author), split in zip(commits, splits, strict=True):
        found = [commit_item(commit, message, body), *_new_files(commit, files, seen)]
        belongings[author, split] += found
        for item in found:
            apart[item.text].add(author)
    items = [item for found in belongings.values() for item in found]
    if len({author for author, _ in belongings}) < 2:
        return PairData(items, [])
    contexts = [Context(group, split) for (_, split), found in belongings.items() for group in dealt(found)]
    return PairData(items, contexts, apart)


def _new_files(commit: ChangeSet, files: Files, seen: set[str]) -> list[Item]:
    """Return the files of a commit that are not in `seen`, and add them to it."""
    new = [path for path in commit.paths if path not in seen]
    seen.update(new)
    return [files.item(path, file_text(path)) for path in new]


AUTHORS = Source("git.authors", AUTHORS_SQL, COMMIT_TABLE)
SAME_AUTHOR = PairType(
    name="same_author",
    purpose="commits and files of the same author",
    source=AUTHORS,
    further_sources=(FILE_HISTORY,),
    derive=derive,
    version=4,
    missing=f"two authors (e-mail addresses) with {LEAST_COMMITS} commits each, not only among the newest commits",
    teaches_corpus_model=True,
)
