"""An eventlog that anybody may have written to: what cannot be read is named and left out, everything else is built."""

import json
import sqlite3
import subprocess
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from eventlog_builder import Event, build_eventlog, commit, note, project_history
from hostile_events import (
    SQL,
    VALUES,
    append_odd_seqs,
    append_raw,
    declared_as_usual,
    dumped,
    odd_columns,
    odd_payloads,
    unreadable_rows,
    without_types,
)
from small_project import Ran, make_project, patina, workspace_of

from patina_assets.pairs.items import MAX_TEXT_CHARACTERS, Item
from patina_assets.pairs.relations import MAX_CONTEXT_MEMBERS, relate, unique_texts
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pairs.types.same_module import top_level_modules
from patina_assets.pipeline.formats import decode_items, encode_items
from patina_assets.search.files.search_file import SearchFile, encode_search
from patina_resources.documents.json_value import MAX_DEPTH
from patina_resources.eventlog.normal_forms import LONGEST_PATH, current_path
from patina_resources.eventlog.payloads import parsed
from patina_resources.eventlog.reader import Eventlog
from patina_resources.project.project import Project

RECIPE = """version: 2
projections:
  semantic:
    layers: [16, 8]
    training: {source: sessions.observations, pair_type: same_session, epochs: 1, pairs: 200, batch_size: 64}
  action-encoder:
    layers: [16, 8]
    training: {source: git.commits, pair_type: effect_similarity, epochs: 1, pairs: 200, batch_size: 64}
"""
UNREADABLE_COUNT = len(list(unreadable_rows()))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = make_project(tmp_path / "repository", RECIPE, [])
    made.eventlog().unlink()
    build_eventlog(made.eventlog(), project_history(), checked=False)
    without_types(made.eventlog())
    monkeypatch.chdir(made.root)
    return made


def said(ran: Ran) -> str:
    """Return what a command said, after a look that it is no traceback."""
    assert "Traceback" not in ran.err
    assert ran.code in {0, 2}, ran.err
    return ran.err


def items_of(pair_type: str, path: Path) -> set[tuple[str, ...]]:
    """Return the items that a pair type makes, by content."""
    chosen = PAIR_TYPES[pair_type]
    rows = {name: source.rows for name, source in Eventlog(path).read(chosen.sources).items()}
    return {item.order() for item in chosen.derive(rows).items}


@pytest.fixture
def hostile(project: Project) -> Iterator[Project]:
    path = project.eventlog()
    append_raw(path, [*odd_payloads(), *odd_columns(), *unreadable_rows()])
    append_odd_seqs(path)
    return project


def test_a_project_with_every_odd_row_is_built_and_searched(hostile: Project) -> None:
    built = patina("oxidize")
    assert "seq is not a whole number in seq nothing (session.decision)" in said(built)
    assert "left out of every source" in built.err
    assert built.code == 0, built.err
    for query in ("recipe schema", SQL, "a\0b \x1b[2J", "\udcff\ud800", "x" * 100_000, '"', "NEAR(", "*", "\u202e"):
        answer = patina("scry", query, "-k", "50")
        said(answer)
        assert "\x1b" not in answer.out + answer.err
    assert json.loads(patina("scry", "hostile note", "-k", "200", "--json").out)
    for command in ("recent -k 5000", "recent --json --path *a*", "recent --days 30000", "why a.py -k 5000",
                    "why a.py:1 --json", "why f", "like a.py", "like b.py --json", "like f", "like session hostile",
                    f"like {SQL}"):  # fmt: skip
        answer = patina(*command.split(" "))
        said(answer)
        assert "\x1b" not in answer.out + answer.err
    assert patina("recent").code == patina("why", "a.py").code == patina("like", "a.py").code == 0
    assert patina("map", "base", "--out", str(hostile.root / "map.html")).code == 0
    with closing(sqlite3.connect(hostile.eventlog())) as connection:
        assert connection.execute("SELECT COUNT(*) FROM eventlog").fetchone()[0] > 2000  # no statement was run


@pytest.mark.parametrize("pair_type", PAIR_TYPES)
def test_rows_that_cannot_be_read_change_nothing(project: Project, pair_type: str) -> None:
    before = items_of(pair_type, project.eventlog())
    append_raw(project.eventlog(), unreadable_rows())
    odd = append_odd_seqs(project.eventlog())
    assert items_of(pair_type, project.eventlog()) == before
    count, sentence = Eventlog(project.eventlog()).invalid_rows()
    assert count == UNREADABLE_COUNT + odd
    assert "\n" not in sentence


