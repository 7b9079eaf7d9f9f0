"""`patina fleet init`, `fetch`, `run` and `status`: many repositories on one machine."""

import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from patina_assets.fleet.dues import due_builds
from patina_assets.fleet.fetching import fetch_all
from patina_assets.fleet.memory import UNKNOWN, Standing, fleet_memory
from patina_assets.fleet.running import Ended, build_due
from patina_assets.pipeline.plain_text import json_text, one_line
from patina_assets.pipeline.staleness import stale_stages
from patina_assets.pipeline.workspace import open_workspace, survey
from patina_assets.terminal.output import print_table
from patina_resources.errors import PatinaError
from patina_resources.fleet.model import Fleet, FleetProject
from patina_resources.fleet.reader import fleet_file, read_fleet
from patina_resources.project.project import project_at
from patina_resources.store.files import write_new
from patina_resources.store.mothership import mothership

TEMPLATE = """# The repositories of a fleet, and what is built of them. docs/fleet.md explains each line.
[fleet]
# folder = "/srv/patina"        # clones, and what is built (default: the folder `fleet` of ~/.patina)
# workers = 2                   # how many repositories are built at once (default: half of the cores)
# fetches = 8                   # how many are fetched at once
# fetch_seconds = 600           # how long one fetch may take
# share = true                  # builds come from the team's cache, and go there (docs/team.md)

[defaults]
model = "english-static"        # one model for all, so that one question can be put to all of them
# recipe = "recipe.yaml"        # takes the place of the repositories' own recipes
# groups = ["everyone"]         # who may see what a repository says
# priority = 0                  # higher ones are built first
# borrows = true                # repositories on this machine may take objects from other folders

# [[repositories]]
# url = "https://git.example.org/team/billing.git"
# groups = ["payments"]

# [[repositories]]
# path = "/srv/git/tools.git"
# name = "tools"

# [[folders]]                   # each repository directly in it
# path = "/srv/git"

# [[lists]]                     # what the API of a code host answered (JSON), or one address a line
# file = "repositories.json"
# match = ["team/*"]
# transport = "ssh"             # or https
"""
FRESH, DUE, FAILED, NOT_FETCHED = STATES = ("fresh", "to be built", "failed", "not fetched")
SHORT_SHA = 10
SHOWN_FAILURE = 100


def initialise_fleet(file: Path | None) -> int:
    """Write a commented fleet.toml where there is none; return the exit code.

    Raises:
        PatinaError: There is one, or it cannot be written.
    """
    path = fleet_file(file, mothership())
    if not write_new(path, TEMPLATE.encode()):
        raise PatinaError(f"{path}: exists already: nothing was written")
    print(f"written  {path}\nnext: add repositories to it, then `patina fleet run`")
    return 0


def fetch_fleet(file: Path | None, patterns: Sequence[str]) -> int:
    """Fetch repositories, and print what moved and what failed; return the exit code."""
    return 1 if _fetch(*chosen_repositories(file, patterns)) else 0


def run_fleet(
    file: Path | None, patterns: Sequence[str], *, workers: int | None, fetches: bool, everything: bool
) -> int:
    """Fetch repositories and build what is due of them; return the exit code: 1 where something failed.

    Args:
        file: The fleet.toml that the user named.
        patterns: Names of repositories, or patterns of such; none for all.
        workers: How many are built at once; None for what the file says.
        fetches: Fetch first.
        everything: Look also at those that nothing has changed for.
    """
    fleet, projects = chosen_repositories(file, patterns)
    failed = _fetch(fleet, projects) if fetches else 0
    memory = fleet_memory(fleet)
    standings = memory.standings()
    due = due_builds(projects, standings)
    if everything:
        built = {project.name: standings.get(project.name, UNKNOWN).built for project in projects}
        due |= {name: build for name, build in built.items() if build and name not in due}
    started, done = time.monotonic(), 0
    for ended in build_due(fleet, memory, due, workers or fleet.workers):
        done += 1
        failed += bool(ended.failure)
        print(_line(ended, done, len(due)), flush=True)
    print(
        f"{len(projects)} repositories: {len(due)} to be built, {done} done in {time.monotonic() - started:.1f} s, "
        f"{failed} failed"
    )
    return 1 if failed else 0


