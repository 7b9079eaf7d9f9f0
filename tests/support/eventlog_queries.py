"""A small eventlog, and what is asked of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from eventlog_builder import commit, note

from patina_resources.eventlog.reader import Eventlog, Source

EVERYTHING = Source("everything", "SELECT seq, event_type, source_id, data FROM eventlog ORDER BY seq")


GOALS = Source("goals", "SELECT seq, data FROM eventlog WHERE event_type = 'session.goal' ORDER BY seq")


EVENTS = [
    note("The recipe is read once and then handed on", kind="goal"),
    note("A damaged file is named in the error", kind="decision"),
    commit("c1", "a.py", "b.py"),
]


def seqs(path: Path, source: Source = EVERYTHING) -> list[int]:
    return [row[0] for row in Eventlog(path).read([source])[source.name].rows]


def digest(path: Path, source: Source = EVERYTHING) -> str:
    return Eventlog(path).read([source])[source.name].digest


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


# Reading beside a writer

WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
insert = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES ('git.commit', '2025', 'x', '{}')"
connection.execute(insert)
connection.execute("BEGIN IMMEDIATE")
connection.execute(insert)
print("writing", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
print("committed", flush=True)
sys.stdin.readline()
"""
