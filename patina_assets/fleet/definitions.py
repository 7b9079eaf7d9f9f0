"""The fleet as Dagster definitions: projects are partitions, one run brings one project up to date.

    dagster dev -m patina_assets.fleet.definitions

The pipeline knows nothing of it: a run does for its project what `patina materialize`, `oxidize` and, where the user
wants that, `push` do. docs/decisions/0022-a-fleet-by-one-definition.md says why.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import dagster as dg

from patina_assets.fleet.memory import FleetMemory
from patina_assets.orchestration.assets import logged, stated
from patina_assets.pipeline.progress import scraper_progress
from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.pipeline.sharing.snapshots import push
from patina_assets.pipeline.trust import admit
from patina_assets.pipeline.workspace import open_workspace
from patina_assets.search.projects.chosen import ALL, chosen_projects, short_names
from patina_resources.materialize.git.head import head_of
from patina_resources.materialize.run import materialize
from patina_resources.project.project import Project, find_project
from patina_resources.store.folders.own import make_private_folder
from patina_resources.store.mothership import mothership

PROJECTS = dg.DynamicPartitionsDefinition(name="project")
MEMORY = "fleet.db"
# Requests are made one after another, about one in a second.
MOST_REQUESTS = 50
TICK_SECONDS = 30
KEY = "fleet"


def fleet_projects() -> dict[str, Path]:
    """Return the projects of the fleet by the name of their partition: those of `[fleet] projects`.

    Raises:
        PatinaError: There are none, or too many.
    """
    roots = chosen_projects(ALL, mothership())
    return dict(zip(short_names(roots), roots, strict=True))


def _project(name: str) -> Project:
    return find_project(fleet_projects()[name])


@dg.asset(key=[KEY, "eventlog"], partitions_def=PROJECTS, group_name=KEY, kinds={"git", "sqlite"})
def eventlog(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Append what is new in a project's repository to its eventlog."""
    project = stated(lambda: _project(context.partition_key))
    stated(lambda: admit(project))
    reports = stated(
        lambda: materialize(
            project.root,
            project.eventlog(),
            progress=scraper_progress(logged(context.log)),
            session_globs=project.config.session_globs,
            code_include=project.config.code_include,
        )
    )
    return dg.MaterializeResult(metadata={"new": sum(sum(report.new.values()) for report in reports)})


@dg.asset(key=[KEY, "built"], partitions_def=PROJECTS, group_name=KEY, deps=[eventlog])
def built(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Build what is stale of a project: model, pairs, embeddings, weights, indexes."""
    workspace = stated(lambda: open_workspace(_project(context.partition_key)))
    report = logged(context.log)
    stated(lambda: run_model(workspace, report))
    outcomes = [
        stated(partial(run_stage, workspace, projection.name, stage.name, report))
        for projection in workspace.projections
        for stage in projection.stages
    ]
    stated(lambda: publish_lock(workspace))
    reused = sum(outcome.reused for outcome in outcomes)
    return dg.MaterializeResult(metadata={"built": len(outcomes) - reused, "fresh": reused})


@dg.asset(key=[KEY, "published"], partitions_def=PROJECTS, group_name=KEY, deps=[built])
def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Push a project to the team's cache, where the user's config.toml says `push = true` for it."""
    project = stated(lambda: _project(context.partition_key))
    if not project.places.push:
        return dg.MaterializeResult(metadata={"pushed": False})
    done = stated(lambda: push(open_workspace(project), logged(context.log)))
    return dg.MaterializeResult(metadata={"pushed": True, "new": len(done.new)})


fleet_job = dg.define_asset_job("fleet_job", selection=[eventlog, built, published])


@dg.sensor(job=fleet_job, minimum_interval_seconds=TICK_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def heads_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for a run of each project whose head is another than the last that was asked for, at two ticks."""
    projects = stated(fleet_projects)
    memory = FleetMemory(make_private_folder(mothership().own) / MEMORY)
    moved = moved_heads(projects, stated(memory.heads))
    known = set(context.instance.get_dynamic_partitions(PROJECTS.name or ""))
    new = [name for name in moved if name not in known]
    stated(lambda: memory.remember(moved))
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{name}:{head}", partition_key=name) for name, head in moved.items()],
        dynamic_partitions_requests=[PROJECTS.build_add_request(new)] if new else [],
    )


def moved_heads(projects: Mapping[str, Path], asked: Mapping[str, str]) -> dict[str, str]:
    """Return the heads that are to be built, by project; the rest of a large fleet follows at the next ticks."""
    heads = {name: head_of(root) for name, root in projects.items()}
    moved = [(name, head) for name, head in heads.items() if head is not None and asked.get(name) != head]
    return dict(moved[:MOST_REQUESTS])


def fleet_definitions() -> dg.Definitions:
    """Return the code location of the fleet."""
    return dg.Definitions(assets=[eventlog, built, published], jobs=[fleet_job], sensors=[heads_sensor])


defs = fleet_definitions()
