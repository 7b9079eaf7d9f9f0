"""Builds what is stale without Dagster: to load it, and to run its steps, takes longer than a small build.

What was done is noted in a file beside Dagster's records. Whoever opens these records next tells Dagster of it, so that
its pages show this build, too (`orchestration/noted_builds.py`).
"""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from patina_assets.learning.parts import blas_on_one_thread
from patina_assets.pipeline.plain_text import from_root, one_line
from patina_assets.pipeline.progress import Report
from patina_assets.pipeline.reasons import reasons_text
from patina_assets.pipeline.runner import StageOutcome, publish_lock, run_stage
from patina_assets.pipeline.stages.stage import CheckResult, FailedCheckError
from patina_assets.pipeline.staleness import MODEL, StageVerdict
from patina_assets.pipeline.workers.workers import trains_from_the_start
from patina_assets.pipeline.workspace import Workspace
from patina_resources.documents.checks import (
    SWITCH,
    TEXT,
    Check,
    InvalidError,
    list_of,
    number,
    record,
    table,
    table_of,
)
from patina_resources.errors import PatinaError
from patina_resources.interrupts import was_interrupted
from patina_resources.project.project import Project
from patina_resources.store.files import delete_file, remove_leftovers, write_atomic

# What a list of runs tells of a build: who asked for it, and why.
COMMAND_TAG, REASON_TAG = "patina/command", "patina/reason"
# The oldest of more are forgotten: their dots are missing in Dagster's plots, and nothing else.
MOST_NOTES = 100
# A larger file is no note.
MOST_NOTE_BYTES = 16 << 20
MOST_MOMENT = 1e11  # seconds since 1970: what can be a date
MOMENT = Check("a moment", lambda value: type(value) in (int, float) and 0 <= value < MOST_MOMENT)
TEXTS_BY_NAME = table_of(TEXT, "texts by name")
NUMBERS_BY_NAME = table_of(Check("a number", lambda value: isinstance(value, int | float)), "numbers by name")
CHECKS = list_of(
    table(
        {"name": TEXT, "passed": SWITCH, "reason": TEXT, "blocking": SWITCH, "figures": NUMBERS_BY_NAME},
        needed=("name", "passed", "reason"),
        then=lambda values: CheckResult(**values),
    ),
    "results of checks",
)


@dataclass(frozen=True)
class NotedStage:
    """A stage of a build that Dagster has not been told of.

    Attributes:
        projection: Its projection.
        stage: Its name.
        digest: Of what it gave; empty where a check held it back.
        inputs: What it was made from: digests by name.
        facts: What was counted and measured: numbers by name.
        reused: Nothing had changed, nothing was built.
        reasons: Why it was built, in words.
        seconds: How long that took.
        checks: The results of its checks.
    """

    projection: Annotated[str, TEXT]
    stage: Annotated[str, TEXT]
    digest: Annotated[str, TEXT]
    inputs: Annotated[Mapping[str, str], TEXTS_BY_NAME]
    facts: Annotated[Mapping[str, float], NUMBERS_BY_NAME]
    reused: Annotated[bool, SWITCH]
    reasons: Annotated[str, TEXT]
    seconds: Annotated[float, number(">= 0")]
    checks: Annotated[tuple[CheckResult, ...], CHECKS]


@dataclass(frozen=True)
class NotedBuild:
    """A build that Dagster has not been told of.

    Attributes:
        run: Identity of the run that it is to Dagster.
        started: When it began (seconds since 1970).
        ended: When it ended.
        tags: What the list of runs tells of it.
        stages: What became of its stages, in the order of building.
        failures: A sentence for each stage that could not be built.
    """

    run: Annotated[str, TEXT]
    started: Annotated[float, MOMENT]
    ended: Annotated[float, MOMENT]
    tags: Annotated[Mapping[str, str], TEXTS_BY_NAME]
    stages: Annotated[tuple[NotedStage, ...], list_of(record(NotedStage), "stages")]
    failures: Annotated[tuple[str, ...], list_of(TEXT, "sentences")]


