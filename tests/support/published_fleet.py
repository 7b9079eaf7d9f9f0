"""Two small projects with a shared model, and their publication to a real Postgres."""

import shutil
from pathlib import Path
from typing import Any

from eventlog_builder import commit, function, note
from made_once import made_once
from postgres_server import READER_PASSWORD, PostgresServer, psycopg
from small_project import build, make_project, patina

from patina_assets.search.published.publication import Published
from patina_assets.search.published.publishing import publish
from patina_resources.postgres.address import FleetAddress
from patina_resources.project.project import Project, find_project
from patina_resources.store.mothership import mothership

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
    """Return the projects `open` and `hidden`, built, and give this user their model."""
    give_model()
    for name in ("open", "hidden"):
        shutil.copytree(_made() / name, folder / name)
    return {name: find_project(folder / name) for name in ("open", "hidden")}


def give_model() -> None:
    """Give this user the model of the projects, as `patina model add` does."""
    shutil.copytree(_made() / "home", mothership().home, dirs_exist_ok=True)


def _made() -> Path:
    return made_once("published-fleet", _make)


def _make(folder: Path) -> None:
    assert patina("model", "add", "english-static").code == 0
    for name, events in (("open", OPEN), ("hidden", HIDDEN)):
        build(make_project(folder / name, RECIPE, events))


def owner(server: PostgresServer, database: str = "") -> FleetAddress:
    """Return the address of who publishes."""
    return FleetAddress(server.dsn(database=database), "test")


def reader(server: PostgresServer, database: str = "") -> FleetAddress:
    """Return the address of who asks."""
    return FleetAddress(server.dsn("reader", READER_PASSWORD, database), "test")


def publish_all(server: PostgresServer, projects: dict[str, Project], database: str = "") -> dict[str, Published]:
    """Publish both: one to the group `staff`, the other to `board`; the login `reader` may ask as any group."""
    groups = {"open": ("staff", "board"), "hidden": ("board",)}
    done = {name: publish(owner(server, database), name, groups[name], project) for name, project in projects.items()}
    let_ask(server, "*", database=database)
    return done


def let_ask(server: PostgresServer, *groups: str, login: str = "reader", database: str = "") -> None:
    """Let a login ask as some groups, and no others."""
    with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
        connection.execute(f"GRANT patina_reader TO {login}")
        connection.execute(
            "INSERT INTO patina.login VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET groups = excluded.groups",
            (login, list(groups)),
        )


def all_rows(server: PostgresServer, query: str, database: str = "") -> list[tuple[Any, ...]]:
    """Return what a query finds that sees everything."""
    with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
        return connection.execute(query).fetchall()
