"""Our eventlog against real ones of the tool that made the format: schema, payloads, notes, and continuing theirs.

The real ones are not part of this repository: they are looked for beside it, and the tests are skipped without them.
"""

import json
import lzma
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from materialize_helpers import GitFolder, last_seq, live, rows
from root import EVENTLOGS

from patina_assets.pairs.types.co_changed import CO_CHANGES
from patina_assets.pairs.types.same_session import OBSERVATIONS
from patina_resources.errors import PatinaError
from patina_resources.eventlog.derived_views import rebuild_views
from patina_resources.eventlog.reader import Eventlog, Row, Source
from patina_resources.eventlog.writer import open_eventlog
from patina_resources.materialize.run import materialize

REAL = sorted(EVENTLOGS.glob("eventlog-*.db.xz"))
pytestmark = pytest.mark.skipif(not REAL, reason="no real eventlogs in ../shared/data")

HEAD = "# Session: {title}\n**ID**: {id}\n{started}{branch}"
FRONT_MATTER = "---\ntype: session\nid: {id}\ntitle: {title}\n{started}{branch}---\n"
Session = dict[str, Any]


@pytest.fixture(scope="module", params=REAL, ids=lambda path: path.name.removesuffix(".db.xz"))
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real eventlog, unpacked."""
    unpacked = tmp_path_factory.mktemp("real") / request.param.stem
    with lzma.open(request.param) as packed, unpacked.open("wb") as target:
        shutil.copyfileobj(packed, target)
    return unpacked


def sessions_of(eventlog: Path) -> dict[str, Session]:
    """Return {file: {"started": payload, "goal": [...], "decision": [...], ...}} of an eventlog."""
    found: dict[str, Session] = {}
    for row in rows(eventlog, "session."):
        kind = row["event_type"].removeprefix("session.")
        session = found.setdefault(row["source_file"], {"id": row["source_id"]})
        if kind == "started":
            session[kind] = row["data"]
        else:
            session.setdefault(kind, []).append(row["data"])
    return found


def bold_sections(session: Session) -> Iterator[str]:
    """Yield the sections as the session tools of 2025 write them: bold lines in an activity log."""
    yield from context_and_goals(session)
    yield "## Activity Log\n### 10:00 - Session Start\nSession initialized with goal: x\n\n### 10:30 - Update\n"
    yield section("**Work Completed:**\n", session, "work", "{number}. {content}")
    yield section("**Key Decisions:**\n", session, "decision", "- {content}")
    yield "**Challenges & Solutions:**\n- slow -> measured\n\n"
    yield section("**Patterns Observed:**\n", session, "pattern", "- {content}")


def heading_sections(session: Session) -> Iterator[str]:
    """Yield the sections under headings."""
    yield from context_and_goals(session)
    yield section("## Work Completed\n", session, "work", "{number}. {content}")
    yield section("## Key Decisions\n", session, "decision", "* {content}")
    yield section("## Patterns Observed\n", session, "pattern", "  - {content}")


def context_and_goals(session: Session) -> Iterator[str]:
    for context in session.get("context", ()):
        yield f"\n## Previous Session Context\n{context['content']}\n\n"
    goals = [f"- [{'x' if goal['completed'] else ' '}] {goal['content']}\n" for goal in session.get("goal", ())]
    yield "".join(["## Goals\n", *goals, "\n"]) if goals else ""


def section(title: str, session: Session, kind: str, line: str) -> str:
    notes = [line.format(number=number, **note) for number, note in enumerate(session.get(kind, ()), 1)]
    return "\n".join([title, *notes, "\n"]) if notes else ""


def classification(started: dict[str, Any]) -> str:
    lines = [f"- Work Type: {started['classification']}"] if started["classification"] else []
    lines += [f"- Files Changed: {started['files_changed']}", f"- Commits: {started['commits_made']}"]
    return "\n".join(["\n## Session Classification", *lines, "", "## User Prompts (1)", "1. `hello`", ""])


def legacy(session: Session) -> str:
    """Return a session's file with `**Field**: value` lines and bold sections."""
    started = session["started"]
    fields = {
        "started": f"**Started**: {started['started_at']}\n" if started["started_at"] else "",
        "branch": f"**Git Branch**: {started['branch']}\n" if started["branch"] else "",
    }
    head = HEAD.format(id=session["id"], title=started["title"], **fields)
    return "".join([head, *bold_sections(session), classification(started)])


def current(session: Session) -> str:
    """Return a session's file with YAML front matter and sections under headings."""
    started = session["started"]
    fields = {
        "started": f"created: {json.dumps(started['started_at'])}\n" if started["started_at"] else "",
        "branch": f"git:\n  branch: {json.dumps(started['branch'])}\n" if started["branch"] else "",
    }
    head = FRONT_MATTER.format(id=session["id"], title=json.dumps(started["title"]), **fields)
    return "".join([head, *heading_sections(session), classification(started)])


def write_sessions(folder: GitFolder, sessions: dict[str, Session], layout: Any) -> None:
    for file, session in sessions.items():
        folder.write(file, layout(session))
    folder.write(".gitignore", ".patina/\n")
    folder.commit("all sessions")


