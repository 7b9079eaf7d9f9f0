"""Session notes and decision records -> eventlog: every note once, however the file is written."""

import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows
from original_rules import notes_by_the_original_rules

from patina_resources.errors import PatinaError
from patina_resources.materialize.notes.session_header import read_header, session_time
from patina_resources.materialize.notes.session_notes import Note, read_notes
from patina_resources.materialize.notes.sessions import file_events
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


def found(text: str) -> dict[str, list[str]]:
    notes: dict[str, list[str]] = {}
    for note in read_notes(text):
        notes.setdefault(note.kind, []).append(note.content)
    return notes


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
    assert [note.completed for note in read_notes(SESSION) if note.kind == "goal"] == [True, False, True]


def test_events_have_the_shared_keys() -> None:
    events, problem = file_events("layer/sessions/20250804-192537.md", SESSION, is_record=False, otherwise="never")
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
    notes = found(header.body)
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
        ("**Started**: yesterday", "20259999-999999", "otherwise"),
        ("no date", "summary", "otherwise"),
    ],
)
def test_time_of_a_session(text: str, name: str, expected: str) -> None:
    assert session_time(read_header(text, name), name, "otherwise") == expected


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
    assert found(header.body) == {"decision": ["kept"]}


def test_the_first_section_of_a_name_also_counts_as_other_tools_delimit_it() -> None:
    text = "**Patterns Observed:**\n- ours\n\n### 20:10 - Note\n- theirs\n\n**Status:** done\n"
    assert found(text) == {"pattern": ["ours", "theirs"]}


def test_a_rule_at_the_top_is_no_front_matter_that_swallows_notes() -> None:
    text = "---\n# Session: Rules\n\n## Goals\n- [x] a goal\n\n---\n\n**Key Decisions:**\n- kept\n"
    events, _ = file_events("layer/sessions/rules.md", text, is_record=False, otherwise="never")
    assert [event.event_type for event in events] == ["session.started", "session.goal", "session.decision"]


def test_notes_in_front_matter_are_found_as_other_tools_find_them() -> None:
    head = "---\ntitle: x\nnotes: |\n  **Key Decisions:**\n  - from the head\n---\n"
    text = f"{head}**Patterns Observed:**\n- from the body\n"
    events, _ = file_events("layer/sessions/head.md", text, is_record=False, otherwise="never")
    assert {json.loads(event.data)["content"] for event in events[1:]} == {"from the head", "from the body"}


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
    text = "**Key Decisions:**\n- again\n- again\n\n### 20:10 - Note\n- once more\n- once more\n"
    assert found(text)["decision"] == ["again", "again", "once more", "once more"]


def test_no_note_of_the_original_is_missing() -> None:
    lines = [
        "## Goals", "### Goals", "- [ ] a goal", "  - [x] a done goal ", "- [X]no goal", "## Key Decisions",
        "### Key Decisions Made", "**Key Decisions:**", "**Key Decisions:** inline", "- a decision", "* another",
        "--flag first", "*emphasis* first", "**Bold**: text", "**Bold** text", "---", "***", "1. numbered", "2) also",
        "**Patterns Observed:**", "## Patterns Observed", "- a pattern", "   - nested", "**Work Completed:**",
        "10. a piece of work", "## Work Completed", "## Previous Session Context", "**Previous Session Context:**",
        "<!-- none -->", "plain text", "", "", "```", "# comment", "## Activity Log", "### 10:00 - Update",
        "**Git Activity:**", "- Commits: 3", "## Session Classification", "- Work Type: x", "\tindented - text",
        "title: yaml", "- a decision\r", "\r", "~~~", "> - quoted", "- [x] **bold** goal", "\u2003- wide space",
        "- 说明 — naïve", "### Work Completed", "Key Decisions:", "**Key decisions:**", "#### Patterns Observed",
    ]  # fmt: skip
    chooser = random.Random(7)
    seen: Counter[str] = Counter()
    for number in range(1500):
        head = chooser.choice(("", "", "# Session: x\n**ID**: x\n", "---\ntitle: x\n---\n", "---\n"))
        text = head + "\n".join(chooser.choices(lines, k=chooser.randrange(1, 40)))
        expected = notes_by_the_original_rules(text)
        seen.update(note.kind for note in expected)
        events, _ = file_events(f"layer/sessions/{number}.md", text, is_record=False, otherwise="never")
        notes = [(event.event_type, json.loads(event.data)) for event in events[1:]]
        found = {Note(kind[8:], data["content"], data.get("completed", False)) for kind, data in notes}
        assert expected <= found, text
    assert min(seen[kind] for kind in ("goal", "decision", "pattern", "work", "context")) > 200
    assert notes_by_the_original_rules(SESSION) <= set(read_notes(SESSION))


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
    }
    assert scrape(folder).known == first.new
    assert scrape(folder, full=True).new == {}
    seq = last_seq(folder.eventlog)
    path.write_text(SESSION.replace("- [ ] choose an index", "- [x] choose an index"))
    assert scrape(folder).new == {"session.goal": 1}
    assert after(folder.eventlog, seq) == {"session.removed": 1, "session.goal": 1}
    (removed,) = rows(folder.eventlog, "session.removed")
    assert removed["source_file"] == "layer/sessions/20250804-192537.md"
    assert [rows(folder.eventlog)[seq - 1]["data"]["content"] for seq in removed["data"]["seqs"]] == ["choose an index"]
    path.unlink()
    assert sum(scrape(folder).retracted.values()) == 17
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
        {"session.started": 1, "session.decision": 1},
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
    assert scrape(folder).new == {"session.started": 1, "session.decision": 1}
    assert {row["timestamp"] for row in rows(folder.eventlog)} == {"1970-01-01T00:00:00+00:00"}
