"""Dagster's own commands, run as people run them, on a project that is built."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from installations import give_key
from sensor_helpers import built_template
from small_project import edit_recipe
from ui_server import ROOT

from patina_assets.orchestration.instance import prepare_home
from patina_assets.orchestration.keys import stage_key
from patina_resources.project.project import Project, find_project


@pytest.fixture(scope="module")
def mothership(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give all tests of this file one mothership, which holds the project's Dagster home."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(give_key(tmp_path_factory.mktemp("mothership")))
        patch.setenv("PATINA_HOME", folder)
        yield folder


@pytest.fixture(autouse=True)
def _same_mothership(mothership: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATINA_HOME", mothership)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, mothership: str) -> Project:  # noqa: ARG001
    """Return a project that is built, and edited since: temporal/weights is stale."""
    made = find_project(shutil.copytree(built_template() / "project", tmp_path_factory.mktemp("copy") / "project"))
    prepare_home(made)
    edit_recipe(made, "co_changed, epochs: 2", "co_changed, epochs: 1")
    return made


@pytest.fixture
def instance(project: Project) -> Iterator[dg.DagsterInstance]:
    """Return the instance that the commands use."""
    with dg.DagsterInstance.from_config(str(project.dagster_home)) as found:
        yield found


def dagster(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Dagster on a project's own instance."""
    environment = os.environ | {
        "DAGSTER_HOME": str(project.dagster_home),
        "PATINA_PROJECT": str(project.root),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "dagster", *arguments, "-m", "patina_assets.definitions"]
    return subprocess.run(command, env=environment, cwd=project.root, capture_output=True, text=True, check=False)


def build_options(**options: object) -> str:
    """Return run config for the resource `build`."""
    return json.dumps({"resources": {"build": {"config": options}}})


def reused(instance: dg.DagsterInstance, stage: str) -> bool:
    """Tell whether the latest materialization of a stage of `temporal` found it fresh."""
    event = instance.get_latest_materialization_event(stage_key("temporal", stage))
    assert event is not None
    assert event.asset_materialization is not None
    return bool(event.asset_materialization.metadata["reused"].value)


def test_the_sensor_is_previewed(project: Project) -> None:
    done = dagster(project, "sensor", "preview", "oxidize_sensor")
    assert done.returncode == 0, done.stderr
    assert "Sensor returning run requests for 1 run(s)" in done.stdout


def test_the_schedule_is_previewed(project: Project) -> None:
    done = dagster(project, "schedule", "preview")
    assert done.returncode == 0, done.stderr
    assert "nightly_oxidize" in done.stdout


def test_the_sensor_is_switched_off(project: Project, instance: dg.DagsterInstance) -> None:
    done = dagster(project, "sensor", "stop", "oxidize_sensor")
    assert done.returncode == 0, done.stderr
    (state,) = (state for state in instance.all_instigator_state() if state.instigator_name == "oxidize_sensor")
    assert not state.is_running


def test_a_group_is_materialized_and_what_is_fresh_is_reused(project: Project, instance: dg.DagsterInstance) -> None:
    done = dagster(project, "asset", "materialize", "--select", "group:temporal")
    assert done.returncode == 0, done.stderr
    assert {stage: reused(instance, stage) for stage in ("pairs", "embeddings", "weights")} == {
        "pairs": True,
        "embeddings": True,
        "weights": False,
    }


def test_what_is_fresh_is_forced(project: Project, instance: dg.DagsterInstance) -> None:
    options = build_options(full=True, only=["temporal"])
    done = dagster(project, "asset", "materialize", "--select", "key:temporal/pairs", "--config-json", options)
    assert done.returncode == 0, done.stderr
    assert not reused(instance, "pairs")


def test_a_wrong_name_in_the_run_config_fails_with_the_sentence(project: Project) -> None:
    options = build_options(full=True, only=["temporl"])
    done = dagster(project, "asset", "materialize", "--select", "key:temporal/pairs", "--config-json", options)
    assert done.returncode == 1
    assert "build.only: unknown projection 'temporl' (did you mean 'temporal'?)" in done.stderr


def test_a_job_is_executed(project: Project) -> None:
    done = dagster(project, "job", "execute", "-j", "evaluate_job")
    assert done.returncode == 0, done.stderr
    assert "triplet accuracy" in done.stderr + done.stdout


def test_a_job_is_launched(project: Project, instance: dg.DagsterInstance) -> None:
    done = dagster(project, "job", "launch", "-j", "oxidize_job", "--config-json", build_options(full=True))
    assert done.returncode == 0, done.stderr
    (run,) = (run for run in instance.get_runs() if run.job_name == "oxidize_job")
    # No daemon runs here to take it from the queue.
    assert run.status == dg.DagsterRunStatus.QUEUED
    assert run.run_config == json.loads(build_options(full=True))