def print_fleet_status(file: Path | None, patterns: Sequence[str], *, stages: bool, as_json: bool) -> int:
    """Print how each repository stands; return the exit code."""
    fleet, projects = chosen_repositories(file, patterns)
    standings = fleet_memory(fleet).standings()
    due = due_builds(projects, standings)
    entries = [_entry(project, standings.get(project.name, UNKNOWN), due, stages=stages) for project in projects]
    if as_json:
        print(json_text({"file": str(fleet.file), "folder": str(fleet.folder), "projects": entries}))
        return 0
    header = ("project", "state", "head", "built", "stale stages", "last run", "processor s", "failure")
    keys = ("name", "state", "head", "built", "stale_stages", "ran_at", "seconds", "failure")
    print_table(header, [[_cell(key, entry[key]) for key in keys] for entry in entries])
    counts = {state: sum(entry["state"] == state for entry in entries) for state in STATES}
    print(", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no repositories")
    return 0


def _entry(project: FleetProject, standing: Standing, due: dict[str, str], *, stages: bool) -> dict[str, object]:
    return {
        "name": project.name,
        "address": project.address,
        "state": _state(standing, due.get(project.name)),
        "head": standing.head or None,
        "built": standing.built.partition(":")[0] or None,
        "stale_stages": _stale(project) if stages else None,
        "ran_at": _moment(standing.ran_at),
        "fetched_at": _moment(standing.fetched_at),
        "seconds": round(standing.seconds, 2),
        "failure": standing.failure or standing.fetch_failure or None,
    }


def _state(standing: Standing, wanted: str | None) -> str:
    if not standing.head:
        return NOT_FETCHED
    if wanted is None:
        return FRESH
    return FAILED if standing.failed == wanted else DUE


def _stale(project: FleetProject) -> int | str:
    """Return how many stages are stale by now, or in one sentence why that is not known."""
    try:
        return len(stale_stages(survey(open_workspace(project_at(project.root))).verdicts))
    except PatinaError as error:
        return one_line(str(error))


def _moment(seconds: float) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else None


def _cell(key: str, value: object) -> object:
    if value is None:
        return "-"
    text = str(value)
    if key in ("head", "built"):
        return text[:SHORT_SHA]
    return text if len(text) <= SHOWN_FAILURE else f"{text[: SHOWN_FAILURE - 3]}..."


def _line(ended: Ended, done: int, due: int) -> str:
    if ended.failure:
        return f"[{done}/{due}] failed  {ended.name}: {ended.failure}"
    notice = f"; {ended.notice}" if ended.notice else ""
    return f"[{done}/{due}] built   {ended.name}  {ended.built} stages, {ended.seconds:.1f} s{notice}"


def _fetch(fleet: Fleet, projects: Sequence[FleetProject]) -> int:
    """Fetch, tell what failed and how much moved, and return how many failed."""
    moved = failed = 0
    for looked in fetch_all(fleet, fleet_memory(fleet), projects):
        moved += looked.moved
        failed += bool(looked.failure)
        if looked.failure:
            print(f"not fetched  {looked.name}: {looked.failure}", file=sys.stderr)
    print(f"{len(projects)} repositories: {moved} have moved, {failed} could not be fetched", flush=True)
    return failed


def chosen_repositories(file: Path | None, patterns: Sequence[str]) -> tuple[Fleet, list[FleetProject]]:
    """Return the fleet, and those of its repositories that some patterns name; all where there is no pattern.

    Raises:
        PatinaError: The fleet cannot be read, it has no repositories, or a pattern names none.
    """
    home = mothership()
    fleet = read_fleet(fleet_file(file, home), home)
    if not fleet.projects:
        raise PatinaError(f"{fleet.file}: names no repository: add [[repositories]], [[folders]] or [[lists]]")
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in fleet.by_name):
            fleet.project(pattern)
    chosen = [
        project
        for project in fleet.projects
        if not patterns or any(fnmatchcase(project.name, pattern) for pattern in patterns)
    ]
    return fleet, chosen
