"""Commits and notes as passages, and files that commits alone tell of."""

from collections.abc import Collection, Iterable, Iterator

from patina_assets.pairs.code_text import file_text
from patina_assets.pairs.commits import COMMIT_TABLE, LIVE_COMMITS, ChangeSet, read_commit, without_trailers
from patina_assets.pairs.files import Files
from patina_assets.pairs.items import Item
from patina_assets.passages.passage import PART_CHARACTERS, Passage
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.normal_forms import utc_time
from patina_resources.eventlog.reader import Row, Source

COMMITS = Source(
    "git.log",
    f"""{LIVE_COMMITS}
SELECT timestamp, sha, files, message, COALESCE(body, ''), COALESCE(recorded, author)
FROM git_commit
WHERE message IS NOT NULL
ORDER BY sha
""",
    COMMIT_TABLE,
)
# Commits of one second are shown in the order in which they were read; merges are known by their parents. Nothing
# that is built depends on it.
READ_ORDER = Source(
    "git.read_order",
    f"""
WITH event AS MATERIALIZED (
    SELECT seq, source_id, data FROM eventlog WHERE event_type = 'git.commit' AND {LIVE}
)
SELECT COALESCE(json_extract(data, '$.sha'), source_id), MAX(seq),
       MAX(COALESCE(json_type(data, '$.parents') = 'integer' AND json_extract(data, '$.parents') > 1, 0))
FROM event
GROUP BY 1
""",
)
# Of a commit of more files the first say what it is about; a formatting run is about none.
MOST_PATHS = 20
EMBEDDED_CHARACTERS = 400


def commit_passages(rows: Iterable[Row], files: Files) -> Iterator[Passage]:
    """Yield one passage for each commit that has a subject.

    Args:
        rows: Rows of `COMMITS`.
        files: What became of every path: a commit is found by the newest names of what it touched.
    """
    for row in rows:
        passage = commit_passage(row, read_commit(row, files))
        if passage.symbol:
            yield passage


def commit_passage(row: Row, commit: ChangeSet) -> Passage:
    """Return a commit as a passage; its symbol is "" where it has no subject.

    Args:
        row: A row of `COMMITS`.
        commit: The commit of this row.
    """
    timestamp, _, _, message, told, author = row
    subject, _, rest = message.strip().partition("\n")
    body = without_trailers(told or rest)
    return Passage(
        kind="commit",
        text=f"{subject}\n{body}"[:EMBEDDED_CHARACTERS].strip(),
        symbol=subject,
        body=body[:PART_CHARACTERS],
        commit=commit.sha,
        time=utc_time(timestamp),
        author=author.partition(" <")[0] if isinstance(author, str) else None,
        paths=tuple(commit.paths[:MOST_PATHS]),
    )


def note_passage(item: Item, line: int | None = None, time: str | None = None) -> Passage:
    """Return a note as a passage.

    Args:
        item: The note.
        line: Where it stands in its file, where that is known.
        time: When it was written (ISO 8601, UTC), where that is to be told.
    """
    return Passage(item.kind, item.text, body=item.text, path=item.file, line=line, session=item.session,
                   commit=item.commit, state=item.state, time=time)  # fmt: skip


def file_passages(rows: Iterable[Row], files: Files, read: Collection[str | None]) -> Iterator[Passage]:
    """Yield a passage for each file whose text is not read: its path, and whether it is removed.

    Args:
        rows: Rows of `COMMITS`.
        files: What became of every path.
        read: Paths that other passages tell of.
    """
    touched = {path for row in rows for path in read_commit(row, files).paths}
    for path in sorted(touched.difference(read)):
        item = files.item(path, file_text(path))
        yield Passage(item.kind, item.text, body=item.text, path=path, state=item.state)
