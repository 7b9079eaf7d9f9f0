"""What is published follows what is built, whole or not at all."""

import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from eventlog_builder import function
from postgres_server import PostgresServer, psycopg
from published_fleet import all_rows, make_projects, owner, publish_all
from small_project import add_events, build

from patina_assets.passages.passage import Passage
from patina_assets.search.asking.filters import NO_FILTERS
from patina_assets.search.published import own_indexes, publishing
from patina_assets.search.published.answers import FleetQuestion, answer_of_fleet
from patina_assets.search.published.near import CONDITIONS, near_query
from patina_assets.search.published.publication import Published, publish_built
from patina_assets.search.published.publishable import Publishable
from patina_assets.search.published.publishing import Withdrawn, publish, published_names, withdraw
from patina_assets.search.published.rows import row_of
from patina_assets.search.published.scope import LISTED, Scope
from patina_assets.search.published.session import asking, seen_projects
from patina_assets.search.published.store import STORE_VERSION, SharedModel, _schema, made_for
from patina_resources.errors import PatinaError
from patina_resources.postgres.address import FleetAddress
from patina_resources.postgres.connection import connected
from patina_resources.project.project import Project

COUNTS = "SELECT name, passages FROM patina.project ORDER BY name"


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> PostgresServer:
    return postgres.with_database()


@pytest.fixture
def projects(tmp_path: Path) -> dict[str, Project]:
    return make_projects(tmp_path)


def test_only_what_changed_is_published(server: PostgresServer, projects: dict[str, Project]) -> None:
    server.make_database("changes")
    first = publish_all(server, projects, "changes")
    assert first["open"].added == first["open"].passages == 5
    ids = all_rows(server, "SELECT id FROM patina.passage ORDER BY id", "changes")
    again = publish_all(server, projects, "changes")
    assert again["open"] == Published(first["open"].passages, 0, 0, 0)
    add_events(projects["open"], [function("src/limits.py", "raise_the_limit", ["tenant"], "int")])
    build(projects["open"])
    third = publish(owner(server, "changes"), "open", ("staff",), projects["open"])
    assert third.added > 0
    assert third.passages - first["open"].passages == third.added - third.removed
    kept = set(ids) & set(all_rows(server, "SELECT id FROM patina.passage", "changes"))
    assert len(kept) == len(ids) - third.removed
    assert dict(all_rows(server, COUNTS, "changes"))["open"] == third.passages
    assert all_rows(server, "SELECT count(*) FROM patina.content", "changes") == all_rows(
        server, "SELECT count(*) FROM patina.passage", "changes"
    )


def test_frequencies_are_those_of_the_passages(server: PostgresServer, projects: dict[str, Project]) -> None:
    server.make_database("frequencies")
    publish_all(server, projects, "frequencies")
    add_events(projects["open"], [function("src/limits.py", "raise_the_limit", ["tenant"], "int")])
    build(projects["open"])
    publish_all(server, projects, "frequencies")
    counted = "SELECT word, project_id, count(*)::integer FROM patina.passage, unnest(tsvector_to_array(words)) AS word"
    expected = all_rows(server, f"{counted} GROUP BY word, project_id ORDER BY word, project_id", "frequencies")
    assert len(expected) > 10
    stored = "SELECT word, project_id, passages FROM patina.frequency ORDER BY word, project_id"
    assert all_rows(server, stored, "frequencies") == expected


PUBLISH = """
import sys
from pathlib import Path
from patina_assets.search.published.publishing import publish
from patina_resources.postgres.address import FleetAddress
from patina_resources.project.project import find_project
print(publish(FleetAddress(sys.argv[1], "test"), "open", ("staff",), find_project(Path(sys.argv[2]))), flush=True)
"""
ROWS = "SELECT id, embedding::text, ctid::text FROM patina.passage ORDER BY id"
CONTENTS = "SELECT encode(digest, 'hex'), encode(place, 'hex') FROM patina.content ORDER BY 1, 2"
COUNTING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%patina.frequency%'"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'"


