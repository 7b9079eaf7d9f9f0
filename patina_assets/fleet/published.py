"""What a repository of the fleet publishes once it is built, for questions to all of them."""

import os
from collections.abc import Mapping
from dataclasses import asdict

from patina_assets.search.published.publication import Published
from patina_assets.search.published.publishing import publish, withdraw
from patina_resources.fleet.model import FleetProject
from patina_resources.postgres.address import DSN_VARIABLE, FleetAddress, fleet_address
from patina_resources.project.project import project_at
from patina_resources.project.user_settings import fleet_access
from patina_resources.store.mothership import mothership


def publish_entry(address: FleetAddress, entry: FleetProject) -> Published:
    """Publish what is built of a repository; where nobody may see it, withdraw it.

    Raises:
        PatinaError: Its model cannot be shared, or the store cannot be used.
    """
    if not entry.groups:
        gone = withdraw(address, [entry.name])
        return Published(0, 0, 0, gone.projects, gone.notice)
    return publish(address, entry.name, entry.groups, project_at(entry.root))


def publish_where_named(entry: FleetProject) -> tuple[Mapping[str, int], str]:
    """Publish a repository if the user names a Postgres.

    Returns:
        Counts of what was done, none where nothing was; and what went wrong beside it, in one sentence, or nothing.

    Raises:
        PatinaError: See `publish_entry`.
    """
    home = mothership()
    if not os.environ.get(DSN_VARIABLE) and fleet_access(home.settings).dsn is None:
        return {}, ""
    done = asdict(publish_entry(fleet_address(home), entry))
    notice = done.pop("notice")
    return done, notice
