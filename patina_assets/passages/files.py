"""Files as events last read them: the digest of each file's content, and what stands on which of its lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from patina_assets.pairs.code_text import normal_path_sql
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.payloads import parsed
from patina_resources.eventlog.reader import Row, Source


@dataclass(frozen=True)
class LineSpan:
    """Where something stands in a file.

    Attributes:
        key: What it is called: `{file}::{key}` is the source_id of its event.
        first: First line, from 1.
        last: Last line.
        digest: The first characters of its event's digest.
    """

    key: str
    first: int
    last: int
    digest: str


def file_source(name: str, event_type: str) -> Source:
    """Return the source of one row for each file: path, digest of its content, and `lines` as JSON.

    Args:
        name: Name of the source.
        event_type: `code.file` or `doc.file`; `materialize/code/lines.py` says what is in it.
    """
    return Source(
        name,
        f"""
WITH event AS MATERIALIZED (
    SELECT data FROM eventlog WHERE event_type = '{event_type}' AND {LIVE}
), placed AS (
    SELECT {normal_path_sql("json_extract(data, '$.file')")} AS file,
           json_extract(data, '$.digest') AS digest,
           CASE json_type(data, '$.lines') WHEN 'object' THEN json_extract(data, '$.lines') END AS lines
    FROM event
), ranked AS (
    SELECT file, digest, lines,
           ROW_NUMBER() OVER (PARTITION BY file ORDER BY digest, lines) AS place
    FROM placed
    WHERE typeof(file) = 'text' AND typeof(digest) = 'text'
)
SELECT file, digest, lines FROM ranked
WHERE place = 1
ORDER BY file
""",
    )


def files_to_read(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Return path and digest (SHA-256, hex) of every file whose text passages are cut from."""
    return [(path, digest) for path, digest, _ in rows]


def line_spans(lines: str | None, event_type: str) -> Iterator[LineSpan]:
    """Yield where the events of a type stand, each place once; entries that make no sense say nothing."""
    table = parsed(lines) if lines else None
    by_key = table.get(event_type) if isinstance(table, dict) else None
    seen: set[LineSpan] = set()
    for key, entries in by_key.items() if isinstance(by_key, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            if not (isinstance(entry, list) and len(entry) == 3 and type(entry[0]) is type(entry[1]) is int):
                continue
            place = LineSpan(key, entry[0], entry[1], str(entry[2]))
            if 1 <= place.first <= place.last and place not in seen:
                seen.add(place)
                yield place