def publisher(server: PostgresServer, database: str, project: Project) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PUBLISH, server.dsn(database=database), str(project.root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


def test_publishers_of_one_project_go_one_after_the_other(server: PostgresServer, projects: dict[str, Project]) -> None:
    server.make_database("two")
    publish(owner(server, "two"), "open", ("staff",), projects["open"])
    add_events(projects["open"], [function("src/limits.py", "raise_the_limit", ["tenant"], "int")])
    build(projects["open"])
    # All three are held at the row of the project until the last one waits there.
    with psycopg.connect(server.dsn(database="two")) as holder:
        holder.execute("SELECT * FROM patina.project FOR UPDATE")
        running = [publisher(server, "two", projects["open"]) for _ in range(3)]
        until(lambda: all_rows(server, WAITING, "two") == [(3,)])
        holder.rollback()
    said = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sorted("added=0" in out for out, _ in said) == [False, True, True]
    passages = all_rows(server, "SELECT passages FROM patina.project", "two")
    assert all_rows(server, "SELECT count(*) FROM patina.passage", "two") == passages
    assert len(set(all_rows(server, CONTENTS, "two"))) == passages[0][0]


def test_a_publisher_that_is_killed_leaves_what_was_there(server: PostgresServer, projects: dict[str, Project]) -> None:
    server.make_database("killed")
    publish(owner(server, "killed"), "open", ("staff",), projects["open"])
    before = all_rows(server, CONTENTS, "killed")
    add_events(projects["open"], [function("src/limits.py", "raise_the_limit", ["tenant"], "int")])
    build(projects["open"])
    # The publisher has deleted and inserted, and waits for the last table that it writes to.
    with psycopg.connect(server.dsn(database="killed")) as holder:
        holder.execute("LOCK TABLE patina.frequency IN EXCLUSIVE MODE")
        process = publisher(server, "killed", projects["open"])
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%patina.frequency%'"
        )
        until(lambda: all_rows(server, waiting, "killed") == [(1,)])
        process.kill()
        process.communicate(timeout=60)
        holder.rollback()
    until(lambda: all_rows(server, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO patina.freq%'"
                                   " AND state <> 'idle'", "killed") == [(0,)])  # fmt: skip
    assert all_rows(server, CONTENTS, "killed") == before
    assert publish(owner(server, "killed"), "open", ("staff",), projects["open"]).added > 0
    assert all_rows(server, CONTENTS, "killed") != before


def test_what_only_moved_keeps_its_vector(server: PostgresServer, projects: dict[str, Project]) -> None:
    server.make_database("moved")
    address = owner(server, "moved")
    model = SharedModel("english-static", "0" * 64, "of a test", 4)
    vectors = np.eye(4, dtype=np.float32)
    lines = [
        Passage("function", f"text {n}", f"name{n}", "", f"body {n}", "a.py", 10 * n, 10 * n + 5) for n in range(4)
    ]
    assert projects
    with connected(address) as connection:
        made_for(connection, model)
        publish_built(connection, "p", ("staff",), lambda: Publishable(model, "1", lines, vectors))
        rows = all_rows(server, ROWS, "moved")
        below = [replace(line, line=(line.line or 0) + 3, end_line=(line.end_line or 0) + 3) for line in lines]
        done = publish_built(connection, "p", ("staff",), lambda: Publishable(model, "2", below, vectors))
        assert done == Published(4, 0, 4, 0)
        assert all_rows(server, ROWS, "moved") == rows
        # Two passages of one text are two rows, and the one that goes takes one of them away.
        twice = [*below, replace(below[0], line=90)]
        again = publish_built(
            connection, "p", ("staff",), lambda: Publishable(model, "3", twice, vectors[[0, 1, 2, 3, 0]])
        )
        assert again == Published(5, 1, 0, 0)
        back = publish_built(connection, "p", ("staff",), lambda: Publishable(model, "4", below, vectors))
        assert back == Published(4, 0, 0, 1)
    assert all_rows(server, "SELECT line FROM patina.content ORDER BY line", "moved") == [(3,), (13,), (23,), (33,)]


def test_another_model_or_server_is_refused(server: PostgresServer, projects: dict[str, Project]) -> None:
    server.make_database("models")
    own = SharedModel("english-static", "1" * 64, "of a test", 128)
    with connected(owner(server, "models")) as connection:
        made_for(connection, own)
    with pytest.raises(PatinaError, match="vectors of two models cannot be compared"):
        publish(owner(server, "models"), "open", ("staff",), projects["open"])
    with pytest.raises(PatinaError, match="no group may see it"):
        publish(owner(server, "models"), "open", (), projects["open"])
    with psycopg.connect(server.dsn("postgres", database="postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain OWNER owner")
    with pytest.raises(PatinaError, match="may not run `CREATE EXTENSION vector`: ask"):
        publish(owner(server, "plain"), "open", ("staff",), projects["open"])


def test_a_login_with_few_rights_publishes_as_the_manual_says(
    server: PostgresServer, projects: dict[str, Project]
) -> None:
    server.make_database("manual")
    with psycopg.connect(server.dsn("postgres", database="manual"), autocommit=True) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE patina_reader NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
        connection.execute("CREATE ROLE publisher LOGIN PASSWORD 'publisher-Secret-4'")
        connection.execute("GRANT CREATE ON DATABASE manual TO publisher")
        connection.execute("GRANT patina_reader TO publisher")
    address = FleetAddress(server.dsn("publisher", "publisher-Secret-4", "manual"), "test")
    assert publish(address, "open", ("staff",), projects["open"]).added == 5
    with connected(address) as connection, asking(connection, address, ("staff",)) as seen:
        assert [project.name for project in seen_projects(seen, None)] == ["open"]


# The tables, the rows of some passages, and the version that both have: what changes one of the first two raises it.
VERSION, TABLES, ROWS_OF_PASSAGES = 3, "4a39efbb8c268873", "6a1a9bd78627109b"
PASSAGES = [
    Passage("function", "text", "a.b", "doc", "body", "src/a.py", 3, 9, None, None, None, "2026-01-01", "Ada"),
    Passage("commit", "subject", commit="c" * 40, paths=("src/a.py", "b.py"), author="Ada"),
    Passage("section", "text", "Title", path="docs/a.md", line=1, state="gone"),
]


def test_tables_and_rows_that_change_have_another_version() -> None:
    tables = " ".join(re.sub(r"--.*", "", _schema()).split())
    rows = repr([row_of(passage) for passage in PASSAGES])
    digests = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in (tables, rows)]
    assert (STORE_VERSION, *digests) == (VERSION, TABLES, ROWS_OF_PASSAGES), "raise STORE_VERSION, too"


