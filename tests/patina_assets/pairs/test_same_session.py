"""Notes of one session belong together."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pytest
from deriver import Derived, Deriver, both_ways
from eventlog_builder import (
    Event,
    note,
    project_history,
)

from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import MAX_CONTEXT_MEMBERS, related_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.types import same_session

LONG = "a note that is long enough"


# same_session


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("x" * 20, False),
        ("x" * 21, True),
        ("é" * 21, True),
        (" \n\t" * 10 + "x" * 20 + "\r\n" * 10, False),
        ("\n" * 30, False),
    ],
)
def test_notes_of_over_20_characters_are_items(derive: Deriver, content: str, kept: bool) -> None:
    assert len(derive("same_session", [note(content)]).data.items) == kept


def test_a_note_says_where_it_is_from(derive: Deriver) -> None:
    events = [Event("session.started", {"title": LONG}), note(f"  {LONG}\n", "session-a", "pattern")]
    assert derive("same_session", events).data.items == [Item("pattern", LONG, session="session-a")]


def test_every_kind_of_note_counts_and_other_session_events_do_not(derive: Deriver) -> None:
    kinds = ["decision", "pattern", "goal", "work", "context", "observation"]
    events = [note(f"{LONG} of the kind {kind}", "s", kind) for kind in [*kinds, "started", "ended"]]
    assert [item.kind for item in derive("same_session", events).data.items] == sorted(kinds)


def test_a_note_without_session_id_belongs_to_its_source(derive: Deriver) -> None:
    events = [Event("session.goal", {"content": f"{LONG} {number}"}, source_id="s") for number in range(2)]
    (context,) = derive("same_session", events).data.contexts
    assert {item.session for item in context.members} == {"s"}


def test_a_repeated_note_counts_once_in_a_session(derive: Deriver) -> None:
    events = [
        note("other words of some length"),
        note(LONG),
        note(LONG),
        note(LONG, "session-b"),
        note(LONG, kind="goal"),
    ]
    derived = derive("same_session", events)
    assert [(item.session, item.kind) for item in derived.data.items if item.text == LONG] == [
        ("session-a", "decision"),
        ("session-a", "goal"),
        ("session-b", "decision"),
    ]
    assert derived.related() == both_ways([["other words of some length", LONG]])


def test_a_huge_session_relates_a_part_of_its_notes(derive: Deriver) -> None:
    events = [note(f"{LONG}, number {number:04}") for number in range(1000)]
    derived = derive("same_session", [*events, note(f"{LONG}, elsewhere", "session-b")])
    assert len(derived.data.items) == 1001
    rows = derived.relations.member_rows()
    assert len(rows) == MAX_CONTEXT_MEMBERS
    assert len(related_texts(derived.relations).keys) == MAX_CONTEXT_MEMBERS * (MAX_CONTEXT_MEMBERS - 1)
    assert np.diff(rows).max() <= 1000 / MAX_CONTEXT_MEMBERS + 1


def test_a_session_is_in_one_part_only_and_stays_there(histories: Mapping[str, Derived], derive: Deriver) -> None:
    def parts(derived: Derived) -> dict[str | None, set[Split]]:
        found: dict[str | None, set[Split]] = defaultdict(set)
        for context in derived.data.contexts:
            for item in context.members:
                found[item.session].add(context.split)
        return found

    before = parts(histories["same_session"])
    assert all(len(splits) == 1 for splits in before.values())
    assert {split for splits in before.values() for split in splits} == set(Split)
    more = [note(f"{LONG} {number}", f"new-{number // 3}") for number in range(90)]
    after = parts(derive("same_session", [*more, *project_history()]))
    assert {session: after[session] for session in before} == before


def test_what_is_asked_of_notes_has_names_that_stay() -> None:
    """They stand in manifests of projects that are built."""
    names = [source.name for source in (same_session.OBSERVATIONS, same_session.NOTE_PLACES, same_session.NOTE_TIMES)]
    assert names == ["sessions.observations", "sessions.places", "sessions.times"]