NOTED_BUILD = record(NotedBuild)


def is_small(workspace: Workspace, stale: Sequence[StageVerdict]) -> bool:
    """Return whether neither a model nor weights are made from nothing, as far as that is known before the build."""
    if any(verdict.projection == MODEL or verdict.status == "missing" for verdict in stale):
        return False
    wanted = _by_projection(stale)
    return not any(
        trains_from_the_start(workspace, projection, wanted[projection.name], renew=False)
        for projection in workspace.projections
    )


def build_directly(
    workspace: Workspace, stale: Sequence[StageVerdict], report: Report, tags: Mapping[str, str]
) -> list[str]:
    """Build stages one after another, and note it for Dagster; return a sentence for each that failed.

    Args:
        workspace: The project.
        stale: The stages to build.
        report: Told how far each is.
        tags: What Dagster's list of runs is to tell of it.
    """
    started, stages, failures = time.time(), list[NotedStage](), list[str]()
    wanted = _by_projection(stale)
    with blas_on_one_thread():  # checks are small products
        for projection in workspace.projections:
            try:
                for name in wanted[projection.name]:
                    outcome = run_stage(workspace, projection.name, name, report, writes_lock=False)
                    stages.append(_noted(outcome, outcome.checks()))
            except Exception as error:  # also that of a plugin: the other projections go on
                if was_interrupted():
                    raise KeyboardInterrupt from error
                if isinstance(error, FailedCheckError):
                    stages.append(_held_back(error))
                failures.append(from_root(_sentence(projection.name, error), workspace.project.root))
    try:
        publish_lock(workspace)
    except PatinaError as error:
        failures.append(from_root(str(error), workspace.project.root))
    build = NotedBuild(str(uuid.uuid4()), started, time.time(), tags, tuple(stages), tuple(failures))
    with suppress(PatinaError):  # what is built is told by its files, too
        note_build(workspace.project, build)
    return failures


def _sentence(projection: str, error: Exception) -> str:
    if isinstance(error, PatinaError):
        return str(error)
    return f"{projection}: {one_line(str(error)) or type(error).__name__}"


def _by_projection(stale: Sequence[StageVerdict]) -> dict[str, list[str]]:
    """Return the names of the stages to build by projection, in the order of building."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for verdict in stale:
        wanted[verdict.projection].append(verdict.stage)
    return wanted


def _noted(outcome: StageOutcome, checks: Sequence[CheckResult]) -> NotedStage:
    made = outcome.record
    return NotedStage(
        projection=outcome.stage.projection,
        stage=outcome.stage.name,
        digest=made.digest,
        inputs={name: entry.value for name, entry in made.inputs.items()},
        facts={name: value for name, value in made.facts.items() if isinstance(value, int | float)},
        reused=outcome.reused,
        reasons=reasons_text(outcome.reasons),
        seconds=round(outcome.seconds, 3),
        checks=tuple(checks),
    )


def _held_back(error: FailedCheckError) -> NotedStage:
    return NotedStage(error.projection, error.stage, "", {}, {}, False, "", 0.0, error.checks)


def note_build(project: Project, build: NotedBuild) -> None:
    """Keep what Dagster is to be told of.

    Raises:
        PatinaError: It cannot be written.
    """
    folder = project.noted_builds
    remove_leftovers(folder)
    # The time first: names tell the order.
    write_atomic(folder / f"{build.started:.3f}-{build.run}.json", json.dumps(asdict(build)).encode())
    for path in noted_files(project)[:-MOST_NOTES]:
        delete_file(path)


def noted_files(project: Project) -> list[Path]:
    """Return the files with the builds that Dagster has not been told of, the oldest first."""
    return sorted(path for path in project.noted_builds.glob("*.json") if path.is_file() and not path.is_symlink())


def read_noted(path: Path) -> NotedBuild | None:
    """Return the build in a file; None where it holds none."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_NOTE_BYTES)
        build: NotedBuild = NOTED_BUILD.read(json.loads(content), ())
        return build
    except (OSError, ValueError, RecursionError, InvalidError):
        return None
