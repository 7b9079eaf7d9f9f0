"""Dagster resources: configuration shells around the plain code of this package."""

from pathlib import Path

import dagster as dg

from patina_resources.eventlog import Eventlog
from patina_resources.project import Mothership


class EventlogResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The project's eventlog (SQLite), opened read-only."""

    path: str

    def eventlog(self) -> Eventlog:
        """Return the eventlog; it is opened when it is asked something."""
        return Eventlog(Path(self.path))


class ModelCacheResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The user's base models, shared by all projects."""

    home: str

    def mothership(self) -> Mothership:
        """Return the folder that holds them."""
        return Mothership(Path(self.home))


class BuildOptions(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What a run may be told: with `full`, every selected asset is built again, fresh or not."""

    full: bool = False
