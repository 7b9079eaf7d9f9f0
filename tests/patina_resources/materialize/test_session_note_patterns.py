"""Near misses of the patterns of session notes (T7)."""

import pytest
from note_texts import found, notes_of

from patina_resources.materialize.notes.session_notes import Note


@pytest.mark.parametrize(
    ("line", "notes"),
    [
        ("**Key Decisions:**", ["one"]),
        ("**Key Decisions**:", ["one"]),
        ("  **Key Decisions:**", ["one"]),
        ("**Key Decisions:** zero", ["zero", "one"]),
        ("**Key Decisions**", None),
        ("*Key Decisions:*", None),
        ("x **Key Decisions:**", None),
        ("**Key * Decisions:**", None),
        ("__Key Decisions:__", None),
        ("Key Decisions:", None),
    ],
)
def test_what_is_a_label(line: str, notes: list[str] | None) -> None:
    assert found(f"{line}\n- one\n").get("decision") == notes


def test_a_label_ends_a_section() -> None:
    assert found("**Key Decisions:**\n- one\n\n**Status:** done\n- two\n") == {"decision": ["one"]}
    assert found("## Key Decisions\n- one\n\n**Patterns Noted:**\n- two\n\n**Status:** done\n- three\n") == {
        "decision": ["one", "three"], "pattern": ["two"],
    }  # fmt: skip
    # Text of the section that it stands in, where no other one is open.
    assert found("## Key Decisions\nWe store\n**Vectors:** as f16\nand no more.\n") == {
        "decision": ["We store **Vectors:** as f16 and no more."]
    }
    assert found("**Previous Session Context:** We had\n**Status:** done\n\n## Goals\n- one\n") == {
        "context": ["We had\n**Status:** done"], "goal": ["one"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("**Key Decisions:** zero\n", {"decision": ["zero"]}),
        ("**Key Decisions:** zero\nand more\n", {"decision": ["zero and more"]}),
        ("**Key Decisions:** zero\n\nlater\n", {"decision": ["zero"]}),
        ("**Goals:** zero\n- one\n", {"goal": ["zero", "one"]}),
        ("## Activity Log\n**Found:** as follows:\n- one\n", {"observation": ["Found: as follows", "one"]}),
    ],
)
def test_what_a_labels_line_says_is_the_first_note(text: str, notes: dict[str, list[str]]) -> None:
    assert found(text) == notes


def test_an_entry_may_be_a_title_alone() -> None:
    assert found("## Activity Log\n### 10:00 - Idea\n### 10:05 - Plan:\n- one\n### 10:10 - Why\nsee:\n") == {
        "observation": ["Idea", "Plan", "one", "Why: see"]
    }


def test_a_context_says_something() -> None:
    for text in ("", "<!-- nothing yet -->\n"):
        assert found(f"## Previous Session Context\n{text}\n## Goals\n- one\n") == {"goal": ["one"]}


def test_comments_and_empty_lines_are_no_part_of_a_note() -> None:
    assert found("## Key Decisions\n<pre>\na\n\nb\n</pre>\n") == {"decision": ["<pre> a b </pre>"]}
    assert found("## Key Decisions\n- one\n\n  <!-- aside -->\n") == {"decision": ["one"]}


@pytest.mark.parametrize(
    ("heading", "observation"),
    [
        ("19:45 - Idea", "Idea: text"),
        ("9:05 Idea", "Idea: text"),
        ("19:45: Idea", "Idea: text"),
        ("19:45 – Idea", "Idea: text"),  # noqa: RUF001 - a dash as people type it
        ("19:45 -- Idea", "- Idea: text"),
        ("19.45 - Idea", "19.45 - Idea: text"),
        ("119:45 - Idea", "119:45 - Idea: text"),
        ("At 19:45 - Idea", "At 19:45 - Idea: text"),
        ("19:45 - Update (covering since 19:25)", "text"),
        ("19:45 - Update (covers since 19:25)", "Update (covers since 19:25): text"),
        ("19:45 - Note", "text"),
        ("19:45 - Note:", "text"),
        ("19:45 - Notes", "Notes: text"),
        ("19:45 - Session Start", "text"),
        ("19:45 - Session Started late", "Session Started late: text"),
        ("19:45 - session start", "session start: text"),
    ],
)
def test_what_an_entry_is_called(heading: str, observation: str) -> None:
    assert found(f"## Activity Log\n### {heading}\ntext\n") == {"observation": [observation]}


