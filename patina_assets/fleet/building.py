"""Brings one repository of a fleet up to date: what `patina materialize`, `oxidize` and `push` do, in one go.

Dagster's runs and `patina fleet run` both stand on it. It may be run twice at once, and be killed at any moment.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from patina_assets.fleet.memory import FleetMemory, wanted_build
from patina_assets.fleet.published import publish_where_named
from patina_assets.pipeline.plain_text import one_line
from patina_assets.pipeline.progress import Progress, Report, scraper_progress
from patina_assets.pipeline.runner import StageOutcome, publish_lock, run_model, run_stage
from patina_assets.pipeline.sharing.snapshots import pull, push
from patina_assets.pipeline.sharing.stage_cache import team_cache
from patina_assets.pipeline.stages.pairs import NoSignalError
from patina_assets.pipeline.workspace import Workspace, open_workspace
from patina_assets.search.built import BASE
from patina_resources.cache.remote import CacheError, CacheUnavailableError
from patina_resources.errors import PatinaError
from patina_resources.fleet.checkouts import checked_out
from patina_resources.fleet.clones import fetch, fetched_head
from patina_resources.fleet.model import Fleet, FleetProject, settings_key
from patina_resources.installed import installed_version
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.materialize.run import materialize
from patina_resources.models.add.add import add_model
from patina_resources.models.registry_files import load_registry
from patina_resources.models.status import missing_shipped
from patina_resources.project.project import Project
from patina_resources.store.folders.own import make_private_folder
from patina_resources.store.mutex import exclusive

# A second worker on one repository waits for the first, and finds everything fresh.
WAIT_SECONDS = 3600.0
EVENTLOG, PUBLISHED = "eventlog", "published"


@dataclass(frozen=True)
class Brought:
    """One asset of a repository that is up to date now.

    Attributes:
        asset: `eventlog`, `base`, `published`, or the name of a stage of projections.
        facts: What was done for it.
        notice: What went wrong beside it, in one sentence; empty for nothing.
    """

    asset: str
    facts: Mapping[str, int]
    notice: str = ""


@lru_cache(maxsize=1)
def builder_version() -> str:
    """Return the version of this program; another one makes every repository due once."""
    return installed_version() or ""


def wanted_of(entry: FleetProject, head: str) -> str:
    """Return the name of the build of a commit by what the fleet says now.

    Raises:
        PatinaError: The recipe cannot be read.
    """
    return wanted_build(head, settings_key(entry, builder_version()))


def bring_up_to_date(fleet: Fleet, memory: FleetMemory, name: str, report: Report) -> Iterator[Brought]:
    """Fetch, read and build a repository, and yield each asset when it is up to date. What is fresh is not built.

    Args:
        fleet: The fleet.
        memory: Where the head is that is wanted, and where the outcome is noted.
        name: The repository.
        report: Told how far it is.

    Raises:
        PatinaError: Something is wrong with it. That is noted; what was built before stays.
    """
    entry = fleet.project(name)
    make_private_folder(entry.root.parent)
    started, wanted = _processor_seconds(), ""
    with exclusive(entry.root.with_name(f".{entry.root.name}.run.mutex"), WAIT_SECONDS, f"building {name}"):
        try:
            head = _fetched(fleet, memory, entry)
            wanted = wanted_of(entry, head)
            yield from _assets(fleet, entry, report)
        except Exception as error:  # a build runs git, SQLite, numpy and onnxruntime; whatever failed is noted
            # On a full disk nothing can be noted, either: the first reason is what is to be said.
            with suppress(PatinaError):
                memory.note_failed(name, wanted, failure_text(error), _processor_seconds() - started)
            raise
        memory.note_built(name, wanted, _processor_seconds() - started)


def failure_text(error: Exception) -> str:
    """Return in one line why a build failed; what nobody expected is told with its class."""
    return one_line(str(error) if isinstance(error, PatinaError) else f"{type(error).__name__}: {error}")


def _fetched(fleet: Fleet, memory: FleetMemory, entry: FleetProject) -> str:
    """Return the commit that is built: the one that was fetched here, unless another machine has seen another one."""
    here, known = fetched_head(entry), memory.standing(entry.name).head
    if here is not None and here == known:
        return here
    head = fetch(entry, fleet.fetch_seconds).head
    memory.note_fetched(entry.name, head)
    return head


def _assets(fleet: Fleet, entry: FleetProject, report: Report) -> Iterator[Brought]:
    project, _ = checked_out(entry, builder_version())
    refuse_tracked(project.root)
    yield Brought(EVENTLOG, _read(project, report))
    workspace = open_workspace(project)
    _add_shipped(workspace, report)
    if fleet.share:
        _pull(workspace, report)
    run_model(workspace, report)
    found: dict[str, list[StageOutcome]] = {}
    # `base` first: search answers while projections are trained.
    for projection in sorted(workspace.projections, key=lambda each: each.name != BASE):
        try:
            for stage in projection.stages:
                asset = BASE if projection.name == BASE else stage.name
                found.setdefault(asset, []).append(run_stage(workspace, projection.name, stage.name, report))
        except NoSignalError as error:
            if entry.recipe is None:
                raise
            # One recipe for many repositories asks some of them for what they do not have.
            report(Progress(projection.name, 0, 0, "", f"left out: {error}"))
    publish_lock(workspace)
    for asset in filter(found.get, found):
        yield Brought(asset, _counts(found[asset]))
    # Questions first: neither needs the other, and a cache that is away must not keep them from what is new.
    published, notice = publish_where_named(entry)
    yield Brought(PUBLISHED, {**published, **_pushed(fleet, workspace, report)}, notice)


def _read(project: Project, report: Report) -> dict[str, int]:
    reports = materialize(
        project.root,
        project.eventlog(),
        progress=scraper_progress(report),
        session_globs=project.config.session_globs,
        code_include=project.config.code_include,
    )
    return {
        "new": sum(sum(entry.new.values()) for entry in reports),
        "retracted": sum(sum(entry.retracted.values()) for entry in reports),
    }


def _counts(outcomes: Sequence[StageOutcome]) -> dict[str, int]:
    fresh = sum(outcome.reused for outcome in outcomes)
    return {"built": len(outcomes) - fresh, "fresh": fresh}


def _add_shipped(workspace: Workspace, report: Report) -> None:
    """Bring a model that comes with Patina into the cache; others are the user's to add."""
    registry = load_registry(workspace.home, workspace.project)
    for name in missing_shipped(workspace.home, registry, workspace.spec.name):
        add_model(workspace.home, registry, name, say=lambda line: report(Progress("model", 0, 0, "", line)))


def _pull(workspace: Workspace, report: Report) -> None:
    """Take from the team's cache what it has; where it cannot be used, everything is built here."""
    cache = team_cache(workspace.project)
    if cache is None:
        return
    try:
        if cache.trouble is not None:
            raise CacheUnavailableError(str(cache.trouble))
        pull(workspace, report)
    except CacheError as error:
        report(Progress("cache", 0, 0, "", f"not used: {error}"))


def _pushed(fleet: Fleet, workspace: Workspace, report: Report) -> dict[str, int]:
    """Push a build to the team's cache, where the fleet shares and the cache can be written to.

    Raises:
        CacheError: It cannot be used now. What is built here stays, and is pushed at the next run.
    """
    cache = team_cache(workspace.project) if fleet.share else None
    if cache is None or not cache.remote.writable:
        return {}
    # A store that lies is repaired by a push; for one that is away, each repository would wait anew.
    if isinstance(cache.trouble, CacheUnavailableError):
        raise CacheUnavailableError(str(cache.trouble))
    return {"pushed": len(push(workspace, report).new)}


def _processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])
