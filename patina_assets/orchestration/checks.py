"""The checks of the stages as Dagster's asset checks, with what they check or alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from patina_assets.pipeline.plain_text import from_root
from patina_assets.pipeline.stages.stage import CheckResult, Stage
from patina_assets.pipeline.workspace import Workspace, manifest_state
from patina_resources.errors import PatinaError
from patina_resources.store.artifacts import BuiltProjection, of_one_build

ALL_ROWS_READABLE = "all_rows_readable"
REPOSITORY_IS_READ = "repository_is_read"
ROWS_CAN_BE_READ = "Every row of the eventlog is JSON that can be read; others are left out of every source."


def check_specs(asset: dg.AssetKey, stage: Stage) -> list[dg.AssetCheckSpec]:
    """Return the checks of a stage's asset."""
    return [dg.AssetCheckSpec(name, asset=asset, description=meaning) for name, meaning in stage.promised.items()]


def checked_asset(
    spec: dg.AssetSpec, checks: Sequence[dg.AssetCheckSpec], config_schema: Mapping[str, Any] | None = None
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Return what makes an asset whose checks can also be run alone, of a function that asks `is_built`.

    One step builds and checks: a step of its own for the checks would cost .03 s in each run.

    Args:
        spec: The asset.
        checks: Its checks.
        config_schema: What a run may tell it.
    """
    return dg.multi_asset(
        name="__".join(spec.key.path),
        specs=[spec.replace_attributes(skippable=True)],
        check_specs=checks,
        config_schema=config_schema or {},
        can_subset=True,
    )


def checks_of_files(workspace: Workspace, stage: Stage) -> list[CheckResult]:
    """Return the results of the checks of a stage as its files are now: nothing is built.

    Raises:
        PatinaError: It is not built, or a file of it, or of a stage before it, is missing or damaged.
    """
    paths = workspace.paths(stage.projection)
    return of_one_build(BuiltProjection(paths, manifest_state(paths).manifest), stage.checks)


def is_built(context: dg.AssetExecutionContext) -> bool:
    """Return whether a step is to build its asset; else only checks of it were asked for."""
    return bool(context.selected_asset_keys)


def wanted(context: dg.AssetExecutionContext, found: Iterable[CheckResult]) -> list[dg.AssetCheckResult]:
    """Return the results of the checks that a step was asked for."""
    names = {key.name for key in context.selected_asset_check_keys}
    return [result(check) for check in found if check.name in names]


def checked_alone(
    context: dg.AssetExecutionContext, check: Callable[[], Sequence[CheckResult]], root: Path
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the checks that a step was asked for; all have failed where what they read cannot be read.

    Args:
        context: Of the step.
        check: Returns the results of all checks of the asset.
        root: Of the project: paths are told from there.
    """
    try:
        yield from wanted(context, check())
    except PatinaError as error:
        names = sorted(key.name for key in context.selected_asset_check_keys)
        reason = from_root(str(error), root)
        yield from (result(CheckResult(name, passed=False, reason=reason)) for name in names)


def result(check: CheckResult) -> dg.AssetCheckResult:
    """Return a check as Dagster takes it: of severity ERROR where it blocks, else WARN."""
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
        description=check.reason,
        metadata={"reason": check.reason, **check.figures},
    )
