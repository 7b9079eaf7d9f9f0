"""Session notes are read as Markdown: every kind of note once, however the file is written."""

import json

import pytest
from note_texts import SESSION, events_of, found, notes_of

from patina_resources.materialize.notes.session_header import read_header, session_time
from patina_resources.materialize.notes.session_notes import read_notes


def test_every_kind_of_note_is_found_in_every_section() -> None:
    assert found(SESSION) == {
        "context": ["We measured.\n\nThen we stopped."],
        "goal": ["measure again", "choose an index", "tell the others"],
        "work": ["**Measured** the old index", "twice, on two machines", "Wrote the results down"],
        "decision": ["**Use USearch**: it is quick", "Keep one index per projection", "Store vectors as f16"],
        "pattern": ["Measure first"],
        "observation": [
            "Slow start -> load lazily",
            "Finding: The index is built twice when a file is saved.",
            "Cache idea: Keep vectors by digest.",
            "never embed twice",
            "Two writers -> one mutex",
        ],
    }
    assert [note.completed for note in notes_of(SESSION) if note.kind == "goal"] == [True, False, True]


def test_events_have_the_shared_keys() -> None:
    events, problem = events_of("layer/sessions/20250804-192537.md", SESSION)
    assert problem == ""
    assert {(event.timestamp, event.source_id, event.source_file) for event in events} == {
        ("2025-08-04T23:25:37Z", "20250804-192537", "layer/sessions/20250804-192537.md")
    }
    assert events[0].event_type == "session.started"
    assert json.loads(events[0].data) == {
        "title": "Make search quicker",
        "started_at": "2025-08-04T23:25:37Z",
        "ended_at": None,
        "branch": "faster",
        "classification": "pattern-work",
        "files_changed": 5,
        "commits_made": 4,
        "file_path": "layer/sessions/20250804-192537.md",
    }
    goal = next(event for event in events if event.event_type == "session.goal")
    assert json.loads(goal.data) == {"session_id": "20250804-192537", "content": "measure again", "completed": True}
    work = next(event for event in events if event.event_type == "session.work")
    assert json.loads(work.data) == {
        "session_id": "20250804-192537",
        "content": "**Measured** the old index",
        "observation_type": "work",
    }


def test_yaml_front_matter_and_headings_as_sections() -> None:
    text = """---
type: session
id: 20260204-193822
title: fix-launch
created: 2026-02-05T00:38:22Z
git:
  branch: patina
---

## Key Decisions
### On storage
- append only

### Patterns Observed
- retract, never delete

## Next
- not a note
"""
    header = read_header(text, "20260204-193822")
    assert (header.title, header.started_at, header.branch) == ("fix-launch", "2026-02-05T00:38:22Z", "patina")
    notes = found(text)
    assert notes["pattern"] == ["retract, never delete"]
    assert "append only" in notes["decision"]
    assert not any("not a note" in content for contents in notes.values() for content in contents)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("**Started**: 2025-08-04T23:25:37Z", "x", "2025-08-04T23:25:37Z"),
        ("**Started**: 2025-07-28 14:38", "x", "2025-07-28T14:38:00"),
        ("**Date**: 2025-07-28", "x", "2025-07-28T00:00:00"),
        ("Date: 2016-02-12", "0001-x", "2016-02-12T00:00:00"),
        ("* Date: 2020/02/03", "0001-x", "2020-02-03T00:00:00"),
        ("Date: 3 February 2020", "0001-x", "2020-02-03T00:00:00"),
        ("Date: Feb 3, 2020", "0001-x", "2020-02-03T00:00:00"),
        ("Date: 03.02.2020", "0001-x", "2020-02-03T00:00:00"),
        ("| Date | 2020-02-03 |\n|---|---|", "0001-x", "2020-02-03T00:00:00"),
        ("Date: 03/02/2020", "x", None),
        ("no date", "20250812-123323-init", "2025-08-12T12:33:23Z"),
        ("no date", "2025-08-12-notes", "2025-08-12T00:00:00Z"),
        ("**Started**: yesterday", "20259999-999999", None),
        ("no date", "summary", None),
        ("```\n**Started**: 2025-08-04T23:25:37Z\nDate: 2016-02-12\n```\n", "x", None),
    ],
)
def test_time_of_a_session(text: str, name: str, expected: str | None) -> None:
    assert session_time(read_header(text, name), name) == expected