@pytest.mark.parametrize("pair_type", PAIR_TYPES)
def test_what_is_built_of_odd_rows_can_be_stored(hostile: Project, pair_type: str) -> None:
    chosen = PAIR_TYPES[pair_type]
    rows = {name: source.rows for name, source in Eventlog(hostile.eventlog()).read(chosen.sources).items()}
    data = chosen.derive(rows)
    texts, _ = unique_texts(data.items)
    assert relate(texts, data.contexts, data.apart).texts == len(texts)
    items = sorted(data.items, key=Item.order)
    assert decode_items(encode_items(items)) == items
    found = SearchFile(encode_search(items, {}, None), "search.db")
    assert found.items() == items


def test_sql_in_every_field_is_text_like_any_other(tmp_path: Path) -> None:
    names = {"files": [SQL, "b.py"], "message": SQL, "author_email": SQL, "sha": SQL}
    events = [
        Event("session.decision", {"session_id": SQL, "content": SQL + " and some more"}, SQL, SQL, SQL),
        Event("git.commit", names, SQL, SQL, SQL),
        Event("code.function", {"file": SQL, "name": SQL, "parameters": [SQL], "return_type": SQL}, SQL, SQL, SQL),
        Event("code.call", {"file": SQL, "caller": SQL, "callee": SQL}, SQL, SQL, SQL),
    ]
    path = build_eventlog(tmp_path / "patina.db", events)
    for pair_type in PAIR_TYPES:
        items_of(pair_type, path)
    assert {item[2] for item in items_of("same_session", path)} == {SQL}
    assert {item[1] for item in items_of("co_changed", path)} == {SQL, "b.py"}
    assert Eventlog(path).event_counts() == {event.kind: 1 for event in events}


def test_ten_megabytes_of_text_are_an_item_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "parser " * 1_500_000
    notes = [note(long, "long"), note(long + "again", "long", "pattern")]
    project = make_project(tmp_path, RECIPE, [*project_history(), *notes, commit("l", long, "b.py", message=long)])
    monkeypatch.chdir(tmp_path)
    built = patina("oxidize", "--only", "semantic")
    assert (built.code, "Traceback" in built.err) == (0, False), built.err
    folder = project.data / "embeddings"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 30_000_000
    rows = decode_items(workspace_of(project).paths("semantic").items.read_bytes())
    assert [len(item.text) for item in rows if item.session == "long"] == [MAX_TEXT_CHARACTERS] * 2
    answer = patina("scry", "parser " * 1_500_000, "--projection", "semantic", "-k", "300")
    assert answer.code == 0
    assert len(answer.out) < 300_000


def test_a_session_of_many_notes_costs_what_its_notes_cost(tmp_path: Path) -> None:
    count = 10_000
    path = build_eventlog(tmp_path / "patina.db", (note(f"note {n} of a single session", "one") for n in range(count)))
    [source] = PAIR_TYPES["same_session"].sources
    tracemalloc.start()
    data = PAIR_TYPES["same_session"].derive({source.name: Eventlog(path).read([source])[source.name].rows})
    texts, _ = unique_texts(data.items)
    relations = relate(texts, data.contexts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(texts) == count
    assert relations.members.size == MAX_CONTEXT_MEMBERS
    assert peak < 2_000 * count  # bytes: linear; every pair of notes would take 800 MB


def test_materialize_appends_beside_odd_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path, RECIPE, [])
    project.eventlog().unlink()
    build_eventlog(project.eventlog(), project_history(), checked=False)
    without_types(project.eventlog(), "seq INTEGER PRIMARY KEY")
    append_raw(project.eventlog(), [*odd_payloads(), *odd_columns(), *unreadable_rows()])
    declared_as_usual(project.eventlog())
    (tmp_path / "layer" / "sessions").mkdir(parents=True)
    session = '---\ntitle: "\\uD800"\n---\n## Goals\n- [x] a goal that is long and new\n'
    (tmp_path / "layer" / "sessions" / "20250101-000000.md").write_text(session)
    (tmp_path / "new.py").write_text("def new(x: int) -> int:\n    return x\n")
    (tmp_path / ".gitignore").write_text(".patina/data/\n")
    for command in (["init"], ["add", "-A"], ["commit", "-m", "A new commit"]):
        subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@b", *command],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
    monkeypatch.chdir(tmp_path)
    for options in (["--full"], []):  # the commits of these rows are no commits of this repository
        done = patina("materialize", *options)
        assert (done.code, "Traceback" in done.err) == (0, False), done.err
    assert "a goal that is long and new" in {item[4] for item in items_of("same_session", project.eventlog())}
    assert "Commit: A new commit" in {item[4] for item in items_of("effect_similarity", project.eventlog())}


