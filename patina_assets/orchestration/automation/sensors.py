"""What rebuilds alone while `patina ui` runs: the sensor and the nightly schedule."""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from patina_assets.orchestration.automation.decisions import (
    Decision,
    before_survey,
    decide,
    decode_memory,
    definitions_digest,
    encode_memory,
    inputs_of,
    look_for_changes,
    unreadable,
)
from patina_assets.orchestration.automation.orphans import active_runs, delete_old_runs, fail_orphans
from patina_assets.orchestration.automation.reload import ask_for_reload
from patina_assets.orchestration.automation.ticks import instance_of, location_name
from patina_assets.orchestration.badges import report_what_is_on_disk
from patina_assets.orchestration.keys import keys_to_build
from patina_assets.orchestration.noted_builds import code_versions, tell_noted_builds
from patina_assets.pipeline.direct_build import REASON_TAG
from patina_assets.pipeline.plain_text import from_root
from patina_assets.pipeline.staleness import StageVerdict, stale_stages
from patina_assets.pipeline.workspace import Workspace, open_workspace, survey
from patina_resources.errors import PatinaError, shown
from patina_resources.project.config import AutomationConfig
from patina_resources.project.project import find_project
from patina_resources.store.mothership import mothership

RECIPE, RECIPE_IS_READABLE = "recipe", "readable"
SENSOR = "oxidize_sensor"
OXIDIZE_JOB = "oxidize_job"
NIGHTLY = "nightly_oxidize"
RENEW = {"resources": {"build": {"config": {"renew": True}}}}


@dataclass(frozen=True)
class CodeLocation:
    """One project as a code location.

    Attributes:
        root: The project.
        definitions: Digest of the files that the definitions were made from, as loaded.
        prefix: What stands before its asset keys.
    """

    root: Path
    definitions: str
    prefix: tuple[str, ...] = ()


