"""Stages by fingerprint: looked up in the team's cache before they are computed, offered to it afterwards.

Whatever is wrong with the cache is one sentence; the build goes on without it.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache

from patina_assets.pipeline.corpus import state_of_files
from patina_assets.pipeline.progress import Progress, Report
from patina_assets.pipeline.sharing.adoption import adopt, contents_of, readers_of, remember_vectors
from patina_assets.pipeline.sharing.traffic import save_traffic, traffic_text
from patina_assets.pipeline.stages.embeddings import EmbeddingsStage
from patina_assets.pipeline.stages.lineage import NO_MODEL, with_lineage
from patina_assets.pipeline.stages.stage import CheckResult, Stage
from patina_assets.pipeline.staleness import Inputs, fingerprint, stage_inputs
from patina_assets.pipeline.workspace import Workspace, look_at_sources
from patina_assets.search.base_model import base_files
from patina_resources.cache.records import record_key
from patina_resources.cache.remote import CacheError, CacheRefusedError
from patina_resources.cache.settings import cache_settings
from patina_resources.cache.signing import public_key_of
from patina_resources.cache.team_cache import TeamCache, Traffic, open_cache
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.project.user_settings import CacheSettings
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.manifests import StageRecord, record_of
from patina_resources.store.mothership import Mothership, mothership

# What keeps a cache from being opened is told once in a process.
_TOLD: set[str] = set()


def team_cache(project: Project) -> TeamCache | None:
    """Return the cache of a project; None for none. A process opens each once.

    Raises:
        CacheUnavailableError: What it needs is not installed.
        PatinaError: The settings are wrong.
    """
    settings = cache_settings(project)
    return None if settings is None else _opened(settings, mothership())


@lru_cache(maxsize=8)
def _opened(settings: CacheSettings, home: Mothership) -> TeamCache:
    own = public_key_of(home)  # what this user has signed is accepted
    return open_cache(replace(settings, keys=(*settings.keys, own)) if own else settings, home)


def passed_text(project: Project) -> str:
    """Return what passed between this process and the cache, for people; empty where there is no cache."""
    with suppress(PatinaError):
        cache = team_cache(project)
        if cache is not None and cache.traffic != Traffic():
            return traffic_text(cache.traffic)
    return ""


def fetched(
    workspace: Workspace, stage: Stage, before: BuiltProjection, report: Report
) -> tuple[BuiltProjection, list[CheckResult]] | None:
    """Return a projection with a stage out of the cache, published here, and the results of the stage's checks.

    None where it must be computed, also as a check of what the cache has failed. The caller holds the mutex.

    Raises:
        PatinaError: The settings of the cache are wrong, or something cannot be written here.
    """
    cache = _usable(workspace, stage, report)
    if cache is None or not cache.settings.keys:
        return None
    inputs = _inputs_now(workspace, stage, before)
    try:
        given = _looked_up(cache, stage, fingerprint(inputs))
        if given is None:
            return None
        contents = contents_of(cache, before.paths, stage.name, given, before.manifest)
    except CacheError as error:
        _tell(report, stage, f"{error}: it is built here")
        return None
    finally:
        save_traffic(workspace.project, cache)
    previous = before.manifest.get(stage.name)
    facts = given.facts if previous is None else stage.facts_after(given.facts, previous)
    record = with_lineage(stage, replace(given, inputs=inputs, facts=facts), before, epochs=0)
    try:
        checked = stage.passed_checks(before.replaced(stage.name, record, contents))
    except PatinaError as error:
        _tell(report, stage, f"what the cache has is not used ({error}): it is built here")
        return None
    after = before.replaced(stage.name, adopt(before.paths, stage.name, record, contents), contents)
    if isinstance(stage, EmbeddingsStage):
        remember_vectors(workspace, stage, after)
    return after, checked


def offer(workspace: Workspace, stage: Stage, built: BuiltProjection, report: Report) -> None:
    """Offer a stage that was just computed, where the user wants that for this project."""
    if not workspace.project.places.push:
        return
    cache = _usable(workspace, stage, report)
    if cache is None:
        return
    try:
        offer_record(cache, stage, built)
    except PatinaError as error:
        _tell(report, stage, f"{error}: it was not offered")
    finally:
        save_traffic(workspace.project, cache)


def offer_record(cache: TeamCache, stage: Stage, built: BuiltProjection) -> bool:
    """Offer a stage under what it was made of; return whether that is new to the cache.

    Weights that were kept are offered under what they were trained on. Continued ones, and indexes that were extended,
    depend on when builds ran: they are no function of their fingerprint, and are not offered.

    Raises:
        PatinaError: The store cannot be written to, or a file is damaged.
    """
    record = built.stage(stage.name).record
    made_of = record.fingerprint
    if not record.is_clean:
        if record.lineage is None or record.lineage.continued:
            return False
        made_of = record.lineage.began_with
    outputs = {role: asdict(output) for role, output in record.outputs.items()}
    document = {"digest": record.digest, "outputs": outputs, "facts": dict(record.facts)}
    return cache.offer("stages", _key(stage, made_of), document, readers_of(built.paths, record))


def _looked_up(cache: TeamCache, stage: Stage, made_of: str) -> StageRecord | None:
    document = cache.record("stages", _key(stage, made_of))
    return None if document is None else received({**document, "fingerprint": made_of, "inputs": {}}, stage.place)


def received(entry: object, place: str) -> StageRecord:
    """Return the record of a stage out of a signed document.

    Raises:
        CacheRefusedError: It is not of the form of one.
    """
    try:
        return record_of({"built_at": "", **entry} if isinstance(entry, Mapping) else entry)
    except ValueError as error:
        raise CacheRefusedError(f"{place}: the record in the cache has another form: it was not used") from error


def _key(stage: Stage, made_of: str) -> str:
    return record_key("stage", stage.projection, stage.name, made_of)


def _inputs_now(workspace: Workspace, stage: Stage, before: BuiltProjection) -> Inputs:
    sources = look_at_sources(workspace).digests if stage.sources else {}
    model = NO_MODEL
    if stage.embeds:
        files = base_files(workspace.project, workspace.home, workspace.spec)
        model = state_of_files(workspace.spec, files)
    return stage_inputs(stage, sources, model, before.manifest)


def _usable(workspace: Workspace, stage: Stage, report: Report) -> TeamCache | None:
    """Return the cache, unless there is none or it failed before in this process."""
    try:
        cache = team_cache(workspace.project)
    except CacheError as error:
        if str(error) not in _TOLD:
            _TOLD.add(str(error))
            _tell(report, stage, f"{error}: it is built here")
        return None
    return None if cache is None or cache.trouble else cache


def _tell(report: Report, stage: Stage, sentence: str) -> None:
    report(Progress(stage.place, 0, 0, "", sentence))
