"""What is published follows what is built, whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog_builder import function
from postgres_server import PostgresServer, running_postgres
from published_fleet import all_rows, make_projects, owner, publish_all
from small_project import add_events, build

from patina_assets.search.published.publishing import Published, publish, withdraw
from patina_resources.project.project import Project

COUNTS = "SELECT name, passages FROM patina.project ORDER BY name"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as started:
        yield started


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


def test_a_project_is_withdrawn_with_all_that_it_has(server: PostgresServer, projects: dict[str, Project]) -> None:
    server.make_database("withdrawn")
    publish_all(server, projects, "withdrawn")
    assert withdraw(owner(server, "withdrawn"), ["hidden", "unknown"]) == 1
    assert [name for name, _ in all_rows(server, COUNTS, "withdrawn")] == ["open"]
    left = "SELECT count(*) FROM patina.{} WHERE project_id NOT IN (SELECT id FROM patina.project)"
    for table in ("passage", "content", "frequency"):
        assert all_rows(server, left.format(table), "withdrawn") == [(0,)]
