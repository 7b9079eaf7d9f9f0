"""Tables that are extended by new commits hold what tables that are made anew hold."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from eventlog_builder import append, commit
from random_history import History

from patina_resources.eventlog.derived_views import VIEWS, rebuild_views
from patina_resources.eventlog.writer import open_eventlog

Tables = dict[str, list[tuple[object, ...]]]


def brought_up_to_date(path: Path) -> tuple[str, ...]:
    with open_eventlog(path) as writer:
        return rebuild_views(writer)


def tables(path: Path) -> Tables:
    """Return the rows of all derived tables, without row ids."""
    found: Tables = {}
    with closing(sqlite3.connect(path)) as connection:
        for table in (table for kind in VIEWS.values() for table, _ in kind):
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()
            found[table] = sorted((row[1:] if table in {"observations", "goals"} else row for row in rows), key=repr)
    return found


def made_anew(path: Path, copy: Path) -> Tables:
    shutil.copy(path, copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM scrape_meta")
    brought_up_to_date(copy)
    return tables(copy)


@pytest.mark.parametrize("seed", range(4))
def test_tables_stay_right_whatever_happens(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path / "patina.db", seed)
    brought_up_to_date(history.path)
    commits = []
    for number in range(24):
        history.step()
        brought_up_to_date(history.path)
        found = tables(history.path)
        assert found == made_anew(history.path, tmp_path / f"{number}.db")
        commits.append(len(found["commits"]))
    assert len(set(commits)) > 1


def test_new_commits_are_added_and_nothing_is_deleted(tmp_path: Path) -> None:
    path = History(tmp_path / "patina.db", 0).path
    brought_up_to_date(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO commits (sha) VALUES ('somebody else')")
    append(path, [commit("1" * 40, "a.py", "b.py"), commit("2" * 40, "a.py", "b.py")])
    assert brought_up_to_date(path) == ("commits", "commit_files", "co_changes")
    assert {row[0] for row in tables(path)["commits"]} == {"0" * 40, "1" * 40, "2" * 40, "somebody else"}
    assert ("a.py", "b.py", 3) in tables(path)["co_changes"]
    # A commit that is told of again may change what older rows say.
    append(path, [commit("1" * 40, "a.py", "c.py")])
    brought_up_to_date(path)
    assert "somebody else" not in {row[0] for row in tables(path)["commits"]}
    assert brought_up_to_date(path) == ()
