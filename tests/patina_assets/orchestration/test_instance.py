"""Dagster homes and the workspace file of one or several projects."""

import atexit
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import dagster as dg
import pytest
import yaml
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._utils.tags import TagConcurrencyLimitsCounter
from refusals import refusal
from sensor_helpers import run_of
from small_project import make_project
from sqlalchemy.exc import OperationalError

from patina_assets.orchestration.instance import location_names, prepare_home, prepare_workspace
from patina_assets.orchestration.records import opened_instance
from patina_resources.project.project import Project, find_project

NORMAL = 1  # of `PRAGMA synchronous`


@dg.op
def step() -> None:
    """Do nothing."""


@dg.job
def nothing() -> None:
    """Do nothing in a step."""
    step()


@pytest.fixture
def projects(tmp_path: Path) -> list[Project]:
    """Return three projects, two of them in folders of one name."""
    return [make_project(tmp_path / place) for place in ("here/app", "there/app", "My Tool!")]


def test_locations_have_names_of_their_own(projects: list[Project]) -> None:
    assert list(location_names(projects)) == ["app", "app_2", "my_tool"]
    projects[0].config_file.write_text('[project]\nname = "app-2"\n')
    assert list(location_names([find_project(project.root) for project in projects])) == ["app_2", "app", "my_tool"]


def test_one_project_keeps_its_own_home_and_bare_keys(projects: list[Project]) -> None:
    home = prepare_workspace(projects[:1])
    assert home == projects[0].dagster_home
    (entry,) = yaml.safe_load((home / "workspace.yaml").read_text())["load_from"]
    assert entry["python_file"]["location_name"] == "app"
    assert ", [])" in (home / entry["python_file"]["relative_path"]).read_text()


def test_several_share_a_home_and_no_key(projects: list[Project]) -> None:
    home = prepare_workspace(projects)
    assert all(project.root not in home.parents for project in projects)
    files = [entry["python_file"] for entry in yaml.safe_load((home / "workspace.yaml").read_text())["load_from"]]
    assert [file["location_name"] for file in files] == ["app", "app_2", "my_tool"]
    for file in files:
        assert f'["{file["location_name"]}"])' in (home / file["relative_path"]).read_text()
        assert Path(file["relative_path"]).stem not in sys.stdlib_module_names


def test_a_project_named_twice_is_refused(projects: list[Project]) -> None:
    assert "named twice" in refusal(lambda: prepare_workspace([projects[0], projects[0]]))


def test_settings_that_its_user_changed_are_kept(projects: list[Project]) -> None:
    settings = prepare_home(projects[0]) / "dagster.yaml"
    settings.write_text("telemetry: {enabled: false}\n")
    prepare_home(projects[0])
    assert settings.read_text() == "telemetry: {enabled: false}\n"


def test_runs_of_one_project_wait_for_each_other(projects: list[Project]) -> None:
    with dg.DagsterInstance.from_config(str(prepare_workspace(projects))) as instance:
        first, second, other = (run_of(instance, name).run_id for name in ("app", "app", "my_tool"))
        runs = {run.run_id: run for run in instance.get_runs()}
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        # What the daemon asks before it takes a run from the queue.
        queue = TagConcurrencyLimitsCounter(limits.tag_concurrency_limits, [runs[first]])
        assert queue.is_blocked(runs[second])
        assert not queue.is_blocked(runs[other])


def test_events_that_cannot_be_stored_print_nothing(
    projects: list[Project], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OperationalError("INSERT INTO event_logs", {}, Exception("disk I/O error"))

    home = prepare_home(projects[0])
    with opened_instance(home, keeps_output=False) as instance:
        monkeypatch.setattr(type(instance), "handle_new_event", full)
        with pytest.raises(OperationalError, match="disk I/O error"):
            nothing.execute_in_process(instance=instance)
    assert "Exception while writing" not in capfd.readouterr().err


@pytest.mark.parametrize("keeps_output", [False, True])
def test_records_wait_for_the_disk_only_where_their_files_need_it(projects: list[Project], keeps_output: bool) -> None:
    home = prepare_home(projects[0])
    with opened_instance(home, keeps_output=keeps_output) as instance:
        storages = (instance.event_log_storage, instance.run_storage, instance.schedule_storage)
        for storage in storages:
            assert isinstance(storage, SqliteEventLogStorage | SqliteRunStorage | SqliteScheduleStorage)
            connect = storage.index_connection if isinstance(storage, SqliteEventLogStorage) else storage.connect
            with connect() as connection:
                asked = [
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
                ]
            assert asked == ["wal", NORMAL]
        run = nothing.execute_in_process(instance=instance)
        # SQLite deletes the log when the last connection to its file is closed.
        assert {path.name for path in home.rglob("*.db-wal")} == (
            set() if keeps_output else {f"{run.run_id}.db-wal", "index.db-wal", "runs.db-wal", "schedules.db-wal"}
        )
    assert list(home.rglob("*.db-wal")) == []
    with opened_instance(home) as instance:
        assert [record.dagster_run.run_id for record in instance.get_run_records()] == [run.run_id]
        assert instance.all_logs(run.run_id)[-1].dagster_event_type == dg.DagsterEventType.RUN_SUCCESS


def test_a_further_run_leaves_nothing_behind_in_the_process(projects: list[Project]) -> None:
    with opened_instance(prepare_home(projects[0])) as instance:
        nothing.execute_in_process(instance=instance)
        before = atexit._ncallbacks()  # alembic would register one each time that it reads Dagster's migrations
        nothing.execute_in_process(instance=instance)
        assert atexit._ncallbacks() == before


def test_a_new_home_may_be_opened_by_several_at_once(projects: list[Project]) -> None:
    home = prepare_home(projects[0])
    together = Barrier(8)

    def opened(_: int) -> bool:
        together.wait()
        with opened_instance(home) as instance:
            return instance.get_runs() == []

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(opened, range(8))) == [True] * 8
