"""Two small projects with a shared model, and their publication to a real Postgres."""

from pathlib import Path
from typing import Any

from eventlog_builder import commit, function, note
from postgres_server import READER_PASSWORD, PostgresServer, psycopg
from small_project import build, make_project, patina

from patina_assets.search.published.publication import Published
from patina_assets.search.published.publishing import publish
from patina_resources.postgres.address import FleetAddress
from patina_resources.project.project import Project

RECIPE = "version: 2\nembedding_model: english-static\nprojections: {}\n"
OPEN = [
    function("src/limits.py", "limit_requests", ["tenant"], "bool"),
    function("src/limits.py", "count_requests", ["tenant"], "int"),
    function("tests/test_limits.py", "test_limit_requests", [], "None"),
    note("We limit the requests of each tenant because one of them used all workers", "open-session"),
    commit("a" * 40, "src/limits.py", hour=10),
]
HIDDEN = [
    function("src/merger.py", "price_of_the_merger", ["bidder"], "int"),
    function("src/limits.py", "limit_requests", ["bidder"], "bool"),
    note("The merger with Zanzibar is signed in spring", "hidden-session"),
    commit("b" * 40, "src/merger.py", hour=11),
]


def make_projects(folder: Path) -> dict[str, Project]:
    """Return the projects `open` and `hidden`, built."""
    assert patina("model", "add", "english-static").code == 0
    found = {}
    for name, events in (("open", OPEN), ("hidden", HIDDEN)):
        found[name] = make_project(folder / name, RECIPE, events)
        build(found[name])
    return found


def owner(server: PostgresServer, database: str = "patina") -> FleetAddress:
    """Return the address of who publishes."""
    return FleetAddress(server.dsn(database=database), "test")


def reader(server: PostgresServer, database: str = "patina") -> FleetAddress:
    """Return the address of who asks."""
    return FleetAddress(server.dsn("reader", READER_PASSWORD, database), "test")


def publish_all(server: PostgresServer, projects: dict[str, Project], database: str = "patina") -> dict[str, Published]:
    """Publish both: one to the group `staff`, the other to `board`; the login `reader` may ask as any group."""
    groups = {"open": ("staff", "board"), "hidden": ("board",)}
    done = {name: publish(owner(server, database), name, groups[name], project) for name, project in projects.items()}
    let_ask(server, "*", database=database)
    return done


def let_ask(server: PostgresServer, *groups: str, login: str = "reader", database: str = "patina") -> None:
    """Let a login ask as some groups, and no others."""
    with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
        connection.execute(f"GRANT patina_reader TO {login}")
        connection.execute(
            "INSERT INTO patina.login VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET groups = excluded.groups",
            (login, list(groups)),
        )


def all_rows(server: PostgresServer, query: str, database: str = "patina") -> list[tuple[Any, ...]]:
    """Return what a query finds that sees everything."""
    with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
        return connection.execute(query).fetchall()
