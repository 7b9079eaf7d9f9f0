"""Small eventlog files for tests, and a seeded project history with something to learn in it."""

import json
import random
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE eventlog (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_type TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    source_id TEXT NOT NULL,
    source_file TEXT,
    data TEXT NOT NULL{check}
);
CREATE INDEX idx_eventlog_type ON eventlog(event_type);
CREATE INDEX idx_eventlog_timestamp ON eventlog(timestamp);
CREATE INDEX idx_eventlog_source ON eventlog(source_id);
CREATE INDEX idx_eventlog_type_time ON eventlog(event_type, timestamp);
"""
FIRST_TIME = datetime(2025, 1, 1, tzinfo=UTC)
NOTE_KINDS = ("decision", "pattern", "goal", "work", "context", "observation")
# Each topic is a module of the code and a subject of sessions: the first word is its name.
TOPICS = (
    "recipe schema field default validation typo version strict key",
    "search query ranking neighbour vector cosine projection result score",
    "storage table column transaction index vacuum journal page row",
    "network socket retry timeout header packet proxy stream handshake",
    "parser token grammar syntax node visitor operator literal scope",
    "release package wheel changelog tag build artifact signing upload",
)
# Functions begin with one of these verbs, which decides their parameters and return type.
SIGNATURES: Mapping[str, tuple[list[str], str | None]] = {
    "read": (["path"], "Result"),
    "write": (["path", "value"], "Result"),
    "check": (["value"], "bool"),
    "merge": (["first", "second"], None),
}
# Each has modules of his or her own.
AUTHORS = ("ada", "grace", "linus")
FILLER = [
    "because",
    "however",
    "later",
    "again",
    "always",
    "maybe",
    "today",
    "while",
    "under",
    "before",
    "nearly",
    "almost",
]


@dataclass(frozen=True)
class Event:
    """One row of an eventlog; `data` is written as it is where it is text or bytes."""

    kind: str
    data: Mapping[str, Any] | str | bytes
    timestamp: str | bytes = FIRST_TIME.isoformat()
    source_id: str | bytes = "source"
    source_file: str | None = None


def build_eventlog(path: Path, events: Iterable[Event], *, checked: bool = True) -> Path:
    """Make an eventlog of these events at `path`; without the CHECK its data may be invalid JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(SCHEMA.format(check=",\n    CHECK(json_valid(data))" if checked else ""))
    append(path, events)
    return path


def append(path: Path, events: Iterable[Event]) -> None:
    """Append events to an eventlog."""
    rows = ((e.kind, e.timestamp, e.source_id, e.source_file, _payload(e.data)) for e in events)
    query = "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) VALUES (?, ?, ?, ?, ?)"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executemany(query, rows)


def shuffled(events: Iterable[Event], seed: int = 1) -> list[Event]:
    """Return the same events in another order."""
    mixed = list(events)
    random.Random(seed).shuffle(mixed)
    return mixed


def note(content: str, session: str = "session-a", kind: str = "decision") -> Event:
    """Return a session note."""
    data = {"session_id": session, "content": content, "observation_type": kind}
    return Event(f"session.{kind}", data, source_id=session)


def commit(
    sha: str, *files: str, hour: int = 0, message: str = "Change things", author: str = "ada", lines: int = 1
) -> Event:
    """Return a commit of some files, `hour` hours after the first moment, with `lines` changed in each."""
    changes = [{"path": file, "change_type": "modified", "lines_added": lines, "lines_removed": 0} for file in files]
    person = {"author_name": author.title(), "author_email": f"{author}@example.org"}
    data = {"sha": sha, "message": message, **person, "files": changes}
    return Event("git.commit", data, _time(hour), sha)


def function(file: str, name: str, parameters: Iterable[str] = (), returned: str | None = None) -> Event:
    """Return a function as a scan finds it."""
    data = {"file": file, "name": name, "is_public": True, "parameters": list(parameters), "return_type": returned}
    return Event("code.function", data, source_id=f"{file}::{name}", source_file=file)


