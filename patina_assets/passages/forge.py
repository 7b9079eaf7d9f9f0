"""Issues, pull requests and their comments as passages: one thing each, with all that was said about it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from patina_assets.passages.passage import Passage, parts_of
from patina_resources.eventlog.live import FULLEST_FIRST, LIVE
from patina_resources.eventlog.normal_forms import utc_time
from patina_resources.eventlog.payloads import parsed
from patina_resources.eventlog.reader import Row, Source

# One row for each. Nothing in an event says which of two live ones is newer: the scraper takes the older one back.
FORGE = Source(
    "forge.threads",
    f"""
WITH event AS MATERIALIZED (
    SELECT timestamp, substr(event_type, 7) AS kind, source_id AS name, data
    FROM eventlog
    WHERE event_type IN ('forge.issue', 'forge.pr', 'forge.comment') AND typeof(source_id) = 'text' AND {LIVE}
), ranked AS (
    SELECT kind, name, data, ROW_NUMBER() OVER (PARTITION BY name ORDER BY {FULLEST_FIRST}, kind) AS place FROM event
)
SELECT kind, name, data
FROM ranked
WHERE place = 1
ORDER BY name
""",
)
COMMENT = "comment"
KINDS = frozenset({"issue", "pr", COMMENT})
EMBEDDED_CHARACTERS = 700
MOST_PATHS = 20


def forge_passages(rows: Iterable[Row]) -> Iterator[Passage]:
    """Yield the issues, pull requests and comments, long ones in parts.

    All about one issue have its name, such as `github.com/owner/name#12`, as their session.

    Args:
        rows: Rows of `FORGE`.
    """
    for parts in forge_things(rows):
        yield from parts


def forge_things(rows: Iterable[Row]) -> Iterator[list[Passage]]:
    """Yield the parts of each issue, pull request and comment; see `forge_passages`."""
    told = [(kind, name, _fields(data)) for kind, name, data in rows]
    titles = {name: _text(fields, "title") for kind, name, fields in told if kind != COMMENT}
    for kind, name, fields in told:
        thread = name.partition(" ")[0]
        title, body, time = titles.get(thread, ""), _text(fields, "body").strip(), _text(fields, "created_at")
        yield [
            Passage(
                kind=kind,
                text=f"{title}\n{part}"[:EMBEDDED_CHARACTERS].strip(),
                symbol=title,
                doc=" ".join(_texts(fields, "labels")),
                body=part,
                session=thread,
                time=utc_time(time) if time else None,
                author=_text(fields, "author") or None,
                paths=_texts(fields, "files")[:MOST_PATHS],
                url=_text(fields, "url") or None,
                status=_text(fields, "state") or None,
            )
            for _, _, part in parts_of(body.split("\n"), 1)
            if part.strip() or (title and kind != COMMENT)
        ]


def thread_number(name: str) -> str:
    """Return `#12` of `github.com/owner/name#12`, and `!12` of a merge request."""
    return name[max(name.rfind("#"), name.rfind("!"), 0) :]


def _fields(data: str) -> Mapping[str, Any]:
    fields = parsed(data)
    return fields if isinstance(fields, dict) else {}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = fields.get(name)
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()
