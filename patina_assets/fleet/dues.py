"""Which repositories are to be built: those whose head, recipe, model or program is not that of their last build."""

from collections.abc import Mapping, Sequence

from patina_assets.fleet.building import wanted_of
from patina_assets.fleet.memory import UNKNOWN, Standing
from patina_resources.fleet.model import Fleet, FleetProject


def due_builds(projects: Sequence[FleetProject], standings: Mapping[str, Standing]) -> dict[str, str]:
    """Return the builds that are wanted and were not done, by repository: new commits before new settings.

    Repositories of a higher priority come first.

    Raises:
        PatinaError: A recipe cannot be read.
    """
    due: list[tuple[bool, int, str, str]] = []
    for project in projects:
        standing = standings.get(project.name, UNKNOWN)
        if standing.head and (wanted := wanted_of(project, standing.head)) != standing.built:
            # After an upgrade, thousands are due only because of that.
            only_settings = standing.built.partition(":")[0] == standing.head
            due.append((only_settings, -project.priority, project.name, wanted))
    return {name: wanted for _, _, name, wanted in sorted(due)}


def requests(fleet: Fleet, standings: Mapping[str, Standing], most: int) -> dict[str, str]:
    """Return the builds that the sensor asks for now: due, and not asked for twice yet; at most so many.

    Raises:
        PatinaError: A recipe cannot be read.
    """
    due = due_builds(fleet.projects, standings)
    fresh = (
        (name, wanted)
        for name, wanted in due.items()
        if standings[name].asked != wanted or not standings[name].is_asked
    )
    return {name: wanted for (name, wanted), _ in zip(fresh, range(most), strict=False)}
