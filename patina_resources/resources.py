"""The Dagster resource of this package: what a run may be told.

Its schema is of plain types. Dagster's own source types, which a `ConfigurableResource` has, replace `{env: NAME}` by
the value of that environment variable, and a run's events would then show it.
"""

from collections.abc import Collection
from dataclasses import dataclass

import dagster as dg

from patina_resources.errors import check_known


@dataclass(frozen=True)
class BuildOptions:
    """What a run may be told.

    Attributes:
        full: Build every selected asset again, fresh or not.
        only: With `full`: the projections that this is meant for; empty for all.
        renew: Build anew what was not made from exactly what there is: the corpus model, and weights that were kept or
            continued.
    """

    full: bool = False
    only: tuple[str, ...] = ()
    renew: bool = False

    def forced(self, name: str, known: Collection[str]) -> bool:
        """Return whether a projection, `base` or `model` is built even if it is fresh.

        Raises:
            PatinaError: `only` names something that is not in `known`.
        """
        check_known(self.only, known, "projection", "run config: build.only")
        return self.full and (not self.only or name in self.only)


def build_options() -> dg.ResourceDefinition:
    """Return the resource that reads `BuildOptions` from the run config."""
    return dg.ResourceDefinition(
        resource_fn=lambda context: BuildOptions(
            context.resource_config["full"],
            tuple(context.resource_config["only"]),
            context.resource_config["renew"],
        ),
        config_schema={
            "full": dg.Field(
                bool,
                default_value=False,
                description="Build every selected asset again, fresh or not, the corpus model included. Cached vectors "
                "of an unchanged model are kept. `patina oxidize --full` does the same.",
            ),
            "only": dg.Field(
                [str],
                default_value=[],
                description="With `full`: only these projections are forced (`base` and `model` are names, too), the "
                "other selected assets are built where they are stale. Empty: all that are selected.",
            ),
            "renew": dg.Field(
                bool,
                default_value=False,
                description="Train anew what was kept or continued while events changed, and build the corpus "
                "model anew if texts are new to it. The nightly schedule does that.",
            ),
        },
        description="What a run may be told.",
    )
