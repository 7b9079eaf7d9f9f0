"""Whole builds: what was built of some events by some recipe, so that a fresh clone has all of it at once.

A snapshot is found by the digests of the events and the recipe. A commit leads to one, too: so a clone that has newer
commits than the last push begins with the build of the nearest commit before.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from patina_assets.pipeline.progress import Progress, Report
from patina_assets.pipeline.runner import publish_lock
from patina_assets.pipeline.sharing.adoption import adopt, contents_of, readers_of, remember_vectors
from patina_assets.pipeline.sharing.stage_cache import fetched, offer_record, received, team_cache
from patina_assets.pipeline.sharing.traffic import save_traffic
from patina_assets.pipeline.stages import ProjectionStages
from patina_assets.pipeline.stages.embeddings import EmbeddingsStage
from patina_assets.pipeline.staleness import LOCK, MODEL, StageVerdict, recipe_inputs, stale_stages
from patina_assets.pipeline.workspace import Survey, Workspace, look_at_sources, manifest_state, survey
from patina_assets.search.base_model import MODEL_STAGE, corpus_model_paths
from patina_resources.cache.records import record_key
from patina_resources.cache.remote import CacheRefusedError
from patina_resources.cache.settings import proposal
from patina_resources.cache.team_cache import TeamCache
from patina_resources.errors import PatinaError
from patina_resources.materialize.git.repository import find_repository
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.project.project import Project
from patina_resources.store.artifacts import MUTEX_WAIT_SECONDS, BuiltProjection
from patina_resources.store.manifests import StageRecord, record_document
from patina_resources.store.mothership import mothership
from patina_resources.store.mutex import exclusive
from patina_resources.store.paths import ProjectionPaths

COMMITS_LOOKED_AT = 50
NO_CACHE = "no cache is set: write [cache] with url and keys into {settings} (docs/team.md)"
PROPOSED = "the project proposes the cache {url}, which you have not confirmed: run `patina cache confirm` to use it"
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass
class Pulled:
    """What came out of a pull.

    Attributes:
        stages: The stages that were fetched.
        commit: The commit whose build they are; empty where the events are those here, or it had none.
        left: Verdicts on what is still to be built.
    """

    stages: list[str] = field(default_factory=list)
    commit: str = ""
    left: list[StageVerdict] = field(default_factory=list)


@dataclass
class Pushed:
    """What came out of a push.

    Attributes:
        new: The stages that the cache did not have.
        known: Those that it had, and those that are in the snapshot alone, because they depend on when builds ran.
        left_out: Projections that are not in the snapshot, because something of them is stale.
        is_new: Whether the snapshot is new.
    """

    new: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    is_new: bool = False


def cache_for(project: Project) -> TeamCache:
    """Return the cache of a project.

    Raises:
        PatinaError: There is none, or only one that the project proposes, or it cannot be opened.
    """
    cache = team_cache(project)
    if cache is None:
        proposed = proposal(project)
        if proposed is None:
            raise PatinaError(NO_CACHE.format(settings=mothership().settings))
        raise PatinaError(PROPOSED.format(url=proposed.url))
    return cache


def cache_of(workspace: Workspace) -> TeamCache:
    """Return the cache of a project; see `cache_for`."""
    return cache_for(workspace.project)


def push(workspace: Workspace, report: Report) -> Pushed:
    """Offer every stage that is built, and the build as a whole.

    Raises:
        PatinaError: There is no cache, no key to sign with, nothing fresh, or the store cannot be written to.
    """
    cache, found = cache_of(workspace), _survey_of_all(workspace)
    stale = {verdict.projection for verdict in found.verdicts if not verdict.stays}
    whole = {} if MODEL in stale else {name: workspace.paths(name) for name in workspace.names() if name not in stale}
    if not whole:
        raise PatinaError("nothing that is built is fresh: run `patina oxidize` before `patina push`")
    done = Pushed(left_out=[name for name in workspace.names() if name not in whole])
    try:
        for projection in workspace.projections:
            paths = workspace.paths(projection.name)
            built = BuiltProjection(paths, manifest_state(paths).manifest)
            for at, stage in enumerate(projection.stages if projection.name in whole else ()):
                report(Progress(f"offering {projection.name}", at, len(projection.stages), "stages"))
                (done.new if offer_record(cache, stage, built) else done.known).append(stage.place)
        done.is_new = _offer_snapshot(workspace, cache, found, whole)
    finally:
        save_traffic(workspace.project, cache)
    return done


def _survey_of_all(workspace: Workspace) -> Survey:
    """Return what is stale; no source is presumed to have changed: a build is found by what their rows say."""
    look_at_sources(workspace)
    return survey(workspace)


def _offer_snapshot(
    workspace: Workspace, cache: TeamCache, found: Survey, whole: Mapping[str, ProjectionPaths]
) -> bool:
    recipe, key = _recipe_key(workspace), _events_key(workspace, found)
    places = dict(whole)
    if any(part.name == CORPUS_STATIC for part in workspace.spec.parts):
        places[MODEL] = corpus_model_paths(workspace.project)
    manifests = {name: manifest_state(paths).manifest for name, paths in places.items()}
    contents = {
        digest: reader
        for name, manifest in manifests.items()
        for record in manifest.values()
        for digest, reader in readers_of(places[name], record).items()
    }
    document = {
        "manifests": {
            name: {stage: record_document(record) for stage, record in manifest.items()}
            for name, manifest in manifests.items()
        }
    }
    is_new = cache.offer("snapshots", key, document, contents)
    for commit in _last_commits(workspace, 1):
        cache.offer("commits", record_key("commit", commit, recipe), {"snapshot": key}, {}, replaces=True)
    return is_new


def pull(workspace: Workspace, report: Report) -> Pulled:
    """Fetch what recipe and events ask for, as far as the cache has it. Nothing is computed.

    Raises:
        PatinaError: There is no cache, the store cannot be read, what it gave is not what a team's key has signed, or
            something cannot be written here.
    """
    cache, found, done = cache_of(workspace), _survey_of_all(workspace), Pulled()
    if not cache.settings.keys:
        raise PatinaError("[cache] keys is empty: expected the public keys of those whose records you accept")
    try:
        if stale_stages(found.verdicts):
            _take_snapshot(workspace, cache, found, done, report)
            _take_stages(workspace, done, report)
        publish_lock(workspace)
    finally:
        save_traffic(workspace.project, cache)
    done.left = [verdict for verdict in survey(workspace).verdicts if not verdict.stays and verdict.stage != LOCK]
    return done


def _take_snapshot(workspace: Workspace, cache: TeamCache, found: Survey, done: Pulled, report: Report) -> None:
    """Fetch what is not fresh from the build of these events, else what was never built from the nearest commit's."""
    wanted = {verdict.projection for verdict in found.verdicts if not verdict.stays}
    document = cache.record("snapshots", _events_key(workspace, found))
    if document is None:
        # An older build must not replace a newer one.
        never = {entry.name for entry in workspace.projections if not _is_complete(workspace, entry)}
        wanted = never | ({MODEL} if len(never) == len(workspace.projections) else set())
        document, done.commit = _nearest(workspace, cache) if never else (None, "")
    if document is None:
        return
    manifests = document.get("manifests")
    if not isinstance(manifests, dict) or not all(isinstance(entry, dict) for entry in manifests.values()):
        raise CacheRefusedError("the snapshot in the cache has another form: it was not used")
    if MODEL in wanted and MODEL in manifests and any(part.name == CORPUS_STATIC for part in workspace.spec.parts):
        model = {MODEL_STAGE: manifests[MODEL].get(MODEL_STAGE)}
        done.stages += _take(workspace, cache, MODEL, corpus_model_paths(workspace.project), model, report)
    for projection in workspace.projections:
        given = manifests.get(projection.name)
        if given is not None and (MODEL in wanted or projection.name in wanted):
            stages = {stage.name: given.get(stage.name) for stage in projection.stages}
            done.stages += _take(workspace, cache, projection.name, workspace.paths(projection.name), stages, report)


