"""`patina oxidize`: survey the project, then run what is stale through Dagster on the project's own instance."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from patina_assets.pairs.types import PAIR_TYPES, pair_types_by_source
from patina_assets.pipeline.plain_text import json_text, one_line
from patina_assets.pipeline.progress import Report
from patina_assets.pipeline.reasons import FORCED, ReasonKind, has_own_reason, reason_texts, reasons_text
from patina_assets.pipeline.stages.passages import item_sources
from patina_assets.pipeline.staleness import LOCK, MODEL, StageVerdict, stale_stages
from patina_assets.pipeline.tables import size_text
from patina_assets.pipeline.trust import admit, of_older_version
from patina_assets.pipeline.workspace import Survey, Workspace, lock_verdict, manifest_state, open_workspace, survey
from patina_assets.recipe.reader import read_recipe
from patina_assets.search.base_model import OLD_MODELS, model_name
from patina_assets.search.freshness import age_notes
from patina_assets.terminal.build_summary import built_document, print_summary
from patina_assets.terminal.output import shown_progress
from patina_assets.terminal.questions import say_on_stderr
from patina_assets.upkeep.unneeded import orphans
from patina_resources.errors import PatinaError, check_known
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.models.registry_files import load_registry
from patina_resources.models.status import missing_shipped
from patina_resources.project.project import PROJECT_VARIABLE, Project
from patina_resources.store.artifacts import settle_interrupted
from patina_resources.store.file_digests import note_digests, recall_digests
from patina_resources.store.files import remove_leftovers
from patina_resources.store.mothership import mothership
from patina_resources.store.trust import TRUST_VARIABLE

MOST_REASON_CHARACTERS = 200
ELSEWHERE = (
    "some of it was built elsewhere, so it is built again here: stop with Ctrl-C and run `patina trust` to see and "
    "accept it instead"
)
NEXT = 'next: run `patina scry "a question in your own words"`'


def oxidize(
    project: Project,
    *,
    only: Sequence[str] | None = None,
    full: bool = False,
    may_add_model: bool = False,
    as_json: bool = False,
    says_next: bool = True,
) -> bool:
    """Build what is stale and print what was done; return whether everything that was asked for is now fresh.

    Args:
        project: The project.
        only: Names of projections; None for all, and base.
        full: Build it all, fresh or not.
        may_add_model: Bring a missing base model into the cache.
        as_json: Print what was built as JSON.
        says_next: Say after a first build what can be done now.

    Raises:
        PatinaError: The recipe, the eventlog or a name is wrong; nothing was built then.
    """
    for line in (*admit(project), *item_sources().problems, *PAIR_TYPES.problems):
        say_on_stderr(f"patina: {line}")
    prepare_model(project, may_add=may_add_model)
    workspace, names, verdicts = _planned(project, only, full=full)
    is_first = not project.lock.exists()
    failures: list[str] = []
    settle_interrupted((workspace.paths(name) for name in names), project.mutex)
    if not stale_stages(verdicts):
        remove_leftovers(project.data)
        if not as_json:
            print("nothing is stale: everything is as the recipe and the events ask for")
    else:
        failures = _run(workspace, verdicts, full=full)
        if not as_json:
            print_summary(workspace, names)
    note_digests(project.file_digests)
    if as_json:
        print(json_text(built_document(workspace, names, failures)))
    _report_orphans(workspace)
    _report_age(project)
    if is_first and says_next and not failures and not as_json:
        print(NEXT)
    return not failures


def plan_build(
    project: Project, *, only: Sequence[str] | None = None, full: bool = False, as_json: bool = False
) -> bool:
    """Print what `oxidize` would build, and why; return whether that is nothing. Nothing is built or copied.

    The arguments are those of `oxidize`.

    Raises:
        PatinaError: The recipe, the eventlog, the model or a name is wrong.
    """
    if of_older_version(project):
        os.environ[TRUST_VARIABLE] = "1"  # a build would take it over: plan as if it had
    prepare_model(project, may_add=False)
    workspace, _, verdicts = _planned(project, only, full=full, ahead=True)
    is_fresh = not stale_stages(verdicts)
    if as_json:
        stages = [asdict(verdict) | {"reasons": reason_texts(verdict.reasons)} for verdict in verdicts]
        print(json_text({"stale": not is_fresh, "embedding_model": workspace.spec.name, "stages": stages}))
    else:
        print("\n".join(verdict_lines(verdicts)))
    _report_orphans(workspace)
    _report_age(project)
    return is_fresh


def verdict_lines(verdicts: Iterable[StageVerdict]) -> list[str]:
    """Return one line per stage: its name, fresh, stale or missing, and why."""
    rows = [
        (v.projection if v.projection == v.stage else f"{v.projection}/{v.stage}", v.status, reasons_text(v.reasons))
        for v in verdicts
    ]
    width = max(len(name) for name, _, _ in rows)
    return [f"{name:<{width}}  {status:<7}  {reasons}".rstrip() for name, status, reasons in rows]


def _planned(
    project: Project, only: Sequence[str] | None, *, full: bool, ahead: bool = False
) -> tuple[Workspace, list[str], list[StageVerdict]]:
    """Return the workspace, the projections that are meant, and a verdict on each of their stages.

    The arguments are those of `oxidize`; with `ahead` drift is counted before pairs are built.
    """
    workspace = open_workspace(project)
    workspace = replace(workspace, eventlog=workspace.eventlog.keeping_rows())
    if not full:
        recall_digests(project.file_digests)
    names = _chosen(workspace, only)
    found = survey(workspace, ahead=ahead and not full, anew=full)
    verdicts = _forced(workspace, found, names) if full else _wanted(workspace, found, names)
    # Asked only where there is something to build: to open the eventlog takes a sixth of a run that finds nothing.
    if stale_stages(verdicts) and not workspace.eventlog.last_seq():
        raise PatinaError(
            f"{workspace.eventlog.path}: the eventlog is empty: make a first commit, then run `patina materialize`"
        )
    if found.look.warning:
        say_on_stderr(f"patina: warning: {found.look.warning}")
    if any(reason.kind is ReasonKind.BUILT_ELSEWHERE for verdict in verdicts for reason in verdict.reasons):
        say_on_stderr(f"patina: {ELSEWHERE}")
    return workspace, names, verdicts


def prepare_model(project: Project, *, may_add: bool) -> None:
    """Bring into the cache what comes with Patina, and what `--yes` is the word for.

    Raises:
        PatinaError: The recipe cannot be read, a model cannot be brought, or the device to embed on is not there.
    """
    name = model_name(read_recipe(project.recipe, pair_types_by_source()), project)
    if name == CORPUS_STATIC:
        return
    if project.config.embedding_device != "cpu":
        from patina_resources.onnx.session import refuse_missing

        refuse_missing(project.config.embedding_device)
    shipped = missing_shipped(mothership(), load_registry(mothership(), project), name)
    if shipped or may_add or (project.root / OLD_MODELS).is_dir():
        # Imported late: a build whose model is here must not wait for the network code.
        from patina_assets.commands.models.project_models import add_missing, add_shipped, tell_unused_folders

        add_shipped(project, shipped)
        if may_add:
            add_missing(project, name)
        tell_unused_folders(project, name)


def _chosen(workspace: Workspace, only: Sequence[str] | None) -> list[str]:
    known = workspace.names()
    check_known(only or (), known, "projection", "--only")
    return list(only) if only else known


def _wanted(workspace: Workspace, found: Survey, names: Sequence[str]) -> list[StageVerdict]:
    if set(names) == set(workspace.names()):
        return found.verdicts
    chosen = [verdict for verdict in found.verdicts if verdict.projection in {MODEL, *names}]
    # The survey's own verdict on the lock follows projections that are not meant here.
    states = {name: manifest_state(workspace.paths(name)) for name in workspace.names()}
    return [*chosen, lock_verdict(workspace, states, chosen)]


def _forced(workspace: Workspace, found: Survey, names: Sequence[str]) -> list[StageVerdict]:
    return [
        verdict if verdict.status == "missing" else StageVerdict(verdict.projection, verdict.stage, "stale", FORCED)
        for verdict in _wanted(workspace, found, names)
    ]


def _run(workspace: Workspace, verdicts: Sequence[StageVerdict], *, full: bool) -> list[str]:
    """Build the stale stages; return a sentence for each that failed. All but small builds are runs of Dagster."""
    # Imported late: a build with nothing to do must not wait for them.
    from patina_assets.pipeline.direct_build import build_directly, is_small
    from patina_assets.pipeline.sharing.stage_cache import passed_text
    from patina_assets.pipeline.workers.workers import most_at_once

    most_at_once()  # a wrong number is refused before anything is built
    stale = stale_stages(verdicts)
    for line in _announced(stale):
        say_on_stderr(line)
    started = time.monotonic()
    with shown_progress() as report:
        if not full and is_small(workspace, stale):
            failures = build_directly(workspace, stale, report, run_tags(stale))
        else:
            failures = _run_dagster(workspace, stale, report, full=full)
    for failure in failures:
        say_on_stderr(f"patina: {failure}")
    passed = passed_text(workspace.project)
    say_on_stderr(f"built in {time.monotonic() - started:.1f} s{f'; cache: {passed}' if passed else ''}")
    return failures


def _run_dagster(workspace: Workspace, stale: Sequence[StageVerdict], report: Report, *, full: bool) -> list[str]:
    from patina_assets.orchestration.instance import prepare_home

    home = prepare_home(workspace.project)
    os.environ |= {
        "DAGSTER_HOME": str(home),
        PROJECT_VARIABLE: str(workspace.project.root),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    # Imported late: a small build, and one with nothing to do, must not wait for Dagster.
    from patina_assets.commands.run import run_stages

    return run_stages(workspace, home, stale, report, run_tags(stale), full=full)


def run_tags(stale: Sequence[StageVerdict]) -> dict[str, str]:
    """Return what Dagster's list of runs tells of a build: who asked for it, and why."""
    from patina_assets.pipeline.direct_build import COMMAND_TAG, REASON_TAG

    first, more = stale[0], len(stale) - 1
    reason = f"{first.projection}/{first.stage}: {reasons_text(first.reasons) or first.status}"
    return {
        COMMAND_TAG: "patina oxidize",
        REASON_TAG: one_line(reason)[:MOST_REASON_CHARACTERS] + (f" (and {more} more)" if more else ""),
    }


