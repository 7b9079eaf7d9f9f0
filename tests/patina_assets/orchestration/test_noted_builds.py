"""What Dagster is told of small builds, which go on without it."""

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from eventlog_builder import commit
from sensor_helpers import SMALL_CHANGE, Sensor, badges
from small_project import add_events, delete_events, edit_recipe, patina, workspace_of

from patina_assets.orchestration.automation.orphans import location_of
from patina_assets.orchestration.keys import cache_key
from patina_assets.orchestration.noted_builds import code_versions, tell_noted_builds
from patina_assets.pipeline.direct_build import (
    MOST_NOTE_BYTES,
    MOST_NOTES,
    NotedBuild,
    note_build,
    noted_files,
    read_noted,
)
from patina_resources.errors import PatinaError

WEIGHTS, BASE = dg.AssetKey(["temporal", "weights"]), dg.AssetKey(["base", "index"])


@pytest.fixture(autouse=True)
def _inside(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands in the project's folder."""
    monkeypatch.chdir(sensor.project.root)


def materialization(sensor: Sensor, key: dg.AssetKey) -> dg.EventLogEntry:
    entry = sensor.instance.get_latest_materialization_event(key)
    assert entry is not None
    return entry


def build_small(sensor: Sensor) -> NotedBuild:
    add_events(sensor.project, SMALL_CHANGE)
    done = patina("oxidize")
    assert done.code == 0, done.err
    (path,) = noted_files(sensor.project)
    build = read_noted(path)
    assert build is not None
    return build


def test_a_small_build_is_a_run_with_its_reason_pages_and_checks(sensor: Sensor) -> None:
    build = build_small(sensor)
    assert not sensor.instance.has_run(build.run)
    assert sensor.requested() == set(), "it is built"
    run = sensor.instance.get_run_record_by_id(build.run)
    assert run is not None
    assert run.dagster_run.status is dg.DagsterRunStatus.SUCCESS
    assert run.dagster_run.tags["patina/command"] == "patina oxidize"
    assert "git.co_changes" in run.dagster_run.tags["patina/reason"]
    assert location_of(run.dagster_run) == run.dagster_run.tags["dagster/code_location"] == "project"
    assert (run.start_time, run.end_time) == pytest.approx((build.started, build.ended), abs=1e-3)
    assert run.create_timestamp.timestamp() == pytest.approx(build.started, abs=1e-3)
    # What Dagster needs to execute it again; what it cannot do is said in the log.
    assert run.dagster_run.remote_job_origin is not None
    assert {WEIGHTS, BASE} <= (run.dagster_run.asset_selection or set())
    (begun,) = sensor.instance.all_logs(build.run, of_type=dg.DagsterEventType.RUN_START)
    assert "to build it again, choose to re-execute all steps" in begun.message
    entry = materialization(sensor, WEIGHTS)
    assert entry.run_id == build.run
    assert entry.timestamp == pytest.approx(build.ended)
    shown = entry.asset_materialization
    assert shown is not None
    assert shown.metadata["reused"].value is True
    assert shown.metadata["reasons"].value == "trained on 99.6% of today's pairs"
    assert shown.metadata["drift"].value == pytest.approx(1 / 277, abs=1e-4)
    assert "map" in (materialization(sensor, BASE).asset_materialization or shown).metadata
    embedded = [stage.facts["texts"] for stage in build.stages if stage.stage == "embeddings"]
    cache = materialization(sensor, cache_key("corpus-static")).asset_materialization
    assert cache is not None
    assert cache.metadata["texts"].value in embedded
    check = dg.AssetCheckKey(BASE, "every_item_is_indexed")
    (record,) = sensor.instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert record.run_id == build.run
    assert record.event is not None
    assert {node["staleStatus"] for node in badges(sensor).values()} == {"FRESH"}
    assert noted_files(sensor.project) == []


def test_a_sensor_of_its_own_tells_where_that_of_rebuilding_is_off(sensor: Sensor) -> None:
    notice = sensor.definitions.resolve_sensor_def("build_notice")

    def tick() -> str:
        with dg.build_sensor_context(sensor.instance, repository_def=sensor.repository) as context:
            found = notice(context)
        assert isinstance(found, dg.SkipReason)
        return str(found.skip_message)

    assert tick() == "nothing was built without Dagster"
    build = build_small(sensor)
    assert tick() == "made runs of 1 builds"
    assert sensor.instance.has_run(build.run)
    assert noted_files(sensor.project) == []
    assert {node["staleStatus"] for node in badges(sensor).values()} == {"FRESH"}


class KilledError(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", [1, 5, 21, 23])
def test_who_is_killed_at_any_moment_of_telling_tells_all_and_nothing_twice(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    build = build_small(sensor)
    workspace, versions = workspace_of(sensor.project), code_versions(sensor.repository.asset_graph)
    left = iter(range(moment))

    def dying(patch: pytest.MonkeyPatch, place: object, name: str) -> None:
        really = getattr(place, name)

        def told(*arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                raise KilledError
            return really(*arguments, **options)

        patch.setattr(place, name, told)

    with monkeypatch.context() as patch:
        dying(patch, sensor.instance, "report_dagster_event")
        dying(patch, sensor.instance.run_storage, "add_historical_run")
        with pytest.raises(KilledError):
            tell_noted_builds(sensor.instance, workspace, versions)
    tell_noted_builds(sensor.instance, workspace, versions)
    run = sensor.instance.get_run_by_id(build.run)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.SUCCESS
    events = [entry.dagster_event for entry in sensor.instance.all_logs(build.run) if entry.dagster_event is not None]
    kinds = Counter(event.event_type_value for event in events)
    assert kinds["ASSET_MATERIALIZATION"] == len(build.stages)
    assert kinds["PIPELINE_SUCCESS"] == 1
    assert noted_files(sensor.project) == []


def test_who_was_killed_while_telling_tells_once_more(sensor: Sensor) -> None:
    build = build_small(sensor)
    (path,) = noted_files(sensor.project)
    note = path.read_bytes()
    assert sensor.requested() == set()
    told = len(sensor.instance.fetch_materializations(WEIGHTS, limit=100).records)
    path.write_bytes(note)
    add_events(sensor.project, [commit("b" * 40, "src/parser/alone.py", hour=601)])
    assert sensor.requested()
    assert len(sensor.instance.fetch_materializations(WEIGHTS, limit=100).records) == told
    run = sensor.instance.get_run_by_id(build.run)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.SUCCESS


ODD_NOTES = ("", "{}", "[]", "null", "9" * 5000, "[" * 100_000, '{"run": "x"}', "\0", "{" * 20)
CHANGED = [
    {"run": 1}, {"run": None}, {"started": "now"}, {"started": float("inf")}, {"ended": float("nan")}, {"ended": -1},
    {"tags": ["a"]}, {"tags": {"a": 1}}, {"stages": {}}, {"stages": ["a"]}, {"stages": [{}]}, {"failures": [1]},
    {"of a later version": 1},
]  # fmt: skip
CHANGED_STAGES = [
    {"projection": 1}, {"stage": None}, {"digest": 7}, {"inputs": ["a"]}, {"inputs": {"pairs": 1}}, {"facts": 3},
    {"facts": {"a": [1]}}, {"reused": "no"}, {"reasons": []}, {"seconds": "1"}, {"seconds": float("inf")},
    {"checks": [{"name": "x"}]}, {"checks": [{"name": "x", "passed": 3, "reason": ""}]}, {"checks": {"name": "x"}},
    {"checks": [{"name": "x", "passed": True, "reason": "", "figures": {"a": "b"}}]}, {"of a later version": 1},
]  # fmt: skip


def test_what_is_no_note_is_left_out_and_holds_nothing_back(sensor: Sensor, tmp_path: Path) -> None:
    build = build_small(sensor)
    (path,) = noted_files(sensor.project)
    assert read_noted(path) == build
    document, folder = json.loads(path.read_bytes()), path.parent
    texts = [*ODD_NOTES, *(json.dumps(document | change) for change in CHANGED)]
    for change in CHANGED_STAGES:
        texts.append(json.dumps(document | {"stages": [document["stages"][0] | change]}))
    for number, text in enumerate(texts):
        (folder / f"odd-{number}.json").write_text(text)
        assert read_noted(folder / f"odd-{number}.json") is None, text
    with (folder / "huge.json").open("wb") as file:
        file.write(b"{}")
        file.truncate(MOST_NOTE_BYTES * 40)
    runs = sensor.instance.get_runs_count()
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json" / "kept").mkdir(parents=True)
    (tmp_path / "elsewhere.json").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "elsewhere.json")
    assert sensor.requested() == set(), "it is built"
    assert sensor.instance.has_run(build.run)
    assert noted_files(sensor.project) == []
    assert (tmp_path / "elsewhere.json").exists()
    assert sensor.instance.get_runs_count() == runs + 1


def test_a_note_of_a_projection_that_is_gone_is_left_out(sensor: Sensor) -> None:
    build = build_small(sensor)
    gone = replace(build, run="gone", stages=tuple(replace(stage, projection="gone") for stage in build.stages))
    note_build(sensor.project, gone)
    assert sensor.requested() == set()
    assert noted_files(sensor.project) == []
    assert materialization(sensor, WEIGHTS).run_id == build.run


def test_what_is_built_from_the_start_is_a_run_of_dagster_which_tells_of_earlier_builds(sensor: Sensor) -> None:
    build_small(sensor)
    edit_recipe(sensor.project, "co_changed, epochs: 2", "co_changed, epochs: 1")
    done = patina("oxidize")
    assert done.code == 0, done.err
    assert noted_files(sensor.project) == []
    with dg.DagsterInstance.from_config(str(sensor.project.dagster_home)) as instance:
        assert [location_of(run) for run in instance.get_runs()] == ["project", "project"]


def test_a_stage_that_fails_is_told_and_the_others_go_on(sensor: Sensor) -> None:
    delete_events(sensor.project, "session.%")
    add_events(sensor.project, SMALL_CHANGE)
    done = patina("oxidize")
    assert done.code == 1
    assert "semantic: the eventlog holds 0 related pairs" in done.err
    (path,) = noted_files(sensor.project)
    build = read_noted(path)
    assert build is not None
    (failure,) = build.failures
    assert failure.startswith("semantic: the eventlog holds 0 related pairs")
    assert {stage.stage for stage in build.stages if stage.projection == "base"} == {"items", "embeddings", "index"}
    assert not any(stage.projection == "semantic" for stage in build.stages)
    sensor.settled_tick()
    run = sensor.instance.get_run_by_id(build.run)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_the_oldest_of_many_notes_are_forgotten(sensor: Sensor) -> None:
    empty = NotedBuild("run", 0.0, 1.0, {}, (), ())
    for number in range(MOST_NOTES + 2):
        note_build(sensor.project, replace(empty, started=1e9 + number, run=str(number)))
        if not number:  # as somebody leaves it who was killed long ago
            (sensor.project.noted_builds / ".tmp-1.json.0").write_text("{")
            os.utime(sensor.project.noted_builds / ".tmp-1.json.0", (0, 0))
    assert not list(sensor.project.noted_builds.glob(".tmp-*"))
    kept = [json.loads(path.read_bytes())["run"] for path in noted_files(sensor.project)]
    assert kept == [str(number) for number in range(2, MOST_NOTES + 2)]


def test_a_note_that_cannot_be_written_stops_no_build(sensor: Sensor) -> None:
    folder = sensor.project.noted_builds
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    add_events(sensor.project, SMALL_CHANGE)
    assert patina("oxidize").code == 0
    with pytest.raises(PatinaError, match="cannot be written"):
        note_build(sensor.project, NotedBuild("run", 0.0, 1.0, {}, (), ()))
