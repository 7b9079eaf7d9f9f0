"""Which repositories are to be built: what decides a build is not what it was at the last one (`settings_key`)."""

from collections.abc import Callable, Mapping, Sequence

from patina_assets.fleet.building import wanted_of
from patina_assets.fleet.memory import UNKNOWN, Standing
from patina_resources.fleet.model import Fleet, FleetProject

TIMES_ASKED = 2
FIRST_PATIENCE, LONGEST_PATIENCE = 1800, 86_400


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


def requests(
    fleet: Fleet, standings: Mapping[str, Standing], most: int, now: float, goes_on: Callable[[str], bool]
) -> dict[str, tuple[str, int]]:
    """Return the builds that the sensor asks for now, each with its attempt, by repository.

    Each is asked for at two ticks: for the second time beside the others. What has come to nothing is asked for again,
    ever less often.

    Args:
        fleet: The fleet.
        standings: What is remembered, by repository.
        most: How many are asked for at once for the first time.
        now: Seconds since 1970.
        goes_on: Tells whether a run of a repository waits or goes on.

    Raises:
        PatinaError: A recipe cannot be read.
    """
    found: dict[str, tuple[str, int]] = {}
    new = 0
    for name, wanted in due_builds(fleet.projects, standings).items():
        standing = standings[name]
        if standing.asked == wanted and standing.times < TIMES_ASKED:
            found[name] = (wanted, standing.attempt)
        elif new == most:
            continue
        elif standing.asked != wanted:
            found[name], new = (wanted, 0), new + 1
        elif now - standing.asked_at > _patience(standing.attempt) and not goes_on(name):
            found[name], new = (wanted, standing.attempt + 1), new + 1
    return found


def _patience(attempt: int) -> float:
    """Return how long a build is waited for, in seconds."""
    return float(min(FIRST_PATIENCE * 2**attempt, LONGEST_PATIENCE))