def test_what_the_tools_write_by_themselves_is_no_observation() -> None:
    lines = "Session initialized with goal: x\nWorking on branch: y\nTagged as: z\n"
    assert found(f"## Activity Log\n### 10:00 - Session Start\n{lines}") == {}
    assert found(f"## Activity Log\n### 10:00 - Session Start\n- Tagged as: z\n- Update\n\n{lines}kept\n") == {
        "observation": ["kept"]
    }
    near = ["session initialized with goal: x", "Is working on branch: y", "Tagged: z", "Update it", "Notes"]
    items = "".join(f"- {line}\n" for line in near)
    assert found(f"## Activity Log\n### 10:00 - Session Start\n{items}") == {"observation": near}
    assert found("## Activity Log\n### 10:00 - Note\nto be done:\n- a thing:\n") == {
        "observation": ["to be done", "a thing:"]
    }


@pytest.mark.parametrize(
    ("text", "decisions"),
    [
        ("None", []), ("_None._", []), ("(n/a)", []), ("**TBD**", []), ("…", []), ("todo!", []), ("nothing", []),
        ("None yet", ["None yet"]), ("none none", ["none none"]), ("nothings", ["nothings"]),
        ("nonenone", ["nonenone"]), ("n/", ["n/"]),
        ("a", ["a"]), ("_7_", ["_7_"]),
    ],
)  # fmt: skip
def test_what_says_nothing(text: str, decisions: list[str]) -> None:
    assert found(f"## Key Decisions\n{text}\n").get("decision", []) == decisions


@pytest.mark.parametrize(
    ("item", "goal", "completed"),
    [
        ("[x] a", "a", True), ("[X]  a", "a", True), ("[ ] a", "a", False), ("[] a", "[] a", False),
        ("[y] a", "[y] a", False), ("[x]a", "[x]a", False), ("a [x] b", "a [x] b", False), ("[x]", "[x]", False),
    ],
)  # fmt: skip
def test_what_is_a_checkbox(item: str, goal: str, completed: bool) -> None:
    for mark in ("-", "*", "+", "1."):
        assert notes_of(f"## Goals\n{mark} {item}\n") == [Note("goal", goal, completed, line=1)]


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Session Goals", "goal"), ("Goal", "goal"), ("Goalie", None), ("Our goals", None), ("Decision", "decision"),
        ("Decisions", "decision"), ("Key Key Decision", "decision"), ("KeyDecisions", None), ("Decisive", None),
        ("Patterns", None), ("Patterns seen", None), ("Pattern Discovered", "pattern"), ("Tasks Done", "work"),
        ("Work done", "work"), ("Work", None), ("Working completed", None), ("Challenge", "observation"),
        ("Challenger", None), ("Git Activity", None), ("Beliefs Captured", None),
    ],
)  # fmt: skip
def test_near_misses_of_section_names(title: str, kind: str | None) -> None:
    assert found(f"## {title}\n- a note\n") == ({kind: ["a note"]} if kind else {})
    # The first heading is the title of the file.
    assert found(f"# {title}\n- a note\n") == {}


def test_headings_within_the_context_are_part_of_it() -> None:
    text = "## Previous Session Context\nWe measured.\n### On what\nTwo machines.\n## Goals\n- one\n"
    assert found(text) == {"context": ["We measured.\n### On what\nTwo machines."], "goal": ["one"]}
