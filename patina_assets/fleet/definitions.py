"""The fleet as Dagster definitions: repositories are partitions, one run brings one repository up to date.

    PATINA_FLEET=fleet.toml dagster dev -m patina_assets.fleet.definitions

The pipeline knows nothing of it: a run does what `patina fleet run` does for one repository, by the same code. On one
machine Dagster's own defaults are enough; docs/fleet.md says how the same definitions run on Postgres, a broker and
workers. docs/decisions/0022-a-fleet-by-one-definition.md says why it is built this way.
"""

import time
from collections.abc import Iterator, Mapping
from functools import partial

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from patina_assets.fleet.building import EVENTLOG, PUBLISHED, Brought, bring_up_to_date
from patina_assets.fleet.dues import requests
from patina_assets.fleet.fetching import look_at_heads
from patina_assets.fleet.memory import FleetMemory, fleet_memory
from patina_assets.orchestration.assets import logged, stated
from patina_assets.search.built import BASE
from patina_resources.fleet.address import host_of
from patina_resources.fleet.model import Fleet, FleetProject
from patina_resources.fleet.reader import fleet_file, read_fleet
from patina_resources.store.mothership import mothership

PROJECTS = dg.DynamicPartitionsDefinition(name="project")
KEY = "fleet"
# Requests are made one after another, about one in a second.
MOST_REQUESTS = 50
TICK_SECONDS = 30
HEADS_CRON = "*/5 * * * *"
# Runs that hold a place of this pool count together: docs/fleet.md says how a pool is limited.
POOL = "fleet"
# By which dagster.yaml may limit how many are fetched from one host at once.
HOST_TAG = "patina/host"
IF_NAMED = "Missing where the repository's recipe names no projections."
# Each asset with those that it is made from, and what it is.
ASSETS: Mapping[str, tuple[tuple[str, ...], str]] = {
    EVENTLOG: ((), "What a repository says: commits, files, functions and notes, as events."),
    BASE: ((EVENTLOG,), "Passages of files, commits and notes, with vectors and words. Each repository has it."),
    "pairs": ((EVENTLOG,), f"What the projections of a repository learn from. {IF_NAMED}"),
    "embeddings": (("pairs",), f"Vectors of what the projections can return. {IF_NAMED}"),
    "weights": (("embeddings",), f"What the projections have learned. {IF_NAMED}"),
    "index": (("weights",), f"What the projections are searched by. {IF_NAMED}"),
    PUBLISHED: (
        (BASE, "index"),
        "What others get: passages in the Postgres of `patina scry --fleet`, and builds in the team's cache, where "
        "these are set.",
    ),
}


def _opened() -> tuple[Fleet, FleetMemory]:
    home = mothership()
    fleet = read_fleet(fleet_file(None, home), home)
    return fleet, fleet_memory(fleet)


def _spec(name: str) -> dg.AssetSpec:
    upstream, description = ASSETS[name]
    deps = [dg.AssetKey([KEY, other]) for other in upstream]
    return dg.AssetSpec(
        [KEY, name], deps=deps, description=description, group_name=KEY, partitions_def=PROJECTS, skippable=True
    )


@dg.multi_asset(specs=[_spec(name) for name in ASSETS], partitions_def=PROJECTS, pool=POOL, name="repository")
def repository(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Fetch, read, build and publish what is stale of one repository; what its recipe does not have is left out."""
    fleet, memory = stated(_opened)
    steps = bring_up_to_date(fleet, memory, context.partition_key, logged(context.log))
    while (brought := stated(lambda: next(steps, None))) is not None:
        if brought.notice:
            context.log.warning(brought.notice)
        yield _result(brought)


def _result(brought: Brought) -> dg.MaterializeResult:
    return dg.MaterializeResult(asset_key=[KEY, brought.asset], metadata=dict(brought.facts))


@dg.asset(key=[KEY, "heads"], group_name=KEY, kinds={"git"})
def heads(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Ask each repository's host for its head, without fetching anything."""
    fleet, memory = stated(_opened)
    looks = stated(lambda: list(look_at_heads(fleet, memory, fleet.projects)))
    failures = [look for look in looks if look.failure]
    for look in failures:
        context.log.warning(f"{look.name}: {look.failure}")
    moved = sum(look.moved for look in looks)
    return dg.MaterializeResult(metadata={"repositories": len(looks), "moved": moved, "failed": len(failures)})


fleet_job = dg.define_asset_job("fleet_job", selection=dg.AssetSelection.assets(repository))
heads_job = dg.define_asset_job("heads_job", selection=dg.AssetSelection.assets(heads))


@dg.schedule(job=heads_job, cron_schedule=HEADS_CRON, default_status=dg.DefaultScheduleStatus.RUNNING)
def heads_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Look at the heads, unless the last look still goes on."""
    unfinished = dg.RunsFilter(job_name=heads_job.name, statuses=NOT_FINISHED_STATUSES)
    if context.instance.get_runs_count(unfinished):
        return dg.SkipReason("the last look still goes on")
    return dg.RunRequest()


def _due(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for a run of each repository that is due, by priority, so many at a tick; each is asked for at two ticks."""
    fleet, memory = stated(_opened)
    standings = stated(memory.standings)
    asked = stated(lambda: requests(fleet, standings, MOST_REQUESTS, time.time(), partial(_goes_on, context.instance)))
    known = set(context.instance.get_dynamic_partitions(PROJECTS.name or ""))
    new, gone = [name for name in asked if name not in known], sorted(known - fleet.by_name.keys())
    stated(lambda: memory.note_asked(asked))
    stated(lambda: memory.forget(standings.keys() - fleet.by_name.keys()))
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=f"{name}:{build}:{attempt}", partition_key=name, tags=_tags(fleet.by_name[name]))
            for name, (build, attempt) in asked.items()
        ],
        dynamic_partitions_requests=[
            *([PROJECTS.build_add_request(new)] if new else []),
            *([PROJECTS.build_delete_request(gone)] if gone else []),
        ],
    )


def due_sensor(tick_seconds: int = TICK_SECONDS) -> dg.SensorDefinition:
    """Return the sensor of repositories that are due."""
    made = dg.sensor(
        name="due_sensor", job=fleet_job, minimum_interval_seconds=tick_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )  # fmt: skip
    return made(_due)


def _tags(project: FleetProject) -> dict[str, str]:
    return {
        "dagster/priority": str(project.priority),
        # A run whose worker was ended begins anew; what it had built is fresh.
        "dagster/retry_strategy": "ALL_STEPS",
        HOST_TAG: host_of(project.address),
    }


def _goes_on(instance: dg.DagsterInstance, name: str) -> bool:
    """Return whether a run of a repository waits or goes on."""
    unfinished = dg.RunsFilter(statuses=NOT_FINISHED_STATUSES, tags={"dagster/partition": name})
    return instance.get_runs_count(unfinished) > 0


def fleet_definitions(tick_seconds: int = TICK_SECONDS) -> dg.Definitions:
    """Return the code location of the fleet, whose sensor looks every so many seconds."""
    return dg.Definitions(
        assets=[repository, heads],
        jobs=[fleet_job, heads_job],
        schedules=[heads_schedule],
        sensors=[due_sensor(tick_seconds)],
        executor=dg.in_process_executor,
    )


defs = fleet_definitions()
