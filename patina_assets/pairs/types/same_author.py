"""`same_author`: commits and files of one author belong together; those of another author do not."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from patina_assets.pairs.code_text import file_text
from patina_assets.pairs.commits import LIVE_COMMITS, Commit, commit_item, has_subject, read_commit
from patina_assets.pairs.relations import Context, Item, PairData, PairType, dealt
from patina_assets.pairs.splits import Split, split_by_time
from patina_resources.eventlog.reader import Row, Source

AUTHORS_SQL = f"""{LIVE_COMMITS}
SELECT seq, timestamp, sha, files, message, author
FROM git_commit
WHERE message IS NOT NULL AND typeof(author) = 'text' AND author <> ''
ORDER BY seq
"""
# Of an author with fewer commits there is not enough to know him or her by.
LEAST_COMMITS = 5


def derive(rows: Mapping[str, Sequence[Row]]) -> PairData:
    """Return commits, and the files that they were the first to touch, as items, and groups of one author as contexts.

    An author is an e-mail address, or a name where there is none; authors of fewer than 5 commits are left out. A
    commit belongs to its author, a file to that of the first commit that touched it. Both are split by the time of
    that commit, and contexts are drawn from one part. Subjects that two authors used are in both's contexts.
    """
    read = [(read_commit(row), row[4], row[5]) for row in rows[AUTHORS.name] if has_subject(row[4])]
    counts = Counter(author for *_, author in read)
    commits = sorted((entry for entry in read if counts[entry[2]] >= LEAST_COMMITS), key=lambda entry: entry[0].moment)
    splits = split_by_time(commit.moment for commit, *_ in commits)
    belongings: dict[tuple[str, Split], list[Item]] = defaultdict(list)
    apart: dict[str, set[str]] = defaultdict(set)
    seen: set[str] = set()
    for (commit, message, author), split in zip(commits, splits, strict=True):
        found = [commit_item(commit, message), *_new_files(commit, seen)]
        belongings[author, split] += found
        for item in found:
            apart[item.text].add(author)
    items = [item for found in belongings.values() for item in found]
    if len({author for author, _ in belongings}) < 2:
        return PairData(items, [])
    contexts = [Context(group, split) for (_, split), found in belongings.items() for group in dealt(found)]
    return PairData(items, contexts, {text: sorted(authors) for text, authors in apart.items()})


def _new_files(commit: Commit, seen: set[str]) -> list[Item]:
    """Return the files of a commit that are not in `seen`, and add them to it."""
    new = [path for path in commit.paths if path not in seen]
    seen.update(new)
    return [Item("file", file_text(path), file=path, seq=commit.seq) for path in new]


AUTHORS = Source("git.authors", AUTHORS_SQL)
SAME_AUTHOR = PairType(
    name="same_author",
    source=AUTHORS,
    derive=derive,
    version=1,
    missing=f"two authors (e-mail addresses) with {LEAST_COMMITS} commits each",
)