def unreadable_recipe(reason: str, prefix: Sequence[str]) -> dg.AssetCheckEvaluation:
    """Return the failed check of a recipe that cannot be read."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey([*prefix, RECIPE]),
        check_name=RECIPE_IS_READABLE,
        passed=False,
        description=reason,
        metadata={"reason": reason},
    )


def sensor_status(on: bool) -> dg.DefaultSensorStatus:
    """Return whether a sensor runs unless it is switched in the UI."""
    return dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED


def oxidize_sensor(location: CodeLocation, automation: AutomationConfig, broken: str = "") -> dg.SensorDefinition:
    """Return the sensor that asks for what is stale, once writes have settled, and loads an edited recipe.

    Args:
        location: The project.
        automation: Its settings.
        broken: Why its recipe cannot be read, or "".
    """
    told: list[str] = []  # once for each time the definitions are loaded

    @dg.sensor(
        name=SENSOR,
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=automation.interval_seconds,
        default_status=sensor_status(automation.sensor),
        description="Rebuilds what became stale. It looks at the eventlog, the recipe and the model every "
        f"{automation.interval_seconds} s. It waits until nothing was written for {automation.settle_seconds} s. Then "
        "it asks for the stale stages, and those that follow them, in one run. It tries a failed projection again "
        "after 30 s, 2 min, 10 min and 1 h. Off: the switch on this page, or `sensor = false` under [automation] of "
        "config.toml.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        edited = definitions_digest(location.root, mothership()) != location.definitions
        if edited and ask_for_reload(location_name(context) or ""):
            return dg.SkipReason("the recipe or config.toml was edited: the definitions are being loaded again")
        if broken:
            if not told:
                told.append(broken)
                instance_of(context).report_runless_asset_event(unreadable_recipe(broken, location.prefix))
            return dg.SkipReason(broken)
        return tick(context, location, automation, time.time())

    return sensor


def tick(
    context: dg.SensorEvaluationContext, location: CodeLocation, automation: AutomationConfig, now: float
) -> dg.SensorResult | dg.SkipReason:
    """Return what the sensor asks for at a moment (seconds since 1970)."""
    memory = decode_memory(context.cursor)
    try:
        workspace = open_workspace(find_project(location.root))
        probe = look_for_changes(workspace)
    except PatinaError as error:
        return dg.SkipReason(from_root(str(error), location.root))
    memory, waiting = before_survey(memory, probe, now, automation.settle_seconds)
    name, instance = location_name(context), instance_of(context)
    if not waiting:
        fail_orphans(instance, name)
        waiting = "a run of this project is queued or running" if active_runs(instance, name) else ""
    if waiting:
        return dg.SensorResult(skip_reason=dg.SkipReason(waiting), cursor=encode_memory(memory))
    known = _code_versions(context)
    try:
        found = survey(workspace)
        tell_noted_builds(instance, workspace, known, location.prefix, name)
        report_what_is_on_disk(instance, workspace, found, known, location.prefix)
        decision = decide(memory, probe, found.verdicts, inputs_of(workspace, found), now)
    except PatinaError as error:
        decision = unreadable(memory, probe, from_root(str(error), location.root), now)
    return _result(decision, location, workspace, known)


def nightly_schedule(location: CodeLocation, automation: AutomationConfig, config_file: Path) -> dg.ScheduleDefinition:
    """Return the schedule that asks for everything stale or drifted once a night, whatever was tried before.

    Raises:
        PatinaError: `cron` or `timezone` of [automation] is none.
    """

    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        delete_old_runs(context.instance, time.time())
        try:
            workspace = open_workspace(find_project(location.root))
            stale = stale_stages(survey(workspace, renew=True).verdicts)
        except PatinaError as error:
            return dg.SkipReason(from_root(str(error), location.root))
        if not stale:
            return dg.SkipReason("nothing is stale")
        known = context.repository_def.asset_graph.get_all_asset_keys() if context.repository_def else set()
        return dg.RunRequest(asset_selection=_selection(location, workspace, stale, known), run_config=RENEW)

    try:
        return dg.ScheduleDefinition(
            name=NIGHTLY,
            job_name=OXIDIZE_JOB,
            cron_schedule=automation.cron,
            execution_timezone=automation.timezone,
            execution_fn=evaluate,
            default_status=dg.DefaultScheduleStatus.RUNNING if automation.nightly else dg.DefaultScheduleStatus.STOPPED,
            description="Builds once a night what is stale, also what the sensor has stopped trying. It trains anew "
            "the weights that were kept or continued. It deletes runs that are older than 30 days. When: `cron` and "
            "`timezone` under [automation] of config.toml. Off: the switch on this page, or `nightly = false` there.",
        )
    except (dg.DagsterInvalidDefinitionError, dg.DagsterInvariantViolationError) as error:
        raise PatinaError(
            f"{config_file}: [automation] cron {shown(automation.cron)} in timezone {shown(automation.timezone)}: "
            f"expected five fields of cron such as '0 3 * * *' and an IANA time zone such as 'Europe/Berlin'"
        ) from error


def _code_versions(context: dg.SensorEvaluationContext) -> dict[dg.AssetKey, str | None]:
    if context.repository_def is None:
        raise AssertionError("Dagster gives every sensor its repository")
    return code_versions(context.repository_def.asset_graph)


def _selection(
    location: CodeLocation, workspace: Workspace, verdicts: Iterable[StageVerdict], known: Collection[dg.AssetKey]
) -> list[dg.AssetKey]:
    bare = keys_to_build(workspace, verdicts)
    return [key for key in (dg.AssetKey([*location.prefix, *key.path]) for key in bare) if key in known]


def _result(
    decision: Decision, location: CodeLocation, workspace: Workspace, known: Collection[dg.AssetKey]
) -> dg.SensorResult:
    """Return the decision as Dagster takes it."""
    cursor = encode_memory(decision.memory)
    selection = _selection(location, workspace, decision.verdicts, known)
    if not selection:
        return dg.SensorResult(skip_reason=dg.SkipReason(decision.reason), cursor=cursor)
    tags = {REASON_TAG: decision.reason[:1000]}
    request = dg.RunRequest(run_key=decision.memory.run_key, asset_selection=selection, tags=tags)
    return dg.SensorResult(run_requests=[request], cursor=cursor)
