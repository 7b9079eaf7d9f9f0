"""The eventlog's tables, letter for letter those of every Patina tool, and the tables derived from them."""

from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.payloads import readable

# In the header of every database that Patina Assets makes (`PRAGMA application_id`): "Patn". The eventlogs of other
# Patina tools have 0, and keep it.
APPLICATION_ID = 0x5061746E

EVENTLOG_SQL = """
CREATE TABLE IF NOT EXISTS eventlog (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- Global ordering
    event_type TEXT NOT NULL,                -- e.g. 'git.commit', 'session.decision'
    timestamp TEXT NOT NULL,                 -- ISO8601 when event occurred
    source_id TEXT NOT NULL,                 -- sha, session_id, function_name, etc
    source_file TEXT,                        -- Original file path
    data TEXT NOT NULL,                      -- Event-specific JSON payload
    CHECK(json_valid(data))
);
CREATE INDEX IF NOT EXISTS idx_eventlog_type ON eventlog(event_type);
CREATE INDEX IF NOT EXISTS idx_eventlog_timestamp ON eventlog(timestamp);
CREATE INDEX IF NOT EXISTS idx_eventlog_source ON eventlog(source_id);
CREATE INDEX IF NOT EXISTS idx_eventlog_type_time ON eventlog(event_type, timestamp);
"""

# What the scrapers remember, so that a second run is quick. All of it can be found again from the events.
STATE_SQL = """
CREATE TABLE IF NOT EXISTS scrape_meta (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS scraped_files (
    scraper TEXT NOT NULL,
    path TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (scraper, path)
);
"""

VIEWS_SQL = """
CREATE TABLE IF NOT EXISTS commits (
    sha TEXT PRIMARY KEY,
    message TEXT,
    author_name TEXT,
    author_email TEXT,
    timestamp TEXT,
    branch TEXT
);
CREATE TABLE IF NOT EXISTS commit_files (
    sha TEXT,
    file_path TEXT,
    change_type TEXT,
    lines_added INTEGER,
    lines_removed INTEGER,
    PRIMARY KEY (sha, file_path)
);
CREATE TABLE IF NOT EXISTS co_changes (
    file_a TEXT,
    file_b TEXT,
    count INTEGER,
    PRIMARY KEY (file_a, file_b)
);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    title TEXT,
    started_at TEXT,
    ended_at TEXT,
    branch TEXT,
    classification TEXT,
    files_changed INTEGER,
    commits_made INTEGER,
    file_path TEXT
);
CREATE TABLE IF NOT EXISTS observations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT,
    content TEXT,
    observation_type TEXT,
    timestamp TEXT,
    FOREIGN KEY (session_id) REFERENCES sessions(id)
);
CREATE TABLE IF NOT EXISTS goals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT,
    content TEXT,
    completed INTEGER,
    FOREIGN KEY (session_id) REFERENCES sessions(id)
);
CREATE TABLE IF NOT EXISTS function_facts (
    file TEXT NOT NULL,
    name TEXT NOT NULL,
    takes_mut_self BOOLEAN DEFAULT FALSE,
    takes_mut_params BOOLEAN DEFAULT FALSE,
    returns_result BOOLEAN DEFAULT FALSE,
    returns_option BOOLEAN DEFAULT FALSE,
    is_async BOOLEAN DEFAULT FALSE,
    is_unsafe BOOLEAN DEFAULT FALSE,
    is_public BOOLEAN DEFAULT FALSE,
    parameter_count INTEGER DEFAULT 0,
    generic_count INTEGER DEFAULT 0,
    parameters TEXT,  -- Comma-separated parameter names
    return_type TEXT,
    PRIMARY KEY (file, name)
);
CREATE TABLE IF NOT EXISTS call_graph (
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    file TEXT NOT NULL,
    call_type TEXT DEFAULT 'direct',
    line_number INTEGER,
    PRIMARY KEY (caller, callee, file, line_number)
);
CREATE INDEX IF NOT EXISTS idx_commits_timestamp ON commits(timestamp);
CREATE INDEX IF NOT EXISTS idx_commits_author ON commits(author_email);
CREATE INDEX IF NOT EXISTS idx_commit_files_path ON commit_files(file_path);
CREATE INDEX IF NOT EXISTS idx_co_changes_count ON co_changes(count DESC);
CREATE INDEX IF NOT EXISTS idx_observations_session ON observations(session_id);
CREATE INDEX IF NOT EXISTS idx_observations_type ON observations(observation_type);
CREATE INDEX IF NOT EXISTS idx_goals_session ON goals(session_id);
CREATE INDEX IF NOT EXISTS idx_sessions_branch ON sessions(branch);
"""

# SQLite may ask for fields of a payload before it asks whether the row is live.
LIVE_SQL = f"""
CREATE TEMP VIEW live AS
SELECT seq, event_type, timestamp, source_id, source_file, CASE WHEN {readable()} THEN data ELSE '{{}}' END AS data
FROM eventlog
WHERE {LIVE}
"""
