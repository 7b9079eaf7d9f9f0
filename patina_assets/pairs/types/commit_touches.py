"""`commit_touches`: a commit and a file that it touched belong together. What it did not touch does not."""

from collections.abc import Mapping, Sequence

from patina_assets.pairs.commits import GIT_COMMITS, MOST_FILES, commit_item, has_subject, read_commit
from patina_assets.pairs.definitions import DEFINITIONS, defined_names, telling_file_text
from patina_assets.pairs.files import FILE_HISTORY, read_files
from patina_assets.pairs.items import Context
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_resources.eventlog.reader import Row


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return commits of 1-50 files and these files as items, and a commit with each of its files as a context of two.

    Two commits, or two files, are neither positives nor negatives: what is learned is which files a subject line
    means, and which commits a file has seen. Commits are split by time: the test asks about the newest 10 %.
    A file's text holds what it defines, which a subject may name; a commit's text is its subject.
    """
    files_of = read_files(rows[FILE_HISTORY.name])
    told = [(read_commit(row, files_of), row[3], row[4]) for row in rows[GIT_COMMITS.name] if has_subject(row[3])]
    commits = [entry for entry in told if 1 <= len(entry[0].changes) <= MOST_FILES]
    touched = {path for commit, *_ in commits for path in commit.paths}
    names = defined_names(rows[DEFINITIONS.name])
    files = {path: files_of.item(path, telling_file_text(path, names.get(path, ()))) for path in sorted(touched)}
    contexts, subjects = [], []
    splits = options.splits.by_time(commit.moment for commit, *_ in commits)
    for (commit, message, body), split in zip(commits, splits, strict=True):
        subject = commit_item(commit, message, body)
        subjects.append(subject)
        contexts += [Context((subject, files[path]), split) for path in commit.paths]
    items = [*subjects, *files.values()]
    return PairData(items, contexts, apart={item.text: (item.kind,) for item in items})


COMMIT_TOUCHES = PairType(
    name="commit_touches",
    purpose="commits and the files that their subjects mean",
    source=GIT_COMMITS,
    further_sources=(DEFINITIONS, FILE_HISTORY),
    derive=derive,
    version=3,
    missing="commits with a message and 1 to 50 files",
    teaches_corpus_model=True,
)