@pytest.mark.parametrize(
    ("front_matter", "problem"),
    [
        ("title: [", "front matter is not valid YAML"),
        ("- a list", "front matter is not a mapping"),
        ("[" * 20_000, "front matter is not valid YAML"),
        ("a: " + "x" * 70_000, "front matter is longer than 65536 characters"),
        ("a: &a [x]\nb: &b [*a, *a]\ntitle: *b", ""),
    ],
)
def test_bad_front_matter_costs_only_itself(front_matter: str, problem: str) -> None:
    text = f"---\n{front_matter}\n---\n# Session: Still here\n\n**Key Decisions:**\n- kept\n"
    header = read_header(text, "name")
    assert (header.title, header.problem) == ("Still here", problem)
    assert [note.content for note in read_notes(header.body)] == ["kept"]


def test_a_rule_at_the_top_is_no_front_matter_that_swallows_notes() -> None:
    text = "---\n# Session: Rules\n\n## Goals\n- [x] a goal\n\n---\n\n**Key Decisions:**\n- kept\n"
    events, _ = events_of("layer/sessions/rules.md", text)
    assert [event.event_type for event in events] == ["session.started", "session.goal", "session.decision"]


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Key Technical Decisions", "decision"),
        ("Architectural Decisions Made", "decision"),
        ("Work completed during this period", "work"),
        ("Key Patterns Identified", "pattern"),
        ("Challenges Faced", "observation"),
        ("Open decisions", None),
        ("Indecision", None),
    ],
)
def test_names_of_sections(title: str, kind: str | None) -> None:
    expected = {kind: ["a note"]} if kind else {}
    assert found(f"## {title}\n- a note\n") == found(f"**{title}:**\n- a note\n") == expected


def test_a_section_without_a_list_is_read_by_paragraphs() -> None:
    text = (
        "## Key Decisions\nWe store vectors\nas f16.\n\nOne index each.\n\n## Patterns Observed\n_None._\n\n---\n"
        "## Work Completed\n<!-- to be filled -->\n\n## Design Decisions\nBoth:\n- a list\n\n## Technical Decisions\n"
        "As they\nsay:\n> one\n> two\n\na|b\n-|-\n1|2\n"
    )
    assert found(text) == {
        "decision": [
            "We store vectors as f16.", "One index each.", "a list", "As they say:\n> one\n> two", "a|b\n-|-\n1|2",
        ]
    }  # fmt: skip


def test_a_note_that_stands_twice_is_two_notes() -> None:
    text = "**Key Decisions:**\n- again\n- again\n\n**Key Decisions:**\n- once more\n- once more\n"
    assert found(text)["decision"] == ["again", "again", "once more", "once more"]


@pytest.mark.parametrize(
    ("text", "decisions"),
    [
        (
            "- One queue per tenant, since\n  a slow tenant must not delay the others\n",
            ["One queue per tenant, since a slow tenant must not delay the others"],
        ),
        ("* lazily\ncontinued\n* second\n", ["lazily continued", "second"]),
        ("9. nine,\n   wrapped\n10. ten,\n    wrapped\n", ["nine, wrapped", "ten, wrapped"]),
        ("+ first\n\n  second\n  paragraph\n\n+ other\n", ["first\n\nsecond paragraph", "other"]),
        (
            "- outer,\n  wrapped\n  1) inner,\n     wrapped\n\n     and more\n  - [x] done\n\n  outer again\n",
            ["outer, wrapped\n\nouter again", "inner, wrapped\n\nand more", "[x] done"],
        ),
        ("- a\n  **Patterns Noted:** b\n", ["a **Patterns Noted:** b"]),
        ("- one  \n  two\\\n  three\n", ["one two\\ three"]),
        ("\t- a tab before\n", []),
        ("- a\n  > quoted\n  > more\n  goes\n  on\n- ---\n- # b\n-\n", ["a\n\n> quoted\n> more goes on", "b"]),
        (
            "- sizes,\n  measured:\n  | a | b |\n  |---|--:|\n  | 1 | 2 |\n\n  done\n",
            ["sizes, measured:\n| a | b |\n|---|--:|\n| 1 | 2 |\n\ndone"],
        ),
        ("- a | b\n  --- c | d\n", ["a | b --- c | d"]),
        ("- " * 30 + "deep,\n" + "  " * 30 + "wrapped\n\nafter\n", ["deep, wrapped"]),
    ],
)
def test_an_item_is_one_text(text: str, decisions: list[str]) -> None:
    assert found(f"## Key Decisions\n{text}").get("decision", []) == decisions
    assert found(f"**Key Decisions:**\n{text}").get("decision", []) == decisions


