"""Session notes and decision records -> eventlog: every note once, however the file is written."""

import json
import sys
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows

from patina_assets.pairs.items import Item
from patina_assets.pairs.types.same_session import SAME_SESSION
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.eventlog.writer import Event
from patina_resources.materialize.docs.markdown import parse_markdown
from patina_resources.materialize.notes.session_header import read_header, session_time
from patina_resources.materialize.notes.session_notes import Note, read_notes
from patina_resources.materialize.notes.sessions import file_events, read_note_file
from patina_resources.materialize.report import ScraperReport
from patina_resources.materialize.run import materialize

SESSION = """# Session: Make search quicker
**ID**: 20250804-192537
**Started**: 2025-08-04T23:25:37Z
**LLM**: any
**Git Branch**: faster

## Previous Session Context
We measured.

Then we stopped.

## Goals
- [x] measure again
- [ ] choose an index
* [X] tell the others

## Activity Log
### 19:25 - Session Start
Session initialized with goal: Make search quicker
Working on branch: faster
Tagged as: session-start

### 19:45 - Update (covering since 19:25)

**Git Activity:**
- Commits this session: 4

**Work Completed:**
1. **Measured** the old index
   - twice, on two machines
- Wrote the results down

**Key Decisions:**
- **Use USearch**: it is quick
* Keep one index per projection

**Challenges & Solutions:**
- Slow start -> load lazily

**Patterns Observed:**
- Measure first

### 20:10 - Note
**Finding:** The index is built twice
when a file is saved.

### 20:30 - Cache idea
Keep vectors by digest.
- never embed twice

```bash
# not a heading
- not a note
```

### 21:00 - Update (covering since 19:45)

**Key Decisions and Reasoning:**
1. Store vectors as f16

**Challenges Faced:**
2) Two writers -> one mutex

## Session Classification
- Work Type: pattern-work
- Files Changed:        5
- Commits:        4

## User Prompts (2)
1. `hello`
"""


def notes_of(text: str) -> list[Note]:
    return read_notes(parse_markdown(text, labels=True))


def found(text: str) -> dict[str, list[str]]:
    notes: dict[str, list[str]] = {}
    for note in notes_of(text):
        notes.setdefault(note.kind, []).append(note.content)
    return notes


def events_of(file: str, text: str | bytes, *, is_record: bool = False) -> tuple[list[Event], str]:
    """Return the events of a file but for the one that says where they stand, and what is said about the file."""
    content = text if isinstance(text, bytes) else text.encode()
    read = read_note_file(file, content, is_record=is_record)
    events = file_events(read, "never")
    assert [event.event_type for event in events[-1:]] == ["session.file"] * bool(events)
    return events[:-1], read.problem


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
        "## Work Completed\n<!-- to be filled -->\n\n## Design Decisions\nBoth:\n- a list\n"
    )
    assert found(text) == {"decision": ["We store vectors as f16.", "One index each.", "a list"]}


def test_a_note_that_stands_twice_is_two_notes() -> None:
    text = "**Key Decisions:**\n- again\n- again\n\n**Key Decisions:**\n- once more\n- once more\n"
    assert found(text)["decision"] == ["again", "again", "once more", "once more"]


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    folder = GitFolder(tmp_path / "project")
    folder.commit("start")
    return folder


def scrape(folder: GitFolder, **options: object) -> ScraperReport:
    (report,) = materialize(folder.path, folder.eventlog, only=["sessions"], **options)  # type: ignore[arg-type]
    return report


def test_only_what_changed_is_appended_and_taken_back(folder: GitFolder) -> None:
    path = folder.write("layer/sessions/20250804-192537.md", SESSION)
    first = scrape(folder)
    assert first.new == {
        "session.started": 1,
        "session.goal": 3,
        "session.decision": 3,
        "session.pattern": 1,
        "session.work": 3,
        "session.context": 1,
        "session.observation": 5,
        "session.file": 1,
    }
    assert scrape(folder).known == first.new
    assert scrape(folder, full=True).new == {}
    seq = last_seq(folder.eventlog)
    path.write_text(SESSION.replace("- [ ] choose an index", "- [x] choose an index"))
    assert scrape(folder).new == {"session.goal": 1, "session.file": 1}
    assert after(folder.eventlog, seq) == {"session.removed": 1, "session.goal": 1, "session.file": 1}
    (removed,) = rows(folder.eventlog, "session.removed")
    assert removed["source_file"] == "layer/sessions/20250804-192537.md"
    taken_back = [rows(folder.eventlog)[seq - 1]["data"].get("content") for seq in removed["data"]["seqs"]]
    assert taken_back == ["choose an index", None]
    path.unlink()
    assert sum(scrape(folder).retracted.values()) == 18
    assert live(folder.eventlog, "session") == []