def test_materialize_refuses_a_table_that_numbers_nothing(project: Project) -> None:
    without_types(project.eventlog())
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    refused = patina("materialize")
    assert refused.code == 2
    assert "column seq of table eventlog is declared in another way" in refused.err


# What once took a run down, or its time


@pytest.mark.parametrize(
    "files",
    [
        '[{"path": "a.py", "lines_added": -9223372036854775808}, "b.py"]',
        '[{"path": "a.py", "lines_added": ' + "9" * 5000 + '}, "b.py"]',
        '["\\ud800.py", "b.py"]',
        "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1),
    ],
    ids=["negative lines", "5000 digits", "half a surrogate pair", "as deep as may be"],
)
def test_a_commit_with_odd_files_is_read(tmp_path: Path, files: str) -> None:
    data = '{"sha": "odd", "message": "An odd commit", "author_email": "a@b", "files": ' + files + "}"
    path = build_eventlog(tmp_path / "patina.db", [Event("git.commit", data), commit("c2", "b.py", "c.py")])
    for pair_type in PAIR_TYPES:
        for item in items_of(pair_type, path):
            "".join(item).encode()
    assert Eventlog(path).invalid_rows() == (0, "")


@pytest.mark.parametrize("pair_type", ["co_changed", "commit_touches", "same_author", "state_similarity"])
def test_newer_keys_of_a_commit_may_hold_anything(tmp_path: Path, pair_type: str) -> None:
    keys = ("body", "recorded_author", "author_seconds", "old_path", "change_type")
    events = [*project_history()]
    for number, (key, value) in enumerate((key, value) for key in keys for value in VALUES):
        renamed = {"path": "b.py", "change_type": "renamed", "old_path": "a.py", key: value}
        fields = {"sha": f"{key}{number}", "message": "Odd", "author_email": "a@b", "files": [renamed, "c.py"]}
        events.append(Event("git.commit", dumped({**fields, key: value})))
    path = build_eventlog(tmp_path / "patina.db", events)
    data = PAIR_TYPES[pair_type].derive(
        {k: r.rows for k, r in Eventlog(path).read(PAIR_TYPES[pair_type].sources).items()}
    )
    items = sorted(data.items, key=Item.order)
    assert decode_items(encode_items(items)) == items
    assert len(items) > len(items_of(pair_type, build_eventlog(tmp_path / "usual.db", project_history())))


def test_deeper_payloads_are_named_and_left_out(tmp_path: Path) -> None:
    depth = MAX_DEPTH + 1
    deep = '{"sha": "deep", "message": "x", "files": ' + "[" * depth + "]" * depth + "}"
    many = '{"sha": "many", "message": "Many brackets", "files": ["a.py", "' + "[" * 5 * depth + '"]}'
    path = build_eventlog(tmp_path / "patina.db", [Event("git.commit", deep), Event("git.commit", many)])
    sentence = Eventlog(path).invalid_rows()[1]
    assert sentence == (
        f"{path}: data is nested more than {MAX_DEPTH} levels deep in seq 1 (git.commit): left out of every source"
    )
    assert {item[3] for item in items_of("effect_similarity", path)} == {"many"}


def test_json_of_a_row_is_what_a_file_can_hold() -> None:
    assert parsed('{"a": [1, true, null, 1.5, "x"]}') == {"a": [1, True, None, 1.5, "x"]}
    assert parsed("[" + "7" * 5000 + "]") == [int("7" * 18)]
    assert parsed('["\\ud800x", "\\ud83d\\ude00"]') == ["\ufffd\ufffd\ufffdx", "\U0001f600"]


def test_texts_that_look_like_renames_take_no_more_time_than_they_are_long() -> None:
    assert current_path("src/{old => new}/a.py") == "src/new/a.py"
    hostile = "{" + " => " * 1_000_000  # the square of its length would be weeks
    assert len(hostile) > LONGEST_PATH
    assert current_path(hostile) == hostile


def test_a_path_of_a_million_folders_has_a_module_in_bounded_time() -> None:
    deep = "a/" * 1_000_000 + "x.py"
    assert top_level_modules([deep, deep + "c", "b/y.py"])["b/y.py"] == "b"


def test_an_item_holds_no_more_text_than_is_read_of_it() -> None:
    assert len(Item("decision", "x" * 10 * MAX_TEXT_CHARACTERS).text) == MAX_TEXT_CHARACTERS
    assert Item("decision", "x" * MAX_TEXT_CHARACTERS).text == "x" * MAX_TEXT_CHARACTERS