def test_items_of_every_section_are_whole() -> None:
    text = (
        "## Goals\n- [x] measure\n  again\n- [ ] choose\nan index\n## Activity Log\n### 10:00 - Idea\n- keep\n  all\n\n"
        "**Finding:** it is\nslow\n\n**Patterns Observed:** measure\nfirst\n**Work Completed:**\n2) two\n   lines\n"
    )
    assert found(text) == {
        "goal": ["measure again", "choose an index"],
        "observation": ["Idea", "keep all", "Finding: it is slow"],
        "pattern": ["measure first"],
        "work": ["two lines"],
    }
    assert [note.completed for note in notes_of(text) if note.kind == "goal"] == [True, False]


@pytest.mark.parametrize(
    ("text", "decisions"),
    [
        ("```diff\n- retries = 3\n```\n", []),
        ("~~~~\n- a\n~~~\n## Key Decisions\n- b\n~~~~\n- c\n", ["c"]),
        ("````md\n```\n- a\n```\n````\n- b\n", ["b"]),
        ("- a\n  ```\n  - no\n  # no\n  ```\n  more\n- b\n", ["a\n\n```\n- no\n# no\n```\n\nmore", "b"]),
        ("- a\n\n  ~~~ yaml\n  - x\n\n  - y\n  ~~~\n", ["a\n\n~~~ yaml\n- x\n\n- y\n~~~"]),
        ("- ```\n  - no\n  ```\n", []),
        ("text\n\n    - indented code\n", ["text"]),
        ("<!--\n- no\n\n- neither\n-->\n- yes\n", ["yes"]),
        ("```\n- never closed\n", []),
    ],
)
def test_code_and_comments_are_no_items(text: str, decisions: list[str]) -> None:
    assert found(f"## Key Decisions\n{text}").get("decision", []) == decisions


def test_code_has_no_headings_labels_fields_and_records() -> None:
    code = "```\n# Session: no\n**Git Branch**: no\n**Key Decisions:**\n- no\n## Decision\nno\nDate: 1999-01-01\n```\n"
    header = read_header(f"{code}# Session: yes\n", "name")
    assert (header.title, header.branch, header.started_at) == ("yes", None, None)
    assert found(code) == {}
    assert events_of("docs/adr/1.md", f"# T\n{code}", is_record=True) == (
        [], "no section `Decision` or `Decision Outcome`: not a decision record",
    )  # fmt: skip
    events, _ = events_of("docs/adr/1.md", f"# T\n\nDecision\n--------\nUse it:\n{code}", is_record=True)
    (decision,) = [json.loads(event.data)["content"] for event in events[1:]]
    assert decision.startswith("T: Use it: ``` # Session: no ")


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff\ufeff", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "head", ["---\ntitle: x\ncreated: 2025-01-02\n---\n", "# Session: x\n**Started**: 2025-01-02\n"]
)
def test_a_byte_order_mark_hides_nothing(mark: str, encoding: str, end: str, head: str) -> None:
    if not mark and encoding != "utf-8":
        return
    text = f"{mark}{head}\n## Key Decisions\n- kept,\n  wrapped\n".replace("\n", end)
    events, problem = events_of("layer/sessions/a.md", text.encode(encoding))
    started, decision = (json.loads(event.data) for event in events)
    assert (started["title"], decision["content"], problem) == ("x", "kept, wrapped", "")
    assert {event.timestamp for event in events} == {"2025-01-02T00:00:00"}


def test_what_is_nested_too_deep_is_said() -> None:
    for mark, deepest in (("- ", 49), ("> ", 99)):
        text = f"## Goals\n- one\n\n{mark * deepest}deep\n\n## Key Decisions\n- two\n"
        events, problem = events_of("layer/sessions/a.md", text)
        assert ("two" in events[-1].data, problem) == (True, "")
        _, problem = events_of("layer/sessions/a.md", text.replace("deep", f"{mark}deep"))
        assert problem == "blocks are nested more than 100 levels: what follows them is not read"
