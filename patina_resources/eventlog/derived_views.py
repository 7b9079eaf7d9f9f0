"""The tables derived from the events, for people who query them: rebuilt from the live events, never read back."""

from patina_resources.eventlog.writer import EventlogWriter


def _field(*names: str, of: str = "data") -> str:
    """Return SQL for the first of these fields of a payload that is there."""
    extracts = [f"json_extract({of}, '$.{name}')" for name in names]
    return extracts[0] if len(extracts) == 1 else f"COALESCE({', '.join(extracts)})"


def _filled(table: str, columns: dict[str, str], rows: str) -> tuple[str, str]:
    """Return a table's name and the statement that fills it; `columns` maps a column to the SQL of its value."""
    names, values = ", ".join(columns), ",\n       ".join(columns.values())
    return table, f"INSERT OR REPLACE INTO {table} ({names})\nSELECT {values}\n{rows}"


FILE = _field("file", "file_path")
CALLER = _field("caller", "caller_name")
CALLEE = _field("callee", "callee_name")

COMMITS = _filled(
    "commits",
    {
        "sha": "source_id",
        "message": _field("message"),
        "author_name": _field("author_name", "author"),
        "author_email": _field("author_email"),
        "timestamp": "timestamp",
    },
    "FROM live WHERE event_type = 'git.commit' AND seq > :last ORDER BY seq",
)
COMMIT_FILES = _filled(
    "commit_files",
    {
        "sha": "event.source_id",
        "file_path": _field("path", of="file.value"),
        "change_type": _field("change_type", of="file.value"),
        "lines_added": _field("lines_added", of="file.value"),
        "lines_removed": _field("lines_removed", of="file.value"),
    },
    "FROM live AS event, json_each(event.data, '$.files') AS file "
    "WHERE event.event_type = 'git.commit' AND event.seq > :last AND file.type = 'object' "
    "ORDER BY event.seq, file.key",
)
# Commits of one file say nothing about pairs; those of over 50 are moves, formatting runs and imports.
CO_CHANGES = _filled(
    "co_changes",
    {"file_a": "one.file_path", "file_b": "other.file_path", "count": "COUNT(*)"},
    "FROM commit_files AS one JOIN commit_files AS other ON other.sha = one.sha AND other.file_path > one.file_path "
    "WHERE one.sha IN (SELECT sha FROM commit_files "
    "WHERE sha IN (SELECT source_id FROM live WHERE event_type = 'git.commit' AND seq > :last) "
    "GROUP BY sha HAVING COUNT(*) BETWEEN 2 AND 50) "
    "GROUP BY one.file_path, other.file_path "
    "ON CONFLICT (file_a, file_b) DO UPDATE SET count = count + excluded.count",
)
SESSIONS = _filled(
    "sessions",
    {
        "id": "source_id",
        "title": _field("title"),
        "started_at": _field("started_at"),
        "ended_at": _field("ended_at"),
        "branch": _field("branch"),
        "classification": _field("classification"),
        "files_changed": _field("files_changed"),
        "commits_made": _field("commits_made"),
        "file_path": f"COALESCE({_field('file_path')}, source_file)",
    },
    "FROM live WHERE event_type = 'session.started' ORDER BY seq",
)
OBSERVATIONS = _filled(
    "observations",
    {
        "session_id": f"COALESCE({_field('session_id')}, source_id)",
        "content": _field("content"),
        "observation_type": f"COALESCE({_field('observation_type')}, substr(event_type, 9))",
        "timestamp": "timestamp",
    },
    "FROM live WHERE event_type IN ('session.decision', 'session.pattern', 'session.work', 'session.context', "
    "'session.observation') ORDER BY seq",
)
GOALS = _filled(
    "goals",
    {
        "session_id": f"COALESCE({_field('session_id')}, source_id)",
        "content": _field("content"),
        "completed": _field("completed"),
    },
    "FROM live WHERE event_type = 'session.goal' ORDER BY seq",
)
FUNCTION_FLAGS = (
    "takes_mut_self",
    "takes_mut_params",
    "returns_result",
    "returns_option",
    "is_async",
    "is_unsafe",
    "is_public",
    "parameter_count",
    "generic_count",
    "return_type",
)
FUNCTION_FACTS = _filled(
    "function_facts",
    {
        "file": FILE,
        "name": _field("name"),
        "parameters": "COALESCE((SELECT group_concat(value, ', ') FROM json_each(event.data, '$.parameters')), '')",
        **{flag: _field(flag) for flag in FUNCTION_FLAGS},
    },
    # Materialized: SQLite would otherwise look for each field whether the event is live.
    "FROM (WITH event AS MATERIALIZED (SELECT seq, data FROM live WHERE event_type = 'code.function') "  # noqa: S608
    f"SELECT * FROM event) AS event WHERE {FILE} IS NOT NULL AND {_field('name')} IS NOT NULL ORDER BY seq",
)
CALL_GRAPH = _filled(
    "call_graph",
    {
        "caller": CALLER,
        "callee": CALLEE,
        "file": FILE,
        "call_type": f"COALESCE({_field('call_type')}, 'direct')",
        "line_number": _field("line_number"),
    },
    f"FROM live WHERE event_type = 'code.call' AND {CALLER} IS NOT NULL AND {CALLEE} IS NOT NULL "
    f"AND {FILE} IS NOT NULL ORDER BY seq",
)
VIEWS = {
    "git": (COMMITS, COMMIT_FILES, CO_CHANGES),
    "session": (SESSIONS, OBSERVATIONS, GOALS),
    "code": (FUNCTION_FACTS, CALL_GRAPH),
}


# Tables of this kind are extended by new events: their statements take those behind `:last`.
EXTENDED = "git"
EVERYTHING = -(2**63)
# A commit that is taken back, or told of again, changes what older rows say.
CHANGES_OLDER_SQL = """
SELECT 1 FROM eventlog
WHERE seq > :last AND (event_type = 'git.removed'
                       OR event_type = 'git.commit' AND source_id IN (SELECT sha FROM commits))
LIMIT 1
"""


def rebuild_views(writer: EventlogWriter) -> tuple[str, ...]:
    """Bring up to date the tables whose events changed since they were last built, each kind in one transaction.

    Tables of commits are extended by new commits; all others, and after a retraction these, too, are rebuilt.

    Returns the names of these tables.

    Raises:
        PatinaError: The eventlog cannot be written.
    """
    rebuilt: list[str] = []
    for kind, tables in VIEWS.items():
        key = f"materialize_views_{kind}"
        with writer.transaction():
            last, before = str(writer.last_seq(kind)), writer.state(key)
            if before == last:
                continue
            values = {"last": _kept_until(writer, before)} if kind == EXTENDED else {}
            for table, statement in tables:
                if values.get("last", EVERYTHING) == EVERYTHING:
                    writer.empty(table)
                writer.run(statement, values)
                rebuilt.append(table)
            writer.set_state(key, last)
    return tuple(rebuilt)


def _kept_until(writer: EventlogWriter, before: str | None) -> int:
    """Return the seq of the last event that the tables of commits hold; EVERYTHING's where they are to be rebuilt."""
    last = int(before) if before and before.isdecimal() else EVERYTHING
    return EVERYTHING if writer.read(CHANGES_OLDER_SQL, {"last": last}) else last
