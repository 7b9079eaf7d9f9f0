"""`patina oxidize`, killed at any moment: what was built is whole, and the next build ends as if nothing had been."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from amounts import SEED, SOAK, amount, moments
from commands import Commands, Ended
from faulty_projects import (
    QUESTION,
    Change,
    State,
    age_leftovers,
    check_answer,
    copy,
    intact,
    leftovers,
    lock_text,
    places,
    states,
)
from small_project import make_project

from patina_assets.orchestration.automation.orphans import active_runs, fail_orphans
from patina_resources.project.project import find_project
from patina_resources.store.manifests import EXTENDED


@dataclass(frozen=True)
class Build:
    """A build that is killed: where it begins, and what it must come to.

    Attributes:
        start: The project.
        arguments: Of `patina oxidize`.
        old: The artifacts of `start`.
        new: The artifacts of an undisturbed build.
        lock: Its lock, without the time.
        operations: How many file operations it did.
        seconds: How long it took.
    """

    start: Path
    arguments: list[str]
    old: Mapping[str, State]
    new: Mapping[str, State]
    lock: str
    operations: int
    seconds: float


@pytest.fixture(scope="module")
def rebuild(change: Change) -> Build:
    """Return a build over another one, in which everything changes."""
    new = (change.new, change.lock, change.operations, change.seconds)
    return Build(change.changed, ["--full"], change.old, *new)


@pytest.fixture(scope="module")
def first_build(change: Change, scratch: Path, commands: Commands) -> Build:
    """Return the build of a project in which nothing was built before."""
    recipe = find_project(change.before).recipe.read_text()
    start = make_project(scratch / "first" / "start", recipe).root
    ended = commands.run(copy(start, scratch / "first" / "built"), "oxidize")
    assert ended.code == 0, ended
    return Build(start, [], {}, change.old, lock_text(change.before), ended.operations, change.seconds)


def drifted_build(drift: Change) -> Build:
    """Return the build of a project whose weights have drifted."""
    return Build(drift.changed, [], drift.old, drift.new, drift.lock, drift.operations, drift.seconds)


def check_whole(commands: Commands, project: Path, build: Build, killed: Ended) -> None:
    """Assert that every artifact is the old or the new one, and that `scry` answers or says what to run."""
    assert killed.killed or killed.code == 0, killed
    for name, state in states(project).items():
        assert state in (build.old.get(name), build.new[name]), (name, killed)
    answered = commands.run(project, "scry", QUESTION)
    check_answer(answered)


def check_next_build(commands: Commands, project: Path, build: Build, killed: object) -> None:
    """Assert that the next build ends as an undisturbed one does, and clears away what was left."""
    age_leftovers(project)
    ended = commands.run(project, "oxidize", *build.arguments)
    assert ended.code == 0, (killed, ended)
    assert lock_text(project) == build.lock, killed
    assert states(project) == build.new, killed
    assert leftovers(project) == [], killed
    assert check_answer(commands.run(project, "scry", QUESTION))


def kill_all(commands: Commands, folder: Path, build: Build, faults: list[dict[str, Any]]) -> Path:
    """Kill a build at each of some moments; in the long form, each time from the start, else again and again."""
    project = copy(build.start, folder / "project")
    for number, fault in enumerate(faults):
        if SOAK and number:
            project = copy(build.start, folder / f"project-{number}")
        killed = commands.run(project, "oxidize", *build.arguments, **fault)
        check_whole(commands, project, build, killed)
        if SOAK:
            check_next_build(commands, project, build, killed)
    return project


def test_killed_at_file_operations_of_a_rebuild(commands: Commands, rebuild: Build, folder: Path) -> None:
    faults = [{"kill_at": moment} for moment in moments(amount(8, 100), rebuild.operations, 1)]
    check_next_build(commands, kill_all(commands, folder, rebuild, faults), rebuild, "the last")


def test_killed_at_file_operations_of_a_first_build(commands: Commands, first_build: Build, folder: Path) -> None:
    faults = [{"kill_at": moment} for moment in moments(amount(4, 50), first_build.operations, 5)]
    project = kill_all(commands, folder, first_build, faults)
    with dg.DagsterInstance.from_config(str(find_project(project).dagster_home)) as instance:
        fail_orphans(instance, None)
        assert active_runs(instance, None) == []  # they would hold back the sensor
    check_next_build(commands, project, first_build, "the last")


def test_what_drifts_is_kept_or_continued(drift: Change) -> None:
    built = {name: intact(places(drift.changed.with_name("after"))[name]) for name in ("temporal", "base")}
    if "continued: 1" in drift.lock:
        assert built["temporal"]["weights"].facts["continuations"]
    else:
        assert drift.new["temporal/weights"][1:] == drift.old["temporal/weights"][1:]
        assert all(manifest["index"].facts[EXTENDED] > 0 for manifest in built.values())


def test_killed_while_weights_are_kept_or_continued(commands: Commands, drift: Change, folder: Path) -> None:
    build = drifted_build(drift)
    faults = [{"kill_at": moment} for moment in moments(amount(4, 50), build.operations, 9)]
    check_next_build(commands, kill_all(commands, folder, build, faults), build, "the last")


def test_killed_after_some_time(commands: Commands, rebuild: Build, folder: Path) -> None:
    rng = random.Random(SEED)
    faults = [{"kill_after": 0.05 + rng.random() * rebuild.seconds} for _ in range(amount(3, 50))]
    check_next_build(commands, kill_all(commands, folder, rebuild, faults), rebuild, "the last")
