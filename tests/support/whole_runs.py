"""Runs of all of `materialize`, and whether the derived tables say what holds."""

import itertools
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from materialize_helpers import GitFolder, after, last_seq, live

from patina_resources.materialize.report import ScraperReport
from patina_resources.materialize.run import materialize

NOTE = """# Session: First steps
**Started**: 2024-01-02T03:04:05Z

## Goals
- [ ] add a parser

**Key Decisions:**
- keep it small
"""


VIEWS = {
    "commits": "sha, message",
    "commit_files": "sha, file_path",
    "co_changes": "file_a, file_b",
    "sessions": "id, title",
    "goals": "session_id, content",
    "observations": "session_id, content",
    "function_facts": "file, name",
    "call_graph": "caller, callee",
}


def run(folder: GitFolder) -> tuple[Counter[str], dict[str, ScraperReport]]:
    """Return the events that a run appended, by type, and its reports."""
    seq = last_seq(folder.eventlog) if folder.eventlog.exists() else 0
    reports = materialize(folder.path, folder.eventlog)
    assert_views_say_what_holds(folder.eventlog)
    return after(folder.eventlog, seq), {report.scraper: report for report in reports}


def assert_views_say_what_holds(eventlog: Path) -> None:
    """Check the derived tables against the live events, read in another way."""
    expected: dict[str, set[tuple[object, ...]]] = {name: set() for name in VIEWS}
    for row in live(eventlog):
        data, kind = row["data"], row["event_type"]
        if kind == "git.commit":
            expected["commits"].add((data["sha"], data["message"]))
            expected["commit_files"] |= {(data["sha"], file["path"]) for file in data["files"]}
            pairs = itertools.combinations(sorted(file["path"] for file in data["files"]), 2)
            expected["co_changes"] |= set(pairs)
        elif kind == "session.started":
            expected["sessions"].add((row["source_id"], data["title"]))
        elif kind == "session.goal":
            expected["goals"].add((row["source_id"], data["content"]))
        elif kind.startswith("session.") and kind != "session.file":
            expected["observations"].add((row["source_id"], data["content"]))
        elif kind == "code.function":
            expected["function_facts"].add((data["file"], data["name"]))
        elif kind == "code.call":
            expected["call_graph"].add((data["caller"], data["callee"]))
    with closing(sqlite3.connect(eventlog)) as connection:
        found = {name: set(connection.execute(f"SELECT {columns} FROM {name}")) for name, columns in VIEWS.items()}
    assert found == expected