@pytest.mark.parametrize(("other", "told"), [(STORE_VERSION - 1, "an older Patina"), (STORE_VERSION + 1, "a newer")])
def test_tables_of_another_version_are_neither_read_nor_changed(
    server: PostgresServer, projects: dict[str, Project], other: int, told: str
) -> None:
    """They may have other columns, and other rules of who may see what."""
    database = f"version{other}"
    server.make_database(database)
    publish(owner(server, database), "open", ("staff",), projects["open"])
    with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
        connection.execute(f"UPDATE patina.store SET version = {other}")
        connection.execute("ALTER TABLE patina.store DROP COLUMN model_settings")
    address, before = owner(server, database), everything(server, database)
    (projects["hidden"].root / ".patina" / "data" / "oxidize.lock").unlink()  # not built: groups alone would be set
    for act in (
        lambda: publish(address, "open", ("board",), projects["open"]),
        lambda: publish(address, "open", ("board",), projects["hidden"]),
        lambda: publish(address, "hidden", ("board",), projects["open"]),
        lambda: withdraw(address, ["open"]),
        lambda: published_names(address),
        lambda: asked_for(address),
    ):
        with pytest.raises(PatinaError, match=f"made by {told}.* drop the schema `patina` there and publish"):
            act()
    assert everything(server, database) == before
    # What the sentence says is enough.
    with psycopg.connect(server.dsn("postgres", database=database), autocommit=True) as connection:
        connection.execute("DROP SCHEMA patina CASCADE")
    assert publish(address, "open", ("staff",), projects["open"]).added == 5


def everything(server: PostgresServer, database: str) -> list[list[tuple[object, ...]]]:
    """Return all rows of all tables."""
    tables = ("project", "passage", "content", "frequency", "login")
    return [all_rows(server, f"SELECT *, xmin::text FROM patina.{table} ORDER BY 1, 2", database) for table in tables]


def asked_for(address: FleetAddress) -> object:
    """Ask what is published, as far as nobody may see it."""
    with connected(address) as connection:
        return answer_of_fleet(connection, address, ("staff",), FleetQuestion("limit"))


def test_a_project_is_withdrawn_with_all_that_it_has(server: PostgresServer, projects: dict[str, Project]) -> None:
    server.make_database("withdrawn")
    publish_all(server, projects, "withdrawn")
    assert withdraw(owner(server, "withdrawn"), ["hidden", "unknown"]) == Withdrawn(1)
    assert [name for name, _ in all_rows(server, COUNTS, "withdrawn")] == ["open"]
    left = "SELECT count(*) FROM patina.{} WHERE project_id NOT IN (SELECT id FROM patina.project)"
    for table in ("passage", "content", "frequency"):
        assert all_rows(server, left.format(table), "withdrawn") == [(0,)]


OWN = (
    "SELECT c.relname, indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
    "WHERE relname ~ '(embedding|words)_[0-9]' ORDER BY relname"
)
WORDS_OF_ONE = "EXPLAIN SELECT id FROM patina.passage WHERE words @@ 'limit' AND project_id = ANY (ARRAY[{}])"