def _is_complete(workspace: Workspace, projection: ProjectionStages) -> bool:
    return projection.last.name in manifest_state(workspace.paths(projection.name)).manifest


def _take(
    workspace: Workspace,
    cache: TeamCache,
    name: str,
    paths: ProjectionPaths,
    given: Mapping[str, Any],
    report: Report,
) -> list[str]:
    """Publish stages of a snapshot that differ from what is here; return their names."""
    taken = []
    for at, (stage, entry) in enumerate(given.items()):
        if entry is None:
            break  # what follows is built from it
        place = f"{name}/{stage}"
        record = received(entry, place)
        manifest = manifest_state(paths).manifest
        if stage in manifest and _same(manifest[stage], record):
            continue
        report(Progress(f"fetching {name}", at, len(given), "stages"))
        contents = contents_of(cache, paths, stage, record, manifest)
        with exclusive(workspace.project.mutex, MUTEX_WAIT_SECONDS, f"fetching {place}"):
            adopt(paths, stage, record, contents)
        taken.append(place)
        _remember(workspace, name, stage)
    return taken


def _same(ours: StageRecord, theirs: StageRecord) -> bool:
    return (ours.fingerprint, ours.outputs, ours.lineage) == (theirs.fingerprint, theirs.outputs, theirs.lineage)