def test_every_file_yields_something_or_is_reported(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("layer/sessions/empty.md", "")
    folder.write("layer/sessions/huge.md", "x" * (1 << 20) + "y")
    folder.write("layer/sessions/latin.md", b"# Session: caf\xe9\n\n**Key Decisions:**\n- na\xefve\n")
    folder.write("layer/sessions/title.md", "# A title only\n")
    (tmp_path / "outside.md").write_text(SESSION)
    (folder.path / "layer/sessions/link.md").symlink_to(tmp_path / "outside.md")
    (folder.path / "layer/sessions/loop.md").symlink_to("loop.md")
    report = scrape(folder)
    assert sorted(report.skipped) == [
        "layer/sessions/empty.md: no notes in any known section: only its title is taken",
        "layer/sessions/huge.md: larger than 1 MiB",
        "layer/sessions/link.md: is a symbolic link",
        "layer/sessions/loop.md: is a symbolic link",
        "layer/sessions/title.md: no notes in any known section: only its title is taken",
    ]
    titles = {row["source_id"]: row["data"]["title"] for row in rows(folder.eventlog, "session.started")}
    assert titles == {"empty": "empty", "latin": "caf\ufffd", "title": "A title only"}


def test_globs_choose_the_files_and_cannot_leave_the_repository(folder: GitFolder) -> None:
    folder.write("notes/a.md", "## Decisions\n- from notes\n")
    folder.write("layer/sessions/b.md", "## Decisions\n- from layer\n")
    scrape(folder, session_globs=["notes/**/*.md"])
    assert [row["data"]["content"] for row in live(folder.eventlog, "session.decision")] == ["from notes"]
    folder.write(".git/inside.md", "## Decisions\n- from git\n")
    report = scrape(folder, session_globs=["**/*.md", "logs/*.md"])
    assert (report.new, report.skipped) == (
        {"session.started": 1, "session.decision": 1, "session.file": 1},
        ("sessions: no file matches `logs/*.md`",),
    )
    refused = ["../*.md", "/etc/*.md", "a/../../b.md", " "]
    if sys.version_info < (3, 13):  # later ones take it for `*`
        refused.append("notes/**.md")
    for pattern in refused:
        with pytest.raises(PatinaError, match=r"\[sessions\] globs of config.toml: .* expected a path in the repo"):
            scrape(folder, session_globs=[pattern])


def test_decision_records(folder: GitFolder) -> None:
    folder.write(
        "docs/adr/0001-use-sqlite.md",
        "# 1. Use SQLite\n\nDate: 2024-03-01\n\n## Status\n\nAccepted\n\n## Context\n\nWe need a log.\n\n"
        "## Decision\n\nWe use\nSQLite.\n\n## Consequences\n\nOne file.\n",
    )
    folder.write(
        "docs/decisions/0002-madr.md",
        "---\nstatus: accepted\ndate: 2024-04-02\n---\n# Use MADR\n\n"
        "## Context and Problem Statement\n\nWhich form?\n\n"
        "## Decision Outcome\n\nChosen option: MADR.\n",
    )
    folder.write("docs/adr/README.md", "# Decisions\n\nHow to write them.\n")
    report = scrape(folder)
    assert report.skipped == ("docs/adr/README.md: no section `Decision` or `Decision Outcome`: not a decision record",)
    notes = [
        (row["source_id"], row["timestamp"], row["event_type"], row["data"].get("content"))
        for row in rows(folder.eventlog)
        if row["event_type"] != "session.file"
    ]
    first, second = ("0001-use-sqlite", "2024-03-01T00:00:00"), ("0002-madr", "2024-04-02T00:00:00")
    assert notes == [
        (*first, "session.started", None),
        (*first, "session.context", "We need a log."),
        (*first, "session.decision", "1. Use SQLite: We use SQLite."),
        (*first, "session.observation", "One file."),
        (*second, "session.started", None),
        (*second, "session.context", "Which form?"),
        (*second, "session.decision", "Use MADR: Chosen option: MADR."),
    ]


def test_sessions_of_a_repository_without_commits(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "new")
    folder.write("layer/sessions/undated.md", "## Decisions\n- one\n")
    assert scrape(folder).new == {"session.started": 1, "session.decision": 1, "session.file": 1}
    assert {row["timestamp"] for row in rows(folder.eventlog)} == {"1970-01-01T00:00:00+00:00"}


# Markdown is read as Markdown (N1-N3)


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
        ("- a\n  > quoted\n  > more\n- ---\n- # b\n-\n", ["a\n\n> quoted > more", "b"]),
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


@pytest.mark.parametrize("mark", ["\ufeff", ""])
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


# Decision records (N4-N7)


@pytest.mark.parametrize(
    ("file", "text", "is_template"),
    [
        ("adr-template.md", "# Use it\n## Decision\nYes.\n", True),
        ("0000-template.md", "# Use it\n## Decision\nYes.\n", True),
        ("TEMPLATE.md", "# Use it\n## Decision\nYes.\n", True),
        ("x.md", "# {short title, representative of solved problem}\n## Decision Outcome\nYes.\n", True),
        ("x.md", "# [short title of solved problem and solution]\n## Decision Outcome\nYes.\n", True),
        ("x.md", '# T\n## Decision Outcome\nChosen option: "{option}", because {reason}.\n', True),
        ("x.md", "# T\n## Decision\n\n<!-- why -->\n{describe the {main} decision}\n", True),
        ("0005-use-a-template-engine.md", "# Use a template engine\n## Decision\nJinja.\n", False),
        ("x.md", "# Serve /users/{id}\n## Decision\nWe serve /users/{id} and {fmt} strings.\n", False),
        ("x.md", "# T\n## Decision\nUse:\n```\n{a b c d e f g h}\n```\n", False),
        ("x.md", "# [Link](x.md) it\n## Decision\nYes, `{name of it}`.\n", False),
    ],
)
def test_a_template_is_skipped_and_said(file: str, text: str, is_template: bool) -> None:
    events, problem = events_of(f"docs/adr/{file}", text, is_record=True)
    assert (events == [], problem) == ((True, "a template of decision records") if is_template else (False, ""))


@pytest.mark.parametrize(
    ("text", "status", "state"),
    [
        ("---\nstatus: superseded by 0007\n---\n# T\n", "superseded by 0007", "superseded"),
        ("# T\n* Status: superseded by [ADR-5](0005.md)\n", "superseded by [ADR-5](0005.md)", "superseded"),
        ("# T\n\n**Status:** Deprecated\n", "Deprecated", "deprecated"),
        ("# T\n## Status\n\nAccepted\n\nSuperceded by [2](2.md)\n", "Accepted Superceded by [2](2.md)", "superseded"),
        ("# T\n## Status\nRejected\n", "Rejected", "rejected"),
        ("# T\n## Status\nAccepted. Supersedes [1](1.md)\n", "Accepted. Supersedes [1](1.md)", None),
        ("---\nstatus: accepted\n---\n# T\n", "accepted", None),
        ("# T\n```\nStatus: rejected\n```\n", None, None),
    ],
)
def test_the_status_of_a_record_is_kept(text: str, status: str | None, state: str | None) -> None:
    events, _ = events_of("docs/adr/1.md", f"{text}\n## Decision\nYes.\n", is_record=True)
    started = json.loads(events[0].data)
    assert (started.get("status"), started.get("state")) == (status, state)
    assert ("status" in started, "state" in started) == (status is not None, state is not None)


def test_a_session_has_no_status() -> None:
    events, _ = events_of("layer/sessions/1.md", "---\nstatus: archived\n---\n## Goals\n- one\n")
    assert "status" not in json.loads(events[0].data)


def test_an_undated_file_has_the_time_of_its_last_commit(folder: GitFolder) -> None:
    folder.write("docs/adr/0001-a.md", "# A\n## Decision\nOne.\n")
    folder.write("layer/sessions/b.md", "## Key Decisions\n- two\n")
    folder.commit("both")
    folder.write("docs/adr/0001-a.md", "# A\n## Decision\nOther.\n")
    folder.commit("one of them")
    folder.write("docs/adr/0003-new.md", "# New\n## Decision\nThree.\n")
    folder.commit("something else")
    folder.write("docs/adr/0004-uncommitted.md", "# Later\n## Decision\nFour.\n")
    scrape(folder)
    times = {row["source_file"]: row["timestamp"] for row in rows(folder.eventlog, "session.")}
    minute = {path: time[14:16] for path, time in times.items()}
    first = int(minute["layer/sessions/b.md"])
    assert {path: int(value) - first for path, value in minute.items()} == {
        "layer/sessions/b.md": 0,
        "docs/adr/0001-a.md": 1,
        "docs/adr/0003-new.md": 2,
        "docs/adr/0004-uncommitted.md": 2,  # no commit has it: the time of the checked-out one
    }


def items_of(folder: GitFolder) -> list[Item]:
    """Return the items that the notes of an eventlog give."""
    read = Eventlog(folder.eventlog).read(SAME_SESSION.sources)
    return list(SAME_SESSION.derive({name: source.rows for name, source in read.items()}).items)


def lines_of(folder: GitFolder) -> dict[str, dict[str, int]]:
    """Return the line of every item that has one, by file and text."""
    found: dict[str, dict[str, int]] = {}
    for item in items_of(folder):
        found.setdefault(item.file or "", {})[item.text] = item.line or 0
    return found


def test_an_item_of_a_note_or_record_has_its_file_and_line(folder: GitFolder) -> None:
    head = "---\nstatus: superseded by 2\n---\n# Use SQLite\n"
    record = f"{head}\n## Context\n\nWe need a log.\n\n## Decision\n\nWe take SQLite.\n"
    session = (
        "# Session: x\r\n\r\n## Key Decisions\r\n- first decision of the day,\r\n  wrapped\r\n"
        "  - the second one of them\r\n"
    )
    folder.write("docs/adr/0001-a.md", record)
    path = folder.write("layer/sessions/20250101-000000.md", session)
    scrape(folder)
    lines = {
        "docs/adr/0001-a.md": {"Use SQLite: We take SQLite.": 10},
        "layer/sessions/20250101-000000.md": {
            "first decision of the day, wrapped": 4, "the second one of them": 6,
        },
    }  # fmt: skip
    assert lines_of(folder) == lines
    seq = last_seq(folder.eventlog)
    path.write_text(session.replace("## Key", "Three\r\nmore\r\nlines.\r\n\r\n## Key"))
    report = scrape(folder)
    assert after(folder.eventlog, seq) == {"session.removed": 1, "session.file": 1}
    assert report.retracted == {"session.file": 1}
    moved = {text: line + 4 for text, line in lines["layer/sessions/20250101-000000.md"].items()}
    assert lines_of(folder)["layer/sessions/20250101-000000.md"] == moved
    assert {item.file: item.state for item in items_of(folder)} == dict(zip(lines, ("superseded", None), strict=True))


def test_hidden_and_ignored_files_are_skipped_and_said(folder: GitFolder) -> None:
    note = "## Decisions\n- a decision\n"
    for file in ("notes/a.md", "notes/.b.md", ".hidden/c.md", ".hidden/in/d.md", "notes/private/e.md",
                 "notes/private/f.md", "notes/g.tmp.md", "docs/adr/.h.md"):  # fmt: skip
        folder.write(file, note)
    folder.write(".gitignore", ".patina/\nprivate/\n*.tmp.md\n")
    folder.write("notes/tracked.tmp.md", note)
    folder.git("add", "-f", "notes/tracked.tmp.md")
    GitFolder(folder.path / "notes" / "inner")
    folder.write("notes/inner/i.md", note)
    report = scrape(folder, session_globs=["notes/**/*.md", ".hidden/**/*.md"])
    assert {row["source_file"] for row in live(folder.eventlog, "session.")} == {"notes/a.md", "notes/tracked.tmp.md"}
    assert sorted(report.skipped) == [
        ".hidden/: hidden (2 file(s))",
        "docs/adr/.h.md: hidden",
        "notes/.b.md: hidden",
        "notes/g.tmp.md: git-ignored",
        "notes/inner/i.md: of another git repository",
        "notes/private/: git-ignored (2 file(s))",
    ]


def test_a_folder_inside_the_repository_names_its_own_files(folder: GitFolder) -> None:
    for file in ("part/layer/sessions/a.md", "part/layer/sessions/b.md", "layer/sessions/c.md"):
        folder.write(file, "## Decisions\n- a decision\n")
    folder.write(".gitignore", "b.md\n.patina/\n")
    folder.commit("all")
    (report,) = materialize(folder.path / "part", folder.eventlog, only=["sessions"])
    assert report.skipped == ("layer/sessions/b.md: git-ignored",)
    (started,) = rows(folder.eventlog, "session.started")
    assert (started["source_file"], started["timestamp"][:4]) == ("layer/sessions/a.md", "2023")


def test_what_is_not_checked_out_is_not_gone(folder: GitFolder) -> None:
    for file in ("layer/sessions/a.md", "docs/adr/b.md", "src/c.txt"):
        folder.write(file, "# T\n## Decision\nKept.\n")
    folder.commit("all")
    scrape(folder)
    held = live(folder.eventlog)
    folder.git("sparse-checkout", "set", "src")
    assert not (folder.path / "docs").exists()
    report = scrape(folder)
    assert report.skipped == ("sessions: 2 file(s) are not checked out: what is known of them stays",)
    assert scrape(folder, full=True).retracted == {}
    assert live(folder.eventlog) == held
    folder.git("rm", "-q", "--cached", "--sparse", "docs/adr/b.md")
    assert set(scrape(folder).retracted) == {"session.started", "session.decision", "session.file"}


# Near misses (T7)


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
        assert notes_of(f"## Goals\n{mark} {item}\n") == [Note("goal", goal, completed)]


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
