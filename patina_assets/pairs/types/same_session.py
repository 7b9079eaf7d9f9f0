"""`same_session`: two notes of one work session belong together; a note of another session does not."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from patina_assets.pairs.relations import Context, Item, PairData, PairType
from patina_assets.pairs.splits import split_by_hash
from patina_resources.eventlog.payloads import EVENT_DATA
from patina_resources.eventlog.reader import NOT_RETRACTED, Row, Source

OBSERVATIONS_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT seq, substr(event_type, 9) AS kind, source_id,
           {EVENT_DATA} AS data
    FROM eventlog
    WHERE event_type IN ('session.decision', 'session.pattern', 'session.goal',
                         'session.work', 'session.context', 'session.observation') AND {NOT_RETRACTED}
), note AS (
    SELECT seq, kind, COALESCE(json_extract(data, '$.session_id'), source_id) AS session,
           trim(json_extract(data, '$.content'), char(9, 10, 11, 12, 13, 32)) AS content
    FROM event
    WHERE json_type(data, '$.content') = 'text'
)
SELECT MIN(seq), session, kind, content
FROM note
WHERE length(content) > 20
GROUP BY session, kind, content
ORDER BY MIN(seq)
"""


def derive(rows: Mapping[str, Sequence[Row]]) -> PairData:
    """Return every session note over 20 characters as an item, and every session as a context.

    Sessions are split by a hash of their id, so no session has notes in two parts.
    """
    sessions: dict[str, list[Item]] = defaultdict(list)
    for seq, session, kind, content in rows[OBSERVATIONS.name]:
        sessions[str(session)].append(Item(kind=kind, text=content, session=str(session), seq=seq))
    return PairData(
        items=[item for notes in sessions.values() for item in notes],
        contexts=[Context(tuple(notes), split_by_hash(session)) for session, notes in sessions.items()],
    )


OBSERVATIONS = Source("sessions.observations", OBSERVATIONS_SQL)
SAME_SESSION = PairType(
    name="same_session",
    source=OBSERVATIONS,
    derive=derive,
    version=1,
    missing="two sessions with two notes of over 20 characters each",
)
