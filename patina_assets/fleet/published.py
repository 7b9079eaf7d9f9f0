"""What a repository of the fleet publishes once it is built, for questions to all of them."""

import os
from collections.abc import Mapping

from patina_assets.search.published.publishing import publish, withdraw
from patina_resources.fleet.model import FleetProject
from patina_resources.postgres.address import DSN_VARIABLE, fleet_address
from patina_resources.project.project import Project
from patina_resources.project.user_settings import fleet_access
from patina_resources.store.mothership import mothership


def publish_project(entry: FleetProject, project: Project) -> Mapping[str, int]:
    """Publish what is built of a repository; where nobody may see it, withdraw it.

    Returns:
        What was done, as counts; nothing where no Postgres is named.

    Raises:
        PatinaError: Its model cannot be shared, or the store cannot be used.
    """
    home = mothership()
    if not os.environ.get(DSN_VARIABLE) and fleet_access(home.settings).dsn is None:
        return {}
    address = fleet_address(home)
    if not entry.groups:
        return {"withdrawn": withdraw(address, [entry.name])}
    done = publish(address, entry.name, entry.groups, project)
    return {"passages": done.passages, "added": done.added, "moved": done.moved, "removed": done.removed}
