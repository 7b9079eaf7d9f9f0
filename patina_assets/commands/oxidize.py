"""`patina oxidize`: survey the project, then run what is stale through Dagster on the project's own instance."""

import os
import sys
import time
from collections.abc import Sequence

from patina_assets.commands.terminal import verdict_lines
from patina_assets.orchestration.instance import prepare_home
from patina_assets.pairs.types import pair_types_by_source
from patina_assets.pipeline.staleness import BUILT_ELSEWHERE, LOCK, MODEL, StageVerdict
from patina_assets.pipeline.tables import size_text, table
from patina_assets.pipeline.trust import admit, of_older_version
from patina_assets.pipeline.workspace import Survey, Workspace, open_workspace, survey
from patina_assets.recipe.reader import read_recipe
from patina_assets.search.base_model import OLD_MODELS, model_name
from patina_resources.errors import PatinaError, did_you_mean
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.project.project import PROJECT_VARIABLE, Project
from patina_resources.store.artifacts import settle_interrupted
from patina_resources.store.manifests import read_manifest
from patina_resources.store.trust import TRUST_VARIABLE

ELSEWHERE = (
    "some of it was built elsewhere, so it is built again here: stop with Ctrl-C and run `patina trust` to see and "
    "accept it instead"
)


def oxidize(
    project: Project,
    *,
    only: Sequence[str] | None = None,
    full: bool = False,
    dry_run: bool = False,
    may_add_model: bool = False,
) -> bool:
    """Build what is stale and print what was done; return whether everything that was asked for is now fresh.

    Args:
        project: The project.
        only: Names of projections; None for all, and base.
        full: Build it all, fresh or not.
        dry_run: Only print what would be built, and why.
        may_add_model: Bring a missing base model into the cache.

    Raises:
        PatinaError: The recipe, the eventlog or a name is wrong; nothing was built then.
    """
    if not dry_run:
        for line in admit(project):
            print(f"patina: {line}", file=sys.stderr)
    elif of_older_version(project):
        os.environ[TRUST_VARIABLE] = "1"  # a build would take it over: plan as if it had
    _prepare_model(project, may_add=may_add_model)
    workspace = open_workspace(project)
    names = _chosen(workspace, only)
    found = survey(workspace)
    verdicts = _forced(found, names) if full else _wanted(found, names)
    fresh = all(verdict.status == "fresh" for verdict in verdicts)
    # Asked only where there is something to build: to open the eventlog takes a sixth of a run that finds nothing.
    if not fresh and not workspace.eventlog.last_seq():
        raise PatinaError(f"{workspace.eventlog.path}: the eventlog is empty: run `patina materialize`")
    if found.look.warning:
        print(f"patina: warning: {found.look.warning}", file=sys.stderr)
    if any(BUILT_ELSEWHERE in verdict.reasons for verdict in verdicts):
        print(f"patina: {ELSEWHERE}", file=sys.stderr)
    if dry_run:
        print("\n".join(verdict_lines(verdicts)))
    elif fresh:
        settle_interrupted((workspace.paths(name) for name in names), project.mutex)
        print("nothing is stale: everything is as the recipe and the events ask for")
    else:
        succeeded = _run(workspace, verdicts, full=full)
        _print_summary(workspace, names)
        _report_orphans(workspace)
        return succeeded
    _report_orphans(workspace)
    return True


def _prepare_model(project: Project, *, may_add: bool) -> None:
    """Bring the recipe's model into the cache where `--yes` is the word for it; `survey` refuses a missing one."""
    name = model_name(read_recipe(project.recipe, pair_types_by_source()), project)
    if name != CORPUS_STATIC and (may_add or (project.root / OLD_MODELS).is_dir()):
        # Imported late: a build whose model is here must not wait for the network code.
        from patina_assets.commands.project_models import add_missing, tell_unused_folders

        if may_add:
            add_missing(project, name)
        tell_unused_folders(project, name)


def _chosen(workspace: Workspace, only: Sequence[str] | None) -> list[str]:
    known = workspace.names()
    for name in only or ():
        if name not in known:
            hint = did_you_mean(name, known)
            raise PatinaError(f"--only: unknown projection {name!r}{hint}: expected one of {', '.join(known)}")
    return list(only) if only else known


def _wanted(found: Survey, names: Sequence[str]) -> list[StageVerdict]:
    return [verdict for verdict in found.verdicts if verdict.projection in {MODEL, LOCK, *names}]


def _forced(found: Survey, names: Sequence[str]) -> list[StageVerdict]:
    return [
        verdict
        if verdict.status == "missing"
        else StageVerdict(verdict.projection, verdict.stage, "stale", ("--full",))
        for verdict in _wanted(found, names)
    ]


def _run(workspace: Workspace, verdicts: Sequence[StageVerdict], *, full: bool) -> bool:
    """Run the stale stages as one Dagster run, printing a line for each; return whether all succeeded."""
    stale = [verdict for verdict in verdicts if verdict.status != "fresh"]
    for verdict in stale:
        reasons = "; ".join(verdict.reasons)
        if not reasons.startswith("follows"):
            print(f"{verdict.projection}/{verdict.stage}: {verdict.status} ({reasons})", file=sys.stderr)
    home = prepare_home(workspace.project)
    os.environ |= {
        "DAGSTER_HOME": str(home),
        PROJECT_VARIABLE: str(workspace.project.root),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    # Imported late: a build with nothing to do must not wait for Dagster.
    from patina_assets.commands.run import run_stages

    started = time.monotonic()
    failures = run_stages(workspace, home, stale, full=full)
    for failure in failures:
        print(f"patina: {failure}", file=sys.stderr)
    print(f"built in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return not failures


def _print_summary(workspace: Workspace, names: Sequence[str]) -> None:
    rows = [_summary_row(workspace, name) for name in names]
    header = ("projection", "pairs", "texts", "new texts", "items", "held-out MRR", "base MRR", "epoch", "recall@10")
    print(table(header, [row for row in rows if row]))


def _summary_row(workspace: Workspace, name: str) -> list[object]:
    manifest = read_manifest(workspace.paths(name).manifest)
    if "index" not in manifest:
        return []
    pairs, embeddings, weights, index = (
        manifest[stage].facts if stage in manifest else {} for stage in ("pairs", "embeddings", "weights", "index")
    )
    metrics = weights.get("metrics", {})
    values = [
        pairs.get("training_pairs"),
        embeddings.get("texts"),
        embeddings.get("new_texts"),
        index.get("items"),
        metrics.get("mrr"),
        metrics.get("base_mrr"),
        weights.get("best_epoch"),
        index.get("recall_at_10"),
    ]
    return [
        name,
        *("-" if value is None else f"{value:.4f}" if isinstance(value, float) else value for value in values),
    ]


def _report_orphans(workspace: Workspace) -> None:
    """Name the files of projections that the recipe no longer has: they are neither used nor deleted."""
    folder = workspace.paths("any").folder
    known = set(workspace.names())
    for manifest in sorted(folder.glob("*.manifest.json")) if folder.is_dir() else []:
        name = manifest.name.removesuffix(".manifest.json")
        if name in known:
            continue
        files = sorted(folder.glob(f"{name}.*"))
        size = size_text(sum(file.stat().st_size for file in files))
        print(
            f"patina: {name} is no longer in the recipe; its {len(files)} files ({size}) are kept: "
            f"delete them with `rm {folder / name}.*`",
            file=sys.stderr,
        )
