"""The eventlogs that benchmarks run on: as many events as asked for, in proportion, and copies kept apart."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from eventlog_builder import build_eventlog, project_history
from eventlogs import append_copy, original, scaled, texts_of


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return build_eventlog(tmp_path / "origin.db", project_history())


def events(path: Path) -> list[tuple[str, str, dict]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT event_type, source_id, data FROM eventlog ORDER BY seq").fetchall()
    return [(kind, source_id, json.loads(data)) for kind, source_id, data in rows]


def files(path: Path) -> set[str]:
    return {data["file"] for kind, _, data in events(path) if kind == "code.function"}


def test_copies_are_other_projects_of_the_same_size(origin: Path, tmp_path: Path) -> None:
    once = len(events(origin))
    assert scaled(origin, tmp_path / "three.db", 3 * once) == 3 * once
    first, third = (events(tmp_path / "three.db")[place : place + once] for place in (0, 2 * once))
    assert [kind for kind, *_ in first] == [kind for kind, *_ in third] == [kind for kind, *_ in events(origin)]
    assert not {source_id for _, source_id, _ in first} & {source_id for _, source_id, _ in third}
    assert files(tmp_path / "three.db") == {
        prefix + file for file in files(origin) for prefix in ("", "part001/", "part002/")
    }


def test_calls_of_a_copy_stay_within_it(origin: Path, tmp_path: Path) -> None:
    scaled(origin, tmp_path / "two.db", 2 * len(events(origin)))
    copy = [(kind, data) for kind, _, data in events(tmp_path / "two.db") if "part001/" in str(data.get("file"))]
    names = {data["name"] for kind, data in copy if kind == "code.function"}
    callees = [data["callee"] for kind, data in copy if kind == "code.call"]
    library = {"len", "to_string", "print"}
    assert {callee for callee in callees if callee not in library} <= names
    assert all(name.endswith("_1") for name in names)


def test_part_of_a_project_keeps_whole_commits_sessions_and_files(origin: Path, tmp_path: Path) -> None:
    once = len(events(origin))
    found = scaled(origin, tmp_path / "half.db", once // 2)
    assert 0.3 * once < found < 0.7 * once
    whole, part = events(origin), events(tmp_path / "half.db")
    for file in files(tmp_path / "half.db"):
        counts = [sum(data.get("file") == file for _, _, data in rows) for rows in (whole, part)]
        assert counts[0] == counts[1]


def test_appended_events_are_new(origin: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    before = scaled(origin, target, len(events(origin)))
    added = append_copy(origin, target, 999, 100)
    assert 80 <= added <= 100
    assert len(events(target)) == before + added
    assert not files(origin) & {data["file"] for kind, _, data in events(target)[before:] if kind == "code.function"}


def test_texts_do_not_repeat(origin: Path) -> None:
    texts = texts_of(origin, 1000)
    assert len(set(texts)) == 1000
    assert texts == texts_of(origin, 1000)


def test_without_a_real_eventlog_one_is_generated(tmp_path: Path) -> None:
    path, told = original(tmp_path / "scratch", tmp_path / "nothing")
    assert told == "a generated eventlog"
    assert len(events(path)) == len(project_history())