def _remember(workspace: Workspace, name: str, stage: str) -> None:
    if name == MODEL:
        return
    chosen = workspace.projection(name).stage(stage)
    if isinstance(chosen, EmbeddingsStage):
        paths = workspace.paths(name)
        remember_vectors(workspace, chosen, BuiltProjection(paths, manifest_state(paths).manifest))


def _take_stages(workspace: Workspace, done: Pulled, report: Report) -> None:
    """Fetch what is still stale by fingerprint, each projection as far as the cache has it without a gap."""
    verdicts = {(verdict.projection, verdict.stage): verdict for verdict in survey(workspace).verdicts}
    for projection in workspace.projections:
        for stage in projection.stages:
            if verdicts[projection.name, stage.name].stays:
                continue
            if stage.embeds and any(verdict.projection == MODEL and not verdict.stays for verdict in verdicts.values()):
                break  # it is built first
            paths = workspace.paths(projection.name)
            with exclusive(workspace.project.mutex, MUTEX_WAIT_SECONDS, f"fetching {stage.place}"):
                before = BuiltProjection(paths, manifest_state(paths).manifest)
                if fetched(workspace, stage, before, report) is None:
                    break
            done.stages.append(stage.place)


def _nearest(workspace: Workspace, cache: TeamCache) -> tuple[Mapping[str, Any] | None, str]:
    """Return the snapshot of the nearest commit that has one, and the commit."""
    recipe = _recipe_key(workspace)
    for commit in _last_commits(workspace, COMMITS_LOOKED_AT):
        pointer = cache.record("commits", record_key("commit", commit, recipe))
        key = pointer.get("snapshot") if pointer is not None else None
        if isinstance(key, str) and _KEY.fullmatch(key):
            found = cache.record("snapshots", key)
            if found is not None:
                return found, commit
    return None, ""


def _last_commits(workspace: Workspace, most: int) -> Iterator[str]:
    """Yield HEAD and its first parents, the newest first; nothing where there is no repository."""
    with suppress(PatinaError):
        listed = find_repository(workspace.project.root).output(
            "rev-list", "--first-parent", f"--max-count={most}", "HEAD"
        )
        yield from listed.decode("ascii", "replace").split()


def _recipe_key(workspace: Workspace) -> str:
    """Return a hash of all that program and recipe put into the stages, and of the model's settings."""
    values = {
        stage.place: {name: entry.value for name, entry in recipe_inputs(stage).items()}
        for projection in workspace.projections
        for stage in projection.stages
    }
    return record_key("recipe", workspace.spec.name, workspace.model_settings, json.dumps(values, sort_keys=True))


def _events_key(workspace: Workspace, found: Survey) -> str:
    digests = {name: source.digest for name, source in found.look.digests.items()}
    return record_key("snapshot", _recipe_key(workspace), json.dumps(digests, sort_keys=True))