def _announced(stale: Sequence[StageVerdict]) -> list[str]:
    """Return what is about to be built, and why: a line for each stage, and one for all that were never built."""
    unnamed = {MODEL, LOCK}
    new = {verdict.projection: None for verdict in stale if _is_new(verdict) and verdict.projection not in unnamed}
    lines = [f"built for the first time: {', '.join(new)}"] if new else []
    told = [verdict for verdict in stale if has_own_reason(verdict.reasons) and not _is_new(verdict)]
    return lines + [f"{v.projection}/{v.stage}: {v.status} ({reasons_text(v.reasons)})" for v in told]


def _is_new(verdict: StageVerdict) -> bool:
    return all(reason.kind in (ReasonKind.NEVER_BUILT, ReasonKind.NEVER_WRITTEN) for reason in verdict.reasons)


def _report_orphans(workspace: Workspace) -> None:
    """Name the projections that the recipe no longer has: their files are neither used nor deleted."""
    for orphan in orphans(workspace):
        say_on_stderr(
            f"patina: {orphan.name} is no longer in the recipe; its {orphan.files} files ({size_text(orphan.bytes)}) "
            "are kept: `patina clean` removes them"
        )


def _report_age(project: Project) -> None:
    """Say that the eventlog is older than HEAD: what is newer is not built."""
    for note in age_notes(project, None):
        say_on_stderr(f"patina: {note.sentence}")