def test_a_large_project_has_indexes_of_its_own(
    server: PostgresServer, projects: dict[str, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.make_database("large")
    monkeypatch.setattr(own_indexes, "MADE_FROM", 5)
    monkeypatch.setattr(own_indexes, "DROPPED_BELOW", 5)
    publish_all(server, projects, "large")
    [[number]] = all_rows(server, "SELECT id FROM patina.project WHERE name = 'open'", "large")
    name, words = f"passage_embedding_{number}", f"passage_words_{number}"
    assert {(name, True), (words, True)} <= set(all_rows(server, OWN, "large"))
    address = owner(server, "large")
    with connected(address) as connection, asking(connection, address, ("staff",)) as seen:
        # So small a table is read whole, unless that is made dear.
        for costly in ("seqscan", "sort", "bitmapscan"):
            seen.execute(f"SET LOCAL enable_{costly} = off".encode())
        values = Scope(NO_FILTERS, seen_projects(seen, "open"), is_all=False).values()
        asked = near_query(CONDITIONS.format(among=LISTED), (), compares=False)
        values |= dict.fromkeys(("own", "between"), str([0.1] * 128)) | {"most": 10}
        plan = seen.execute(f"EXPLAIN {asked}".encode(), values).fetchall()
        assert any(f"Index Scan using {name} " in line for (line,) in plan), plan
    with psycopg.connect(server.dsn(database="large")) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_indexscan = off")  # as `patina.holding` does
        connection.execute("DROP INDEX patina.passage_project")  # of a small project, it is as good
        plan = connection.execute(WORDS_OF_ONE.format(number)).fetchall()
        connection.rollback()
        assert any(f"Bitmap Index Scan on {words} " in line for (line,) in plan), plan
    # A publisher that was killed left it half-made.
    with psycopg.connect(server.dsn("postgres", database="large"), autocommit=True) as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", (f"patina.{name}",)
        )
    publish_all(server, projects, "large")
    assert (name, True) in all_rows(server, OWN, "large")
    withdraw(address, ["hidden"])
    assert all_rows(server, OWN, "large") == [(name, True), (words, True)]
    # They are kept until the project is much smaller.
    monkeypatch.setattr(own_indexes, "MADE_FROM", 7)
    for least, left in ((5, 2), (6, 0)):
        monkeypatch.setattr(own_indexes, "DROPPED_BELOW", least)
        publish_all(server, {"open": projects["open"]}, "large")
        assert len(all_rows(server, OWN, "large")) == left


REFUSES = """
CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE disk_full; END';
CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION full_disk();
"""


def test_an_index_that_cannot_be_made_fails_no_publication(
    server: PostgresServer, projects: dict[str, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.make_database("refused")
    address = owner(server, "refused")
    publish(address, "hidden", ("board",), projects["hidden"])
    monkeypatch.setattr(own_indexes, "MADE_FROM", 5)
    monkeypatch.setattr(own_indexes, "DROPPED_BELOW", 5)
    # Somebody's transaction does not end, as a dump's of the whole database.
    with psycopg.connect(server.dsn(database="refused")) as other, monkeypatch.context() as limits:
        limits.setattr(publishing, "LIMITS", "SET lock_timeout = '200ms'")
        other.execute("LOCK TABLE patina.passage IN ROW EXCLUSIVE MODE")
        done = publish(address, "open", ("staff",), projects["open"])
        assert (done.added, done.notice) == (
            5,
            "published, but its own indexes could not be made: others held for too long what it waited for: "
            "try again. Answers are the same, only slower; the next publication tries again",
        )
        assert all_rows(server, COUNTS, "refused") == [("hidden", 4), ("open", 5)]
    with psycopg.connect(server.dsn("postgres", database="refused"), autocommit=True) as connection:
        connection.execute(REFUSES)
        assert "could not be made: its disk is full. " in publish(address, "open", ("staff",), projects["open"]).notice
        assert all_rows(server, OWN, "refused") == []  # and takes no room there
        connection.execute("DROP EVENT TRIGGER full_disk")
    assert publish(address, "open", ("staff",), projects["open"]) == Published(5, 0, 0, 0)
    (name, is_whole), (words, has_words) = all_rows(server, OWN, "refused")
    assert (is_whole, has_words) == (True, True)
    with psycopg.connect(server.dsn(database="refused")) as other, monkeypatch.context() as limits:
        limits.setattr(publishing, "LIMITS", "SET lock_timeout = '200ms'")
        other.execute("LOCK TABLE patina.passage IN ROW EXCLUSIVE MODE")
        gone = withdraw(address, ["open"])
        assert gone.projects == 1
        assert gone.notice.startswith(f"patina.{words} and patina.{name} are not needed any more and could not be drop")


def test_who_makes_an_index_is_not_waited_for(
    server: PostgresServer, projects: dict[str, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.make_database("busy")
    monkeypatch.setattr(own_indexes, "MADE_FROM", 5)
    with psycopg.connect(server.dsn(database="busy"), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (own_indexes.CHANGING,))
        assert publish(owner(server, "busy"), "open", ("staff",), projects["open"]).added == 5
        assert all_rows(server, OWN, "busy") == []
    until(lambda: all_rows(server, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "busy") == [(0,)])
    publish(owner(server, "busy"), "open", ("staff",), projects["open"])
    assert [valid for _, valid in all_rows(server, OWN, "busy")] == [True, True]
