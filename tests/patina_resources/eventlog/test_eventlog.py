"""Eventlog: events that say nothing, digests of rows, and which events are live."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from eventlog_builder import Event, append, build_eventlog, commit, note, project_history, removal, shuffled
from eventlog_queries import EVENTS, EVERYTHING, GOALS, digest, execute, seqs

from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.passages.history import COMMITS
from patina_resources.eventlog import reader
from patina_resources.eventlog.derived_views import rebuild_views
from patina_resources.eventlog.live import LIVE as LIVE_CONDITION
from patina_resources.eventlog.reader import Eventlog, Row, Source, rows_digest
from patina_resources.eventlog.writer import open_eventlog

LIVE = Source("live", f"SELECT seq FROM eventlog WHERE {LIVE_CONDITION} ORDER BY seq")


ALL_SOURCES = list({source.name: source for pair_type in PAIR_TYPES.values() for source in pair_type.sources}.values())


def test_sources_that_begin_alike_give_together_what_each_gives_alone(tmp_path: Path) -> None:
    odd = [
        replace(commit("c9", "a.py"), data={"message": 5, "files": "a.py", "author": ["x"]}),
        replace(commit("c9", "a.py"), data={"sha": 7, "message": "m", "files_changed": ["b.py"], "body": None}),
        replace(commit("c8", "a.py"), timestamp=b"\xff", source_id=b"\xfe"),
        *(commit("c7", *(f"{number}.py" for number in range(count))) for count in (1, 3, 2)),
    ]
    path = build_eventlog(tmp_path / "patina.db", [*project_history(), *odd])
    before, eventlog = path.read_bytes(), Eventlog(path)
    alike = [source for source in (*ALL_SOURCES, COMMITS) if source.common]
    alone = {source.name: eventlog.rows([source])[source.name] for source in alike}
    assert len(alone) > 2
    assert eventlog.rows([*alike, *ALL_SOURCES]) == alone | eventlog.rows([s for s in ALL_SOURCES if not s.common])
    assert {name: entry.digest for name, entry in eventlog.look(alike).digests.items()} == {
        name: rows_digest(rows) for name, rows in alone.items()
    }
    assert eventlog.keeping_rows().read(alike) == eventlog.read(alike)
    assert path.read_bytes() == before
    with eventlog.connect() as connection:
        assert {source.name: rows.fetchall() for source, rows in reader._each(connection, alike)} == alone
        assert connection.execute("PRAGMA query_only").fetchone() == (1,)


# Rows that cannot be read


def test_rows_without_valid_json_are_named_and_left_out(tmp_path: Path) -> None:
    broken = [replace(event, data="{broken") for event in EVENTS]
    sound = build_eventlog(tmp_path / "sound.db", EVENTS)
    damaged = build_eventlog(tmp_path / "damaged.db", [*EVENTS, *broken, Event("code.call", "")], checked=False)

    assert Eventlog(sound).invalid_rows() == (0, "")
    count, sentence = Eventlog(damaged).invalid_rows()
    assert count == 4
    assert sentence == (
        f"{damaged}: data is not valid JSON in seq 4 (session.goal), seq 5 (session.decision), "
        "seq 6 (git.commit) and 1 more: left out of every source"
    )
    assert Eventlog(damaged).read(ALL_SOURCES) == Eventlog(sound).read(ALL_SOURCES)
    assert Eventlog(damaged).look(ALL_SOURCES).warning == sentence


def test_what_a_row_is_of_is_told_as_data(tmp_path: Path) -> None:
    events = [Event(kind, "{") for kind in ("code.call", "two words", b"\xff")]
    path = build_eventlog(tmp_path / "patina.db", events, checked=False)
    assert Eventlog(path).invalid_rows() == (
        3,
        f"{path}: data is not valid JSON in seq 1 (code.call), seq 2 ('two words'), seq 3 (1 bytes): "
        "left out of every source",
    )


def test_text_that_is_not_utf8_is_read_with_replacement_characters(path: Path) -> None:
    payload = b'{"session_id": "s", "content": "caf\xe9 au lait is what we drink"}'.hex()
    execute(
        path,
        "INSERT INTO eventlog (event_type, timestamp, source_id, data) "
        f"VALUES ('session.goal', '2025', 's', CAST(X'{payload}' AS TEXT))",
    )
    source = PAIR_TYPES["same_session"].source
    rows = Eventlog(path).read([source])[source.name].rows
    assert [row[2] for row in rows if row[0] == "s"] == ["caf\ufffd au lait is what we drink"]


def test_a_blob_where_text_belongs_does_not_stop_a_run(path: Path) -> None:
    append(path, [Event("session.goal", {"content": "a note of a session with a strange id"}, source_id=b"\xff\xfe")])
    source = PAIR_TYPES["same_session"].source
    read = Eventlog(path).read([source])
    contexts = PAIR_TYPES["same_session"].derive({name: rows.rows for name, rows in read.items()}).contexts
    assert len(contexts) == 2


# Digests


def test_a_digest_covers_the_rows_and_nothing_else(tmp_path: Path, path: Path) -> None:
    other = build_eventlog(
        tmp_path / "elsewhere" / "renamed.db", [*EVENTS, note("some other kind of note", kind="work")]
    )
    renamed = Source("other name", GOALS.sql.replace("ORDER BY seq", "ORDER BY seq ASC"))
    assert digest(other, renamed) == digest(path, GOALS)
    assert digest(path, GOALS) == rows_digest(Eventlog(path).read([GOALS])[GOALS.name].rows)

    before = digest(path, GOALS)
    execute(path, "UPDATE eventlog SET source_id = 'moved', timestamp = '2030'")
    assert digest(path, GOALS) == before
    execute(path, "UPDATE eventlog SET data = '{}' WHERE seq = 1")
    assert digest(path, GOALS) != before


def test_a_digest_tells_rows_types_and_order_apart() -> None:
    variants: list[list[Row]] = [
        [],
        [(1, "a")],
        [("1", "a")],
        [(1, "a"), (2, "b")],
        [(2, "b"), (1, "a")],
        [(1, "a"), (1, "a")],
        [(1, None)],
        [(1, "a", "b")],
    ]
    assert len({rows_digest(rows) for rows in variants}) == len(variants)


def test_digests_are_the_same_for_all_time() -> None:
    rows: list[Row] = [(1, "caf\u00e9", None, 1.5), (2, b"\xff", True, -(2**63))]
    assert rows_digest(rows) == "aab50c58686f12b9f08c236289d2dec0d2a365ead289a8e76d3f85a100c52e5f"


def test_what_events_say_does_not_depend_on_their_order(tmp_path: Path) -> None:
    def said(events: list[Event], name: str) -> dict[str, str]:
        path = build_eventlog(tmp_path / name, events)
        return {name: rows.digest for name, rows in Eventlog(path).read(ALL_SOURCES).items()}

    history = project_history()
    first = said(history, "first.db")
    assert said(shuffled(history), "second.db") == first
    taken_back = [note("a note that is taken back later on"), removal("session", 1), *history]
    assert said(taken_back, "third.db") == first
    changed = said([*history, commit("new", "a.py", "b.py")], "fourth.db")
    assert {name for name in first if changed[name] != first[name]} == {
        "git.commits",
        "git.co_changes",
        "git.authors",
        "git.transitions",
    }


def test_counts(path: Path, tmp_path: Path) -> None:
    assert Eventlog(path).last_seq() == 3
    counts = [("git.commit", 1), ("session.decision", 1), ("session.goal", 1)]
    assert list(Eventlog(path).event_counts().items()) == counts
    empty = Eventlog(build_eventlog(tmp_path / "empty.db", []))
    assert (empty.last_seq(), empty.event_counts()) == (0, {})
    assert empty.read([EVERYTHING])[EVERYTHING.name].rows == []


# Retraction


def test_what_vanished_is_retracted_by_a_later_event(path: Path) -> None:
    co_changes = PAIR_TYPES["co_changed"].source
    assert len(Eventlog(path).rows([co_changes])[co_changes.name]) == 2
    append(path, [removal("session", 1), removal("git", 3)])
    assert seqs(path, LIVE) == [2]
    assert Eventlog(path).rows([co_changes])[co_changes.name] == []
    append(path, [EVENTS[0], removal("code", 2)])
    assert seqs(path, LIVE) == [6]


ODD_REMOVALS = [
    removal("session"),
    removal("session", None),
    removal("session", "1", 1.0, 1e0, None, True, {"seq": 1}, [1], [[1]], 99, 4, -1, 0, 2**63, 10**30),
    Event("session.removed", {"seqs": "1"}),
    Event("session.removed", {"seqs": 1}),
    Event("session.removed", {"seqs": {"a": 1}}),
    Event("session.removed", {"seqs": None}),
    Event("session.removed", {"seq": [1]}),
    Event("session.removed", {"data": {"seqs": [1]}}),
    Event("session.removed", "[1]"),
    Event("session.removed", "1"),
    Event("session.removed", "{broken"),
    Event("session.removed", b'{"seqs": [1]}'),
    Event("other.removed", {"seqs": [1]}),
    Event("session.ended", {"seqs": [1]}),
]


@pytest.mark.parametrize("event", ODD_REMOVALS)
def test_an_event_that_names_no_seqs_retracts_nothing(tmp_path: Path, event: Event) -> None:
    path = build_eventlog(tmp_path / "patina.db", [*EVENTS, event], checked=False)
    assert seqs(path, LIVE)[:3] == [1, 2, 3]


def test_a_removal_counts_for_what_it_names_rightly(path: Path) -> None:
    append(path, [removal("session", None, "2", 1, 99, [3])])
    assert seqs(path, LIVE) == [2, 3]


@pytest.mark.parametrize("event", ODD_REMOVALS)
def test_the_writer_and_the_derived_tables_take_the_same_events_for_live(tmp_path: Path, event: Event) -> None:
    path = build_eventlog(tmp_path / "patina.db", [*EVENTS, removal("session", 2), event], checked=False)
    with open_eventlog(path) as writer:
        rebuild_views(writer)
        kinds = ("session.goal", "session.decision", "git.commit")
        assert [seq for kind in kinds for seqs in writer.live_sources(kind).values() for seq in seqs] == [1, 3]
    with closing(sqlite3.connect(path)) as connection:
        counts = [connection.execute(f"SELECT COUNT(*) FROM {view}").fetchone()[0] for view in ("goals", "commits")]
    assert counts == [1, 1]
