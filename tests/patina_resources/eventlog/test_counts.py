"""Counts of live events that are remembered: equal to a fresh count after any appends and retractions."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patina_resources.eventlog.looks import counts
from patina_resources.eventlog.writer import COUNTS_KEY, Event, EventlogWriter, open_eventlog

KINDS = ("git", "session", "doc", "code")
TYPES = ("code.function", "code.file", "doc.section", "git.commit")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[EventlogWriter]:
    with open_eventlog(tmp_path / "patina.db") as found:
        yield found


def append(writer: EventlogWriter, event_type: str, file: str | None) -> None:
    with writer.transaction():
        writer.append([Event(event_type, "2026-01-01T00:00:00Z", "x", file, "{}")])


def fresh(writer: EventlogWriter, kind: str) -> counts.Counts:
    rows = writer.read("SELECT event_type, source_file, COUNT(*) FROM live GROUP BY 1, 2")
    return {(name, file): count for name, file, count in rows if name.startswith(f"{kind}.")}


def remembered(writer: EventlogWriter, kind: str) -> counts.Counts:
    return writer._count(kind).counts


@pytest.mark.parametrize("seed", range(6))
def test_what_is_remembered_and_extended_equals_a_fresh_count(writer: EventlogWriter, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(30):
        if chance.random() < 0.6:
            append(writer, chance.choice(TYPES), chance.choice(["a.py", "b.py", None]))
        else:  # some are taken back twice, some are not there yet, and some are retractions themselves
            seqs = [chance.randint(1, 40) for _ in range(3)]
            with writer.transaction():
                removal = chance.choice(("code.removed", "git.removed"))
                writer.retract(removal, "2026-01-02T00:00:00Z", "x", {"file": "a.py"}, seqs)
        if chance.random() < 0.4:
            writer.remember_counts(KINDS)
        assert [remembered(writer, kind) for kind in KINDS] == [fresh(writer, kind) for kind in KINDS]


def test_only_what_is_new_is_read(writer: EventlogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    append(writer, "code.file", "a.py")
    writer.remember_counts(KINDS)
    monkeypatch.setattr(counts, "ALL_SQL", "SELECT 'all is read again'")
    append(writer, "code.file", "b.py")
    assert remembered(writer, "code") == {("code.file", "a.py"): 1, ("code.file", "b.py"): 1}


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"extent": {}}', "[" * 3000])
def test_damaged_counts_are_made_anew(writer: EventlogWriter, damage: str) -> None:
    append(writer, "code.file", "a.py")
    with writer.transaction():
        writer.set_state(f"{COUNTS_KEY}code", damage)
    assert writer.live_files("code") == {"a.py"}


def test_counts_of_another_eventlog_are_not_believed(writer: EventlogWriter) -> None:
    append(writer, "code.file", "a.py")
    writer.remember_counts(KINDS)
    told = writer.state(f"{COUNTS_KEY}code")
    assert told is not None
    with writer.transaction():
        writer.set_state(f"{COUNTS_KEY}code", told.replace("a.py", "z.py").replace('"count": 1', '"count": 2'))
    assert writer.live_files("code") == {"a.py"}


def test_too_many_are_not_remembered(writer: EventlogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST_REMEMBERED", 1)
    append(writer, "code.file", "a.py")
    append(writer, "code.file", "b.py")
    writer.remember_counts(KINDS)
    assert writer.state(f"{COUNTS_KEY}code") is None
    assert writer.live_files("code") == {"a.py", "b.py"}


@pytest.mark.parametrize("forged", [
    {"extent": {"last_seq": "abc"}}, {"extent": {"last_seq": 10**30}}, {"extent": {"last_seq": [1]}},
    {"extent": {"count": "x"}}, {"extent": {"count": -1}}, {"extent": {"last_row": [1]}}, {"extent": {"file": None}},
    {"numbers": [10**400]}, {"numbers": [-5]}, {"numbers": ["x"]},
])  # fmt: skip
def test_what_somebody_else_wrote_is_counted_anew(writer: EventlogWriter, forged: dict[str, Any]) -> None:
    append(writer, "code.file", "a.py")
    writer.remember_counts(KINDS)
    content = json.loads(writer.state(f"{COUNTS_KEY}code") or "")
    changed = {**content, **forged, "extent": {**content["extent"], **forged.get("extent", {})}}
    with writer.transaction():
        writer.set_state(f"{COUNTS_KEY}code", json.dumps(changed))
    append(writer, "code.file", "b.py")
    assert remembered(writer, "code") == fresh(writer, "code")
