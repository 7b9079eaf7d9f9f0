"""Publishes what is built of a project to the store of a fleet, and withdraws projects from it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from patina_assets.search.indexes import Indexes
from patina_assets.search.published.own_indexes import keep_own_indexes
from patina_assets.search.published.publication import Published, publish_built
from patina_assets.search.published.publishable import publishable, publishable_model
from patina_assets.search.published.rows import clean
from patina_assets.search.published.store import is_made, made_for, stored_model
from patina_resources.errors import PatinaError
from patina_resources.postgres.address import FleetAddress, checked_groups
from patina_resources.postgres.connection import connected
from patina_resources.project.project import Project

if TYPE_CHECKING:
    import psycopg

# How long a second publisher of a project waits for the first, and how soon the server notices that one was killed.
LIMITS = "SET lock_timeout = '300s'; SET client_connection_check_interval = '5s'; SET statement_timeout = '1h'"
NUMBER = "SELECT id FROM patina.project WHERE name = %s"
KEEP_GROUPS = "UPDATE patina.project SET groups = %s WHERE name = %s AND groups <> %s"


@dataclass(frozen=True)
class Withdrawn:
    """What a withdrawal changed.

    Attributes:
        projects: How many were there.
        notice: What went wrong beside it, in one sentence; empty for nothing.
    """

    projects: int
    notice: str = ""


def publish(address: FleetAddress, name: str, groups: tuple[str, ...], project: Project) -> Published:
    """Publish what is built of a project: all of it, or, where anything fails, nothing but who may see what is there.

    Tables of another version are left as they are.

    A large project gets indexes of its own after that (`keep_own_indexes`).

    A second publisher of the project waits for the first. Both read what is built once they may write.

    Args:
        address: Where the store is.
        name: What the project is called in the fleet.
        groups: Who may see it.
        project: The project.

    Raises:
        PatinaError: It is not built, its model is not the fleet's, or the store refuses.
    """
    if not groups:
        raise PatinaError(f"{name}: no group may see it: name its groups in fleet.toml")
    groups = checked_groups(groups, f"{name}: groups")
    with connected(address) as connection:
        connection.execute(LIMITS)
        try:
            made_for(connection, publishable_model(name, Indexes(project)))
            done = publish_built(connection, name, groups, lambda: publishable(name, project))
        except PatinaError:
            # Who may not see it any more does not wait for what cannot be built.
            if is_made(connection):
                stored_model(connection)
                connection.execute(KEEP_GROUPS, (list(groups), clean(name), list(groups)))
            raise
        numbers = connection.execute(NUMBER, (clean(name),)).fetchall()
        return replace(done, notice=_own_indexes_kept(connection, numbers, done.passages))


def _own_indexes_kept(connection: "psycopg.Connection[Any]", numbers: Iterable[tuple[int]], passages: int) -> str:
    return "; ".join(filter(None, (keep_own_indexes(connection, number, passages) for (number,) in numbers)))


def withdraw(address: FleetAddress, names: Iterable[str]) -> Withdrawn:
    """Remove projects from the store.

    Raises:
        PatinaError: The store refuses.
    """
    with connected(address) as connection:
        connection.execute(LIMITS)
        if not is_made(connection):
            return Withdrawn(0)
        stored_model(connection)
        query = "DELETE FROM patina.project WHERE name = ANY (%s) RETURNING id"
        numbers = connection.execute(query, (list(names),)).fetchall()
        return Withdrawn(len(numbers), _own_indexes_kept(connection, numbers, 0))


def published_names(address: FleetAddress) -> list[str]:
    """Return the names of all projects of the store.

    Raises:
        PatinaError: The store cannot be used, or this login may only ask.
    """
    with connected(address) as connection:
        stored_model(connection)
        return [name for (name,) in connection.execute("SELECT name FROM patina.project ORDER BY name")]
