"""`same_session`: two notes of one work session belong together; a note of another session does not."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.payloads import text_key_sql
from patina_resources.eventlog.reader import Row, Source

# A session.file event says where the notes of a file stand, a session.started event whether a record is superseded. A
# note that several files hold is that of the first one by name.
NOTES_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT event_type, timestamp, substr(event_type, 9) AS kind, source_id, data,
           CASE WHEN typeof(source_file) = 'text' THEN source_file END AS file
    FROM eventlog
    WHERE event_type IN ('session.decision', 'session.pattern', 'session.goal', 'session.work', 'session.context',
                         'session.observation', 'session.started', 'session.file') AND {LIVE}
), note AS MATERIALIZED (
    SELECT kind, timestamp, COALESCE(json_extract(data, '$.session_id'), source_id) AS session, file,
           trim(json_extract(data, '$.content'), char(9, 10, 11, 12, 13, 32)) AS content
    FROM event
    WHERE kind NOT IN ('started', 'file') AND json_type(data, '$.content') = 'text'
), state AS MATERIALIZED (
    SELECT file, MAX(json_extract(data, '$.state')) AS state
    FROM event
    WHERE kind = 'started' AND json_type(data, '$.state') = 'text'
    GROUP BY file
), place AS MATERIALIZED (
    SELECT file, substr(kinds.key, 9) AS kind, texts.key AS text, MIN(lines.value) AS line
    FROM event,
         json_each(CASE WHEN json_type(data, '$.lines') = 'object' THEN data ELSE '{{}}' END, '$.lines') AS kinds,
         json_each(CASE WHEN kinds.type = 'object' THEN kinds.value ELSE '{{}}' END) AS texts,
         json_each(CASE WHEN texts.type = 'array' THEN texts.value ELSE '[]' END) AS lines
    WHERE event.kind = 'file' AND lines.type = 'integer' AND lines.value BETWEEN 1 AND 2147483647
    GROUP BY 1, 2, 3
), told AS (
    SELECT session, note.kind AS kind, content, CASE WHEN line IS NOT NULL THEN note.file END AS file, line, state,
           MIN(timestamp) OVER (PARTITION BY session, note.kind, content) AS time,
           ROW_NUMBER() OVER (PARTITION BY session, note.kind, content
                              ORDER BY line IS NULL, note.file, state, line) AS place
    FROM note
    LEFT JOIN state ON state.file = note.file
    LEFT JOIN place ON place.file = note.file AND place.kind = note.kind AND place.text = {text_key_sql("content")}
    WHERE length(content) > 20
)
"""
OBSERVATIONS_SQL = f"""{NOTES_SQL}
SELECT session, kind, content, file, state
FROM told
WHERE place = 1
ORDER BY session, kind, content
"""
# Where each note stands, and when it was written: both change while the note stays what it is.
NOTE_PLACES_SQL = f"""{NOTES_SQL}
SELECT session, kind, content, line
FROM told
WHERE place = 1 AND line IS NOT NULL
ORDER BY session, kind, content
"""
NOTE_TIMES_SQL = f"""{NOTES_SQL}
SELECT session, kind, content, time
FROM told
WHERE place = 1 AND typeof(time) = 'text'
"""


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return every session note over 20 characters as an item, and every session as a context.

    Sessions are split by a hash of their id, so no session has notes in two parts. Where the eventlog says where the
    notes of a file stand, an item has the file.
    """
    sessions: dict[str, list[Item]] = defaultdict(list)
    for session, kind, content, file, state in rows[OBSERVATIONS.name]:
        sessions[str(session)].append(Item(kind, content, file, str(session), state=state))
    return PairData(
        items=[item for notes in sessions.values() for item in notes],
        contexts=[Context(tuple(notes), options.splits.by_hash(session)) for session, notes in sessions.items()],
    )


def of_notes(rows: Iterable[Row]) -> dict[Item, Any]:
    """Return what a source tells of each note, from the rows of `NOTE_PLACES` or `NOTE_TIMES`.

    Returns:
        By the note as `note_key` has it.
    """
    return {note_key(Item(kind, content, session=str(session))): told for session, kind, content, told in rows}


def note_key(note: Item) -> Item:
    """Return what makes a note the one that it is: its session, kind and text."""
    return Item(note.kind, note.text, session=note.session)


OBSERVATIONS = Source("sessions.observations", OBSERVATIONS_SQL)
NOTE_PLACES = Source("sessions.places", NOTE_PLACES_SQL)
NOTE_TIMES = Source("sessions.times", NOTE_TIMES_SQL)
SAME_SESSION = PairType(
    name="same_session",
    purpose="notes that belong to the same work session",
    source=OBSERVATIONS,
    derive=derive,
    version=3,
    missing="two sessions with two notes of over 20 characters each",
    teaches_corpus_model=True,
)
