"""A look at the eventlog, and what is remembered of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from eventlog_builder import Event, append, build_eventlog
from eventlog_queries import EVENTS, EVERYTHING, GOALS, digest, execute

from patina_resources.eventlog.looks.memory import SourceDigest, decode_memory, encode_memory
from patina_resources.eventlog.reader import Eventlog

# The remembered look


def test_a_look_gives_each_sources_digest_and_row_count(path: Path) -> None:
    look = Eventlog(path).look([EVERYTHING, GOALS])
    assert {name: entry.digest for name, entry in look.digests.items()} == {
        "everything": digest(path),
        "goals": digest(path, GOALS),
    }
    assert {name: entry.rows for name, entry in look.digests.items()} == {"everything": 3, "goals": 1}
    assert look.warning == ""


def _with_other_digests(document: bytes) -> bytes:
    memory = decode_memory(document)
    return encode_memory(replace(memory, known={key: SourceDigest("remembered", 1) for key in memory.known}))


def test_a_remembered_look_that_is_damaged_is_not_believed(path: Path) -> None:
    eventlog = Eventlog(path)
    document = eventlog.look([EVERYTHING]).document
    digest = eventlog.look([EVERYTHING]).digests["everything"].digest
    damaged = document.replace(digest.encode(), b"0" * 64)
    assert damaged != document
    assert eventlog.look([EVERYTHING], damaged).digests["everything"].digest == digest


def test_a_remembered_look_is_believed_until_the_file_changes(path: Path) -> None:
    eventlog = Eventlog(path)
    remembered = _with_other_digests(eventlog.look([EVERYTHING]).document)
    again = eventlog.look([EVERYTHING], remembered)
    assert again.digests["everything"].digest == "remembered"
    assert json.loads(again.document) == json.loads(remembered)

    append(path, [EVENTS[0]])
    assert eventlog.look([EVERYTHING], remembered).digests["everything"].digest == digest(path)


def test_a_remembered_look_holds_for_the_same_sql_only(path: Path) -> None:
    eventlog = Eventlog(path)
    remembered = _with_other_digests(eventlog.look([EVERYTHING, GOALS]).document)
    edited = replace(GOALS, sql="SELECT seq FROM eventlog")
    look = eventlog.look([EVERYTHING, edited], remembered)
    assert look.digests["everything"].digest == "remembered"
    assert look.digests["goals"].digest == digest(path, edited)


def test_a_remembered_look_remembers_its_warning(tmp_path: Path) -> None:
    eventlog = Eventlog(build_eventlog(tmp_path / "patina.db", [Event("code.call", "oops")], checked=False))
    first = eventlog.look([GOALS])
    assert "seq 1 (code.call)" in first.warning
    assert eventlog.look([GOALS], first.document).warning == first.warning


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"probe": "PROBE", "warning": ""}',
        b'{"probe": "PROBE", "warning": "", "digests": []}',
        b'{"probe": "PROBE", "warning": "", "digests": {"x": 5}}',
        b'{"probe": "PROBE", "warning": "", "digests": {"x": {"digest": "d", "rows": Infinity}}}',
    ],
)
def test_a_damaged_memory_of_a_look_is_no_memory(path: Path, damaged: bytes) -> None:
    eventlog = Eventlog(path)
    remembered = damaged.replace(b"PROBE", eventlog.probe().encode())
    assert eventlog.look([EVERYTHING], remembered) == eventlog.look([EVERYTHING])


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_look_does_not_disturb_the_probe(path: Path, mode: str) -> None:
    execute(path, f"PRAGMA journal_mode={mode}")
    eventlog = Eventlog(path)
    before = eventlog.probe()
    document = eventlog.look([EVERYTHING]).document
    assert eventlog.probe() == before
    append(path, [EVENTS[0]])
    assert eventlog.probe() != before
    assert eventlog.look([EVERYTHING], document).document != document
