"""Which events hold now: the one rule, for every reader, for the writer, and for the derived tables.

An event is *live* if it can be read, takes nothing back itself, and no later event takes it back. What vanished from a
repository is taken back by an appended `git.removed`, `session.removed`, `code.removed`, `doc.removed` or
`forge.removed` event, whose payload lists the events: `{"seqs": [17, 18]}`. Whole numbers below its own seq count;
whatever else stands there says nothing.
"""

from patina_resources.eventlog.payloads import readable

# A query for the seqs that are named by an event `removal` that takes back.
# `NOT IN` of a list with a NULL is never true, so nothing but whole numbers may come into that list.
TAKEN_BACK = f"""
        SELECT named.value
        FROM eventlog AS removal,
             json_each(CASE WHEN {readable("removal.")} AND json_type(removal.data, '$.seqs') = 'array'
                            THEN removal.data ELSE '{{}}' END, '$.seqs') AS named
        WHERE removal.event_type IN ('git.removed', 'session.removed', 'code.removed', 'doc.removed',
                                     'forge.removed')
              AND named.type = 'integer' AND named.value < removal.seq"""
NOT_TAKEN_BACK = f"seq NOT IN ({TAKEN_BACK})"

# The condition in SQL that a row of `eventlog` is a live event; a connection needs `is_shallow_json`. Its `data` is
# then valid JSON. For a common table expression that is MATERIALIZED: SQLite would otherwise look again for each field
# that is taken out of it.
LIVE = f"typeof(event_type) = 'text' AND event_type NOT GLOB '*.removed' AND {readable()} AND {NOT_TAKEN_BACK}"

# The order, in SQL, of live events that tell of one unchanging thing, such as a commit: the one that tells most is
# first. When an event was appended says nothing: another machine appended it at another time.
FULLEST_FIRST = "length(data) DESC, data, timestamp"
