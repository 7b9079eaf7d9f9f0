"""The checks of the stages as Dagster's asset checks."""

import dagster as dg

from patina_assets.pipeline.runner import StageOutcome
from patina_assets.pipeline.stages.stage import CheckResult, Stage
from patina_resources.store.artifacts import of_one_build

ALL_ROWS_READABLE = "all_rows_readable"
REPOSITORY_IS_READ = "repository_is_read"
ROWS_CAN_BE_READ = "Every row of the eventlog is JSON that can be read; others are left out of every source."


def check_specs(asset: dg.AssetKey, stage: Stage) -> list[dg.AssetCheckSpec]:
    """Return the checks of a stage's asset."""
    return [dg.AssetCheckSpec(name, asset=asset, description=meaning) for name, meaning in stage.promised.items()]


def check_results(outcome: StageOutcome) -> list[dg.AssetCheckResult]:
    """Return the results of the checks of a stage that was built or found fresh.

    Raises:
        PatinaError: A file of it, or of a stage before it, is missing or damaged.
    """
    return [result(check) for check in of_one_build(outcome.built, outcome.stage.checks)]


def result(check: CheckResult) -> dg.AssetCheckResult:
    """Return a check as Dagster takes it: of severity ERROR where it blocks, else WARN."""
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
        description=check.reason,
        metadata={"reason": check.reason, **check.figures},
    )