def read(eventlog: Path, source: Source) -> list[Row]:
    """Return what the pipeline reads from an eventlog."""
    return Eventlog(eventlog).read([source])[source.name].rows


def facts(events: Iterable[dict[str, Any]]) -> Counter[tuple[str, str, str, str]]:
    """Return the events without seq and time."""
    return Counter(
        (row["event_type"], row["source_id"], row["source_file"], json.dumps(row["data"], sort_keys=True))
        for row in events
    )


@pytest.mark.parametrize("layout", [legacy, current])
def test_every_note_of_the_original_is_found(real: Path, tmp_path: Path, layout: Any) -> None:
    sessions = sessions_of(real)
    folder = GitFolder(tmp_path / "project")
    write_sessions(folder, sessions, layout)
    materialize(folder.path, folder.eventlog, only=["sessions"])
    theirs, ours = (
        facts(row for row in rows(log, "session.") if row["event_type"] != "session.file")
        for log in (real, folder.eventlog)
    )
    assert theirs.total() > 2000
    assert theirs - ours == Counter()
    assert {json.loads(data)["content"] for _, _, _, data in (ours - theirs)} <= {"slow -> measured"}
    notes_read = [sorted(row[:3] for row in read(eventlog, OBSERVATIONS)) for eventlog in (real, folder.eventlog)]
    assert notes_read[0] == notes_read[1]
    times = {row["source_id"]: row["timestamp"] for row in rows(folder.eventlog, "session.")}
    for row in rows(real, "session.started"):
        # Where no time is known the original puts the session's id; here it is what the file's name or the commit says.
        assert times[row["source_id"]] == row["timestamp"] or row["data"]["started_at"] is None


