"""Dagster resources: configuration shells around the plain code of this package."""

from collections.abc import Collection
from pathlib import Path

import dagster as dg
from pydantic import Field

from patina_resources.errors import PatinaError, did_you_mean
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
    """What a run may be told."""

    full: bool = Field(
        default=False,
        description="Build every selected asset again, fresh or not, the corpus model included. Cached vectors of an "
        "unchanged model are kept. `patina oxidize --full` does the same.",
    )
    only: list[str] = Field(
        default=[],
        description="With `full`: only these projections are forced (`base` and `model` are names, too), the other "
        "selected assets are built where they are stale. Empty: all that are selected.",
    )

    def forced(self, name: str, known: Collection[str]) -> bool:
        """Return whether a projection, `base` or `model` is built even if it is fresh.

        Raises:
            PatinaError: `only` names something that is not in `known`.
        """
        for other in self.only:
            if other not in known:
                raise PatinaError(
                    f"run config: build.only: unknown projection {other!r}{did_you_mean(other, known)}: "
                    f"expected some of {', '.join(known)}"
                )
        return self.full and (not self.only or name in self.only)
