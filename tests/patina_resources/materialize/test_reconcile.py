"""A file's facts as it has them now: what holds stays, what is new is appended, and the rest is taken back."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from patina_resources.eventlog.writer import Event, EventlogWriter, open_eventlog, payload
from patina_resources.materialize.reconcile import Reconciler

OWNED = ("code.function", "code.call")


def event(name: str, kind: str = "code.function", time: str = "2026", file: str = "a.py") -> Event:
    return Event(kind, time, name, file, payload({"name": name}))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[EventlogWriter]:
    with open_eventlog(tmp_path / "patina.db") as opened:
        yield opened


def live(writer: EventlogWriter, file: str = "a.py") -> list[tuple[int, str]]:
    with writer.transaction():
        return [(found.seq, found.source_id) for found in writer.live_events("code", file)]


def reconciled(writer: EventlogWriter, *events: Event) -> Reconciler:
    reconciler = Reconciler(writer, "code", "2027")
    with writer.transaction():
        reconciler.update("a.py", events, OWNED)
    return reconciler


def test_a_fact_that_holds_keeps_its_event(writer: EventlogWriter) -> None:
    reconciled(writer, event("f"), event("g"), event("f"))
    assert live(writer) == [(1, "f"), (2, "g"), (3, "f")]
    second = reconciled(writer, event("f", time="2030"), event("h"), event("f", kind="code.call"))
    assert live(writer) == [(1, "f"), (5, "h"), (6, "f")]
    assert (second.changes.new, second.changes.retracted) == (
        Counter({"code.function": 1, "code.call": 1}),
        Counter({"code.function": 2}),
    )
    (removal,) = writer.read("SELECT event_type, timestamp, source_id, source_file, data FROM eventlog WHERE seq = 4")
    assert removal == ("code.removed", "2027", "a.py", "a.py", '{"file":"a.py","seqs":[2,3]}')


def test_nothing_is_written_where_nothing_changed(writer: EventlogWriter) -> None:
    reconciled(writer, event("f"))
    same = reconciled(writer, event("f"))
    assert (same.changes.new, same.changes.retracted) == (Counter(), Counter())
    assert writer.last_seq("code") == 1


def test_what_others_write_about_a_file_stays(writer: EventlogWriter) -> None:
    writer.append([event("note", kind="code.note"), event("f", file="b.py")])
    reconciled(writer, event("f"))
    reconciled(writer)
    assert live(writer) == [(1, "note")]
    assert live(writer, "b.py") == [(2, "f")]


def test_a_file_that_is_gone_says_nothing_and_what_was_known_is_counted(writer: EventlogWriter) -> None:
    reconciled(writer, event("f"), event("g"), event("c", kind="code.call"))
    before = writer.live_counts("code")
    reconciler = reconciled(writer, event("f"), event("h"))
    report = reconciler.report("code", before, ["x.py: skipped"])
    assert (report.new, report.known, report.retracted) == (
        {"code.function": 1},
        {"code.function": 1},
        {"code.function": 1, "code.call": 1},
    )
    assert report.skipped == ("x.py: skipped",)
    with writer.transaction():
        reconciler.remove("a.py")
    assert live(writer) == []


def test_who_reads_says_what_two_events_share_that_say_the_same(writer: EventlogWriter) -> None:
    reconciled(writer, event("f"))
    by_kind = Reconciler(writer, "code", "2027", identity=lambda event: event.event_type)
    with writer.transaction():
        by_kind.update("a.py", [event("renamed")], OWNED)
    assert live(writer) == [(1, "f")]
