"""What a hostile eventlog costs a writer, and which events it takes for live."""

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from clones import content_of, make_eventlog
from materialize_helpers import GitFolder, rows
from page_trees import endless_schema, endless_table

from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.eventlog.writer import open_eventlog
from patina_resources.materialize.run import materialize

# Pages that are reached by many ways


@pytest.mark.parametrize("table", ["eventlog", "goals", "scraped_files", "idx_eventlog_type"])
def test_tables_without_end_end_no_run(tmp_path: Path, table: str) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("layer/sessions/a.md", "# Session: a\n\n## Goals\n- [x] one\n")
    folder.commit("one")
    make_eventlog(folder.eventlog)
    materialize(folder.path, folder.eventlog)
    with closing(sqlite3.connect(folder.eventlog)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("UPDATE scrape_meta SET value = 'x' WHERE key LIKE 'materialize_views%'")
        connection.execute("INSERT OR IGNORE INTO goals VALUES (1, 'a', 'b', 1)")
        connection.execute("INSERT INTO scraped_files VALUES ('x', 'y', 'z')")
        connection.commit()
    endless_table(folder.eventlog, table)
    begun = time.process_time()
    with suppress(PatinaError):  # where nothing reads all of the rows, they disturb nobody
        materialize(folder.path, folder.eventlog, full=True)
    assert time.process_time() - begun < 60


def test_a_schema_without_end_ends_no_run(tmp_path: Path) -> None:
    path = make_eventlog(tmp_path / "patina.db", "CREATE TABLE aa (x UNIQUE)")
    endless_schema(path)
    before = content_of(tmp_path)
    with pytest.raises(PatinaError, match="takes more work than a file of its size explains"), open_eventlog(path):
        pass
    assert content_of(tmp_path) == before


# One rule for what is live


@pytest.mark.parametrize(
    "data",
    ['{"seqs": [null]}', '{"seqs": [null, 1]}', '{"seqs": [99999]}', '{"seqs": ["1"]}', '{"seqs": null}', "[" * 500],
)
def test_odd_retractions_make_no_event_come_again(tmp_path: Path, data: str) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("a.py", "def f():\n    return g()\n")
    folder.write("layer/sessions/a.md", "# Session: a\n\n## Goals\n- [x] one\n")
    folder.commit("one")
    materialize(folder.path, folder.eventlog)
    with closing(sqlite3.connect(folder.eventlog)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        insert = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES ('git.removed', '2025', 's', ?)"
        connection.execute(insert, (data,))
    materialize(folder.path, folder.eventlog, full=True)
    last = Eventlog(folder.eventlog).last_seq()
    for _ in range(2):
        materialize(folder.path, folder.eventlog, full=True)
    assert Eventlog(folder.eventlog).last_seq() == last


def test_an_event_is_not_taken_back_before_it_is_there(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.commit("one")
    make_eventlog(folder.eventlog, rows=0)
    with closing(sqlite3.connect(folder.eventlog)) as connection, connection:
        removal = '{"seqs": [2, 3, 4, 5]}'
        insert = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES ('git.removed', '2025', 's', ?)"
        connection.execute(insert, (removal,))
    materialize(folder.path, folder.eventlog)
    assert [row["seq"] for row in rows(folder.eventlog, "git.commit")] == [2]
    report = materialize(folder.path, folder.eventlog, full=True)
    assert not any(entry.new for entry in report)