def call(file: str, caller: str, callee: str, line: int = 1) -> Event:
    """Return a call as a scan finds it."""
    data = {"caller": caller, "callee": callee, "file": file, "call_type": "direct", "line_number": line}
    return Event("code.call", data, source_id=f"{file}::{caller}", source_file=file)


def removal(kind: str, *seqs: object) -> Event:
    """Return an event that takes others back: `kind` is git, session or code."""
    return Event(f"{kind}.removed", {"seqs": list(seqs)})


def project_history(seed: int = 0) -> list[Event]:
    """Return 40 sessions of 6 notes, 120 commits by 3 authors over 60 files, and 80 functions that call each other.

    There is something to learn: a session's notes share words that other sessions seldom use, commits stay mostly in
    one module, and so do calls.
    """
    random_source = random.Random(seed)
    return [*_sessions(random_source), *_commits(random_source), *_functions(random_source)]


def with_older_keys(events: Iterable[Event]) -> list[Event]:
    """Return the events under the payload keys of older writers."""
    return [replace(event, data=_older_payload(event)) for event in events]


def _sessions(random_source: random.Random) -> list[Event]:
    events = []
    for number in range(40):
        session = f"2025-session-{number:02}"
        topic, *words = TOPICS[number % len(TOPICS)].split()
        focus = random_source.sample(words, 3)
        started = {"title": f"Work on {topic}", "started_at": _time(number), "branch": "main"}
        events.append(Event("session.started", started, _time(number), session))
        for kind in NOTE_KINDS:
            chosen = [topic, *random_source.sample(focus, 2), random_source.choice(words)]
            said = " ".join([*chosen, *random_source.sample(FILLER, 4), f"{number}-{kind}"])
            events.append(replace(note(said, session, kind), timestamp=_time(number)))
    return events


def module_files() -> dict[str, list[str]]:
    """Return the 60 files of the synthetic project by module."""
    modules = {topic.split()[0]: topic.split()[1:] for topic in TOPICS}
    return {
        module: [f"src/{module}/{word}.py" for word in words] + [f"docs/{module}.md", f"tests/test_{module}.py"]
        for module, words in modules.items()
    }


def _commits(random_source: random.Random) -> list[Event]:
    modules = module_files()
    names = list(modules)
    events = []
    for number in range(120):
        module = names[number % len(names)]
        changed = set(random_source.sample(modules[module], random_source.randint(2, 5)))
        if random_source.random() < 0.15:
            changed.add(random_source.choice(modules[random_source.choice(names)]))
        message = f"Change {random_source.choice(TOPICS[number % len(names)].split())} of {module}"
        author = AUTHORS[number % len(names) % len(AUTHORS)]
        events.append(commit(f"{number:040x}", *sorted(changed), hour=number, message=message, author=author))
    return events


def _functions(random_source: random.Random) -> list[Event]:
    sources = {module: [file for file in files if file.endswith(".py")] for module, files in module_files().items()}
    places = [
        (file, f"{verb}_{Path(file).stem}", module)
        for verb in SIGNATURES
        for module, files in sources.items()
        for file in files
    ][:80]
    events = [function(file, name, *SIGNATURES[name.split("_")[0]]) for file, name, _ in places]
    for file, name, module in places:
        near = [other for _, other, its_module in places if its_module == module and other != name]
        for callee in random_source.sample(near, 3):
            events.append(call(file, name, callee, random_source.randint(1, 400)))
        events.append(call(file, name, random_source.choice(["len", "to_string", "print"])))
    return events


def _older_payload(event: Event) -> Mapping[str, Any] | str | bytes:
    names = {"caller": "caller_name", "callee": "callee_name", "file": "file_path", "author_name": "author"}
    if not isinstance(event.data, Mapping):
        return event.data
    payload = {names.get(key, key): value for key, value in event.data.items() if key != "files"}
    if "files" in event.data:
        payload["files_changed"] = [change["path"] for change in event.data["files"]]
    return payload


def _time(hour: int) -> str:
    return (FIRST_TIME + timedelta(hours=hour)).isoformat()


def _payload(data: Mapping[str, Any] | str | bytes) -> str | bytes:
    return json.dumps(data) if isinstance(data, Mapping) else data
