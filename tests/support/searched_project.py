"""A built project whose items hold odd words."""

import sqlite3

from eventlog_builder import call, commit, function, note

SPECIAL = [
    function("src/http/parse_utils.py", "HttpHeaderParser.parseChunkedBody", ["stream"], "bytes"),
    function("src/http/retry.rs", "backoff::nextDelay", ["attempt"], "Duration"),
    call("src/http/retry.rs", "backoff::nextDelay", "parseChunkedBody"),
    note("We rejected Redis because one more server is one more thing to run", "2025-session-redis"),
    note("The Grüße table keeps its umlauts in every export", "2025-session-redis", "pattern"),
    commit("f" * 40, "src/http/parse_utils.py", "src/http/retry.rs", hour=500),
]


# Its pieces are known to the model, as a whole it is in no item.
UNKNOWN_WORD = "vectorsearch"


def without_module(content: bytes) -> bytes:
    """Return a search file whose index of words asks for a module that this SQLite does not have."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(content)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'USING fts5', 'USING fts9') WHERE name = 'words'")
    connection.commit()
    changed = connection.serialize()
    connection.close()
    return changed