def test_schema_is_that_of_the_original(real: Path, tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.commit("one")
    materialize(folder.path, folder.eventlog)

    def schema(eventlog: Path) -> dict[str, str]:
        with closing(sqlite3.connect(eventlog)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return {name: " ".join(sql.replace("IF NOT EXISTS ", "").split()) for name, sql in found}

    ours = schema(folder.eventlog)
    assert {name: ours.get(name) for name in schema(real)} == schema(real)
    assert set(ours) - set(schema(real)) == {"scraped_files"}


VIEWS = {
    "commits": "*",
    "commit_files": "*",
    "co_changes": "*",
    "sessions": "*",
    "observations": "session_id, content, observation_type",  # the original leaves their time empty
    "goals": "session_id, content, completed",
    "function_facts": "*",
    "call_graph": "*",
}


def test_derived_views_are_those_of_the_original(real: Path, tmp_path: Path) -> None:
    shutil.copyfile(real, tmp_path / "copy.db")
    with open_eventlog(tmp_path / "copy.db") as writer:
        assert set(rebuild_views(writer)) == set(VIEWS)

    def content(eventlog: Path, view: str) -> list[str]:
        with closing(sqlite3.connect(eventlog)) as connection:
            return sorted(repr(row) for row in connection.execute(f"SELECT {VIEWS[view]} FROM {view}"))

    for view in VIEWS:
        assert content(tmp_path / "copy.db", view) == content(real, view), view


def shapes(events: Iterable[dict[str, Any]]) -> dict[str, dict[str, set[str]]]:
    """Return the types of every payload key by type of event; keys within keys are `files[].path`, `parsed.type`."""
    found: dict[str, dict[str, set[str]]] = {}
    for row in events:
        types = found.setdefault(row["event_type"], {})
        entries = list(row["data"].items())
        entries += [(f"files[].{key}", value) for file in row["data"].get("files", ()) for key, value in file.items()]
        entries += [(f"parsed.{key}", value) for key, value in (row["data"].get("parsed") or {}).items()]
        for key, value in entries:
            types.setdefault(key, set()).add(type(value).__name__)
    return found


RUST = """use std::fs::File;
const LIMIT: u32 = 1;
pub struct Shelf<T> { items: Vec<T> }
enum Kind { A }
pub trait Named { fn name(&self) -> Option<String>; }
impl<T> Shelf<T> {
    pub async fn put(&mut self, item: T) -> Result<(), String> { check(&item); println!("put"); Ok(()) }
}
fn check<T>(_: &T) {}
"""


# The original ignores what it does not know.
CODE_KEYS = {"start_line", "end_line", "doc", "digest", "is_declaration"}
NEW_KEYS = {"git.commit": {"files[].old_path", "body", "parents"}}


def test_payloads_are_those_of_the_original(real: Path, tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("src/lib.rs", RUST)
    folder.commit("feat(shelf): put (#1)\n\nBecause.")
    folder.git("mv", "src/lib.rs", "src/shelf.rs")
    folder.commit("move it")
    write_sessions(folder, dict(list(sessions_of(real).items())[-20:]), legacy)
    materialize(folder.path, folder.eventlog)
    theirs, ours = shapes(rows(real)), shapes(rows(folder.eventlog))
    # The original has three more kinds of code facts, which no source reads; and no observations, as its README says.
    assert set(theirs) - set(ours) == {"code.symbol", "code.constant", "code.member"}
    # What this tool adds: where everything in a file stands now.
    assert set(ours) - set(theirs) == {"session.observation", "session.file", "code.file"}
    del ours["code.file"], ours["session.file"]
    assert ours.pop("session.observation") == theirs["session.decision"]
    for kind, keys in ours.items():
        # The original links some commits to a session, and has a renamed file only under both of its names.
        assert {*keys, "session_id", "files[].old_path"} >= set(theirs[kind])
        assert set(keys) - set(theirs[kind]) <= NEW_KEYS.get(kind, CODE_KEYS)
        for key in set(keys) & set(theirs[kind]):
            assert keys[key] <= theirs[kind][key] | {"NoneType"}, f"{kind} {key}"


def test_another_repository_is_refused(real: Path, tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.commit("one")
    before = rows(real)
    with pytest.raises(PatinaError, match=r"holds \d+ commit\(s\), and none of them is in .*--full"):
        materialize(folder.path, real)
    assert rows(real) == before


def test_notes_of_the_original_are_known_and_not_taken_back(real: Path, tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    write_sessions(folder, sessions_of(real), current)
    shutil.copyfile(real, tmp_path / "copy.db")
    seq = last_seq(real)
    (report,) = materialize(folder.path, tmp_path / "copy.db", only=["sessions"], full=True)
    # What is new is where they stand.
    assert report.new == {"session.file": len(sessions_of(real))}
    assert (report.retracted, last_seq(tmp_path / "copy.db")) == ({}, seq + len(sessions_of(real)))
    assert sum(report.known.values()) == len(rows(real, "session."))


def test_an_eventlog_of_the_original_is_continued(real: Path, tmp_path: Path) -> None:
    """One commit and one file are known to it in the original's own words; the rest is not of this repository."""
    folder = GitFolder(tmp_path / "project")
    folder.write("src/kept.rs", "pub fn kept() {}\n")
    first = folder.commit("feat: kept")
    folder.write("src/kept.rs", "pub fn kept() { println!(); }\n")
    folder.write("notes.md", "new\n")
    second = folder.commit("fix: print")
    eventlog = tmp_path / "copy.db"
    shutil.copyfile(real, eventlog)
    function = next(row["data"] for row in rows(real, "code.function") if row["data"]["parameter_count"] == 0)
    known = {**function, "file": "./src/kept.rs", "name": "kept", "is_public": True, "return_type": None}
    known |= {"returns_result": False, "returns_option": False, "is_async": False}
    symbol = {"context": "pub fn kept() {}", "kind": "function", "line": 1, "name": "kept", "path": "./src/kept.rs"}
    change = {"path": "{lib => src}/kept.rs", "change_type": "modified", "lines_added": 1, "lines_removed": 0}
    commit = {"sha": first, "message": "feat: kept", "author_name": "Ada", "author_email": "", "files": [change]}
    with closing(sqlite3.connect(eventlog)) as connection, connection:
        for kind, source, file, data in (
            ("git.commit", first, None, {**commit, "session_id": "20250101-000000"}),
            ("code.function", "./src/kept.rs::kept", "./src/kept.rs", known),
            ("code.symbol", "./src/kept.rs::kept", "./src/kept.rs", symbol),
        ):
            text = json.dumps(data, sort_keys=True, separators=(",", ":"))
            connection.execute(
                "INSERT INTO eventlog VALUES (NULL, ?, '2026-02-05T00:00:00Z', ?, ?, ?)", (kind, source, file, text)
            )
    before = rows(eventlog)
    git, sessions, _, code = materialize(folder.path, eventlog)
    assert rows(eventlog)[: len(before)] == before
    assert (git.new, git.known) == ({"git.commit": 1}, {"git.commit": 1})
    assert git.retracted == {"git.commit": len(rows(real, "git.commit"))}
    assert sum(sessions.retracted.values()) == len(rows(real, "session."))
    # What a function of the original's lacks (its lines, text about it and digest) makes it another one.
    assert (code.new, code.known) == ({"code.call": 1, "code.file": 1, "code.function": 1}, {"code.symbol": 1})
    assert sum(code.retracted.values()) == len(rows(real, "code.")) + 1
    assert Counter(row["event_type"] for row in live(eventlog)) == {
        "git.commit": 2,
        "code.function": 1,
        "code.symbol": 1,
        "code.call": 1,
        "code.file": 1,
        "doc.section": 1,
        "doc.file": 1,
    }
    assert {row[-2:] for row in read(eventlog, CO_CHANGES)} == {(second, "src/kept.rs"), (second, "notes.md")}
    expected = {"commits": 2, "commit_files": 3, "sessions": 0, "goals": 0, "function_facts": 1, "call_graph": 1}
    with closing(sqlite3.connect(eventlog)) as connection:
        for table, count in expected.items():
            assert connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (count,), table
    seq = last_seq(eventlog)
    materialize(folder.path, eventlog)
    assert last_seq(eventlog) == seq
