"""Session notes and decision records -> eventlog: every note once, and only what changed."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows, scrape
from note_texts import SESSION

from patina_assets.pairs.items import Item
from patina_assets.pairs.types.same_session import NOTE_PLACES, SAME_SESSION, note_key, of_notes
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.run import materialize


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    folder = GitFolder(tmp_path / "project")
    folder.commit("start")
    return folder


def test_only_what_changed_is_appended_and_taken_back(folder: GitFolder) -> None:
    path = folder.write("layer/sessions/20250804-192537.md", SESSION)
    first = scrape("sessions", folder)
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
    assert scrape("sessions", folder).known == first.new
    assert scrape("sessions", folder, full=True).new == {}
    seq = last_seq(folder.eventlog)
    path.write_text(SESSION.replace("- [ ] choose an index", "- [x] choose an index"))
    assert scrape("sessions", folder).new == {"session.goal": 1, "session.file": 1}
    assert after(folder.eventlog, seq) == {"session.removed": 1, "session.goal": 1, "session.file": 1}
    (removed,) = rows(folder.eventlog, "session.removed")
    assert removed["source_file"] == "layer/sessions/20250804-192537.md"
    taken_back = [rows(folder.eventlog)[seq - 1]["data"].get("content") for seq in removed["data"]["seqs"]]
    assert taken_back == ["choose an index", None]
    path.unlink()
    assert sum(scrape("sessions", folder).retracted.values()) == 18
    assert live(folder.eventlog, "session") == []


def test_every_file_yields_something_or_is_reported(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("layer/sessions/empty.md", "")
    folder.write("layer/sessions/huge.md", "x" * (1 << 20) + "y")
    folder.write("layer/sessions/latin.md", b"# Session: caf\xe9\n\n**Key Decisions:**\n- na\xefve\n")
    folder.write("layer/sessions/title.md", "# A title only\n")
    (tmp_path / "outside.md").write_text(SESSION)
    (folder.path / "layer/sessions/link.md").symlink_to(tmp_path / "outside.md")
    (folder.path / "layer/sessions/loop.md").symlink_to("loop.md")
    report = scrape("sessions", folder)
    assert sorted(report.skipped) == [
        "layer/sessions/empty.md: no notes in any known section: only its title is taken",
        "layer/sessions/huge.md: larger than 1 MiB",
        "layer/sessions/link.md: is a symbolic link",
        "layer/sessions/loop.md: is a symbolic link",
        "layer/sessions/title.md: no notes in any known section: only its title is taken",
    ]
    titles = {row["source_id"]: row["data"]["title"] for row in rows(folder.eventlog, "session.started")}
    assert titles == {"empty": "empty", "latin": "café", "title": "A title only"}


def test_globs_choose_the_files_and_cannot_leave_the_repository(folder: GitFolder) -> None:
    folder.write("notes/a.md", "## Decisions\n- from notes\n")
    folder.write("layer/sessions/b.md", "## Decisions\n- from layer\n")
    scrape("sessions", folder, session_globs=["notes/**/*.md"])
    assert [row["data"]["content"] for row in live(folder.eventlog, "session.decision")] == ["from notes"]
    folder.write(".git/inside.md", "## Decisions\n- from git\n")
    report = scrape("sessions", folder, session_globs=["**/*.md", "logs/*.md"])
    assert (report.new, report.skipped) == (
        {"session.started": 1, "session.decision": 1, "session.file": 1},
        ("sessions: no file matches `logs/*.md`",),
    )
    refused = ["../*.md", "/etc/*.md", "a/../../b.md", " "]
    if sys.version_info < (3, 13):  # later ones take it for `*`
        refused.append("notes/**.md")
    for pattern in refused:
        with pytest.raises(PatinaError, match=r"\[sessions\] globs of config.toml: .* expected a path in the repo"):
            scrape("sessions", folder, session_globs=[pattern])


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
    report = scrape("sessions", folder)
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
    assert scrape("sessions", folder).new == {"session.started": 1, "session.decision": 1, "session.file": 1}
    assert {row["timestamp"] for row in rows(folder.eventlog)} == {"1970-01-01T00:00:00+00:00"}


def test_an_undated_file_has_the_time_of_its_last_commit(folder: GitFolder) -> None:
    folder.write("docs/adr/0001-a.md", "# A\n## Decision\nOne.\n")
    folder.write("layer/sessions/b.md", "## Key Decisions\n- two\n")
    folder.commit("both")
    folder.write("docs/adr/0001-a.md", "# A\n## Decision\nOther.\n")
    folder.commit("one of them")
    folder.write("docs/adr/0003-new.md", "# New\n## Decision\nThree.\n")
    folder.commit("something else")
    folder.write("docs/adr/0004-uncommitted.md", "# Later\n## Decision\nFour.\n")
    scrape("sessions", folder)
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
    """Return the items that the notes of an eventlog give, each with its line."""
    read = Eventlog(folder.eventlog).read([*SAME_SESSION.sources, NOTE_PLACES])
    rows = {name: source.rows for name, source in read.items()}
    lines = of_notes(rows.pop(NOTE_PLACES.name))
    return [replace(item, line=lines.get(note_key(item))) for item in SAME_SESSION.derive(rows).items]


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
    scrape("sessions", folder)
    lines = {
        "docs/adr/0001-a.md": {"Use SQLite: We take SQLite.": 10},
        "layer/sessions/20250101-000000.md": {
            "first decision of the day, wrapped": 4, "the second one of them": 6,
        },
    }  # fmt: skip
    assert lines_of(folder) == lines
    seq = last_seq(folder.eventlog)
    path.write_text(session.replace("## Key", "Three\r\nmore\r\nlines.\r\n\r\n## Key"))
    report = scrape("sessions", folder)
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
    report = scrape("sessions", folder, session_globs=["notes/**/*.md", ".hidden/**/*.md"])
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
    scrape("sessions", folder)
    held = live(folder.eventlog)
    folder.git("sparse-checkout", "set", "src")
    assert not (folder.path / "docs").exists()
    report = scrape("sessions", folder)
    assert report.skipped == ("sessions: 2 file(s) are not checked out: what is known of them stays",)
    assert scrape("sessions", folder, full=True).retracted == {}
    assert live(folder.eventlog) == held
    folder.git("rm", "-q", "--cached", "--sparse", "docs/adr/b.md")
    assert set(scrape("sessions", folder).retracted) == {"session.started", "session.decision", "session.file"}
