"""Where in a file its definitions, calls and imports stand now: one `code.file` event for each source file.

Line numbers change with every line that is added above, so they are part of no fact. An event of a function, type, call
or import keeps the lines that it was appended with, and is the same event wherever it has moved since: a line added
above it appends nothing about it, and an edit that is undone leaves the facts as they were. Where everything stands now
is in the file's own `code.file` event, which is replaced as one row when the content changes. No training source reads
it. Its payload:

    file      as in every `code.*` event
    language  such as `Python`
    digest    SHA-256 (hex) of the file's content: what was read, for whoever reads the file again
    lines     {event type: {key: places}}, where `{file}::{key}` is the source_id of these events

`places` are in the order of the source. Of a function or type each is `[start_line, end_line, digest]`, with the first
DIGEST_CHARACTERS of the event's own `digest`, which tells namesakes in one file apart. Of a call or import each is a
line.
"""

import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from patina_resources.eventlog.payloads import parsed
from patina_resources.eventlog.writer import Event, LiveEvent

FILE_EVENT = "code.file"
LINE_KEYS = frozenset({"start_line", "end_line", "line_number"})
DIGEST_CHARACTERS = 12

KeyedFacts = Iterable[tuple[str, str, dict[str, Any]]]


def file_fields(language: str, digest: str, facts: KeyedFacts) -> dict[str, Any]:
    """Return the fields of a `code.file` event but its file, for facts as (event type, key, fields)."""
    lines: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for event_type, key, fields in facts:
        if "digest" in fields:
            place = [fields["start_line"], fields["end_line"], fields["digest"][:DIGEST_CHARACTERS]]
            lines[event_type][key].append(place)
        elif "line_number" in fields:
            lines[event_type][key].append(fields["line_number"])
    return {"language": language, "digest": digest, "lines": lines}


def without_lines(event: Event | LiveEvent) -> Hashable:
    """Return what an event says, without the lines where it stood when it was appended."""
    fields = parsed(event.data)
    if not isinstance(fields, Mapping) or not LINE_KEYS & fields.keys():
        return event.fact
    kept = {key: value for key, value in fields.items() if key not in LINE_KEYS}
    return event.event_type, event.source_id, json.dumps(kept, sort_keys=True)
