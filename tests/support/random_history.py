"""An eventlog to which random things happen: for tests that compare what is kept up to date with what is made anew."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from eventlog_builder import FIRST_TIME, Event, append, build_eventlog, call, commit, function, note, removal

from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.payloads import text_key
from patina_resources.eventlog.reader import Eventlog, Source

FILES = ("a.py", "b.py", "c.py")
CHANGES = ("commit", "function", "call", "note", "thing", "thing", "take back", "take back", "rename", "undo", "odd")
THINGS = (
    "namesake",
    "type",
    "lines",
    "placed note",
    "placed note",
    "identity",
    "thread",
    "import",
    "class",
    "section",
    "file now",
    "again",
)
LIVE_EVENTS = Source(
    "live", f"SELECT event_type, timestamp, source_id, source_file, data FROM eventlog WHERE {LIVE} ORDER BY seq"
)


class History:
    """An eventlog to which random things happen."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = build_eventlog(path, [commit("0" * 40, *FILES), function("a.py", "first")])
        self.random = random.Random(seed)
        self.events: list[Event] = [commit("0" * 40, *FILES), function("a.py", "first")]

    def append(self, *events: Event) -> None:
        append(self.path, list(events))
        self.events += events

    def step(self) -> None:
        """Append, take back, rename or undo."""
        what = self.random.choice(CHANGES)
        number = len(self.events)
        file = self.random.choice(FILES)
        if what == "commit":
            files = (file, self.random.choice(FILES))
            author = self.random.choice(("ada", "grace"))
            message = f"Change {self.random.randrange(9)} of {file}"
            hour = self.random.randrange(40)
            self.append(commit(f"{number:040d}", *files, hour=hour, message=message, author=author))
        elif what == "function":
            scanned = (FIRST_TIME + timedelta(days=self.random.randrange(3))).isoformat()
            parameters = self.random.choice(([], ["x"], ["y"]))
            self.append(replace(function(file, f"f{self.random.randrange(4)}", parameters), timestamp=scanned))
        elif what == "call":
            self.append(call(file, "first", f"f{self.random.randrange(4)}"))
        elif what == "note":
            self.append(note(f"a note of some length, number {number}", f"session-{self.random.randrange(3)}"))
        elif what == "thing":
            self.append(self._thing(self.random.choice(THINGS), file))
        elif what == "odd":  # takes back what does not exist, or itself
            self.append(removal("git", number + 1, number + 9, -1))
        elif what == "rename":
            change = {"path": f"new_{file}", "old_path": file, "change_type": "renamed"}
            self.append(Event("git.commit", {"sha": f"{number:040d}", "message": "Rename", "files": [change]}))
        else:
            seqs = [seq for seq, event in enumerate(self.events, 1) if not event.kind.endswith(".removed")]
            seq = self.random.choice(seqs)
            event = self.events[seq - 1]
            self.append(removal(event.kind.split(".")[0], seq))
            if what == "undo":
                self.append(event)

    def _thing(self, what: str, file: str) -> Event:
        """Return an event of which others may tell the same thing otherwise."""
        one_of_two = self.random.randrange(2)
        name = f"f{self.random.randrange(3)}"
        if what == "namesake":
            event = function(file, name, ["x", "y"][: self.random.randrange(3)], ("int", "str")[one_of_two])
            more = {"digest": f"{one_of_two}" * 64, "doc": f"Doc {self.random.randrange(2)}.", "start_line": 3}
            return replace(event, data={**_fields(event), **more, "is_declaration": self.random.randrange(4) == 0})
        if what == "type":
            data = {"file": file, "name": name, "kind": ("class", "const")[one_of_two], "digest": "d" * 64}
            return Event("code.type", data, source_id=f"{file}::{name}", source_file=file)
        if what == "class":
            data = {"file": file, "name": name, "definition": f"class {name}(Base{one_of_two})"}
            return Event("code.class", data, source_id=f"{file}::{name}", source_file=file)
        if what == "lines":
            lines = {"code.function": {name: [[1 + one_of_two, 3, "0" * 12], [5, 6, "1" * 12]]}}
            return Event("code.file", {"file": file, "digest": f"{one_of_two}" * 64, "lines": lines}, source_file=file)
        if what == "placed note":
            text = f"a note that stands in a file, number {self.random.randrange(2)}"
            if self.random.random() < 0.5:
                return replace(note(text), source_file=f"{one_of_two}.md")
            places = {"session.decision": {text_key(text): [7 + self.random.randrange(2)]}}
            return Event("session.file", {"lines": places}, source_file=f"{one_of_two}.md")
        if what == "identity":
            person = {"recorded_author": "Ada <ada@example.org>", "author_email": f"{'ab'[one_of_two]}@example.org"}
            return Event("git.identity", person, source_id="Ada <ada@example.org>")
        if what == "thread":
            kind = ("forge.issue", "forge.pr")[one_of_two]
            body = f"body {self.random.randrange(5)}" * self.random.randrange(1, 3)
            return Event(kind, {"title": f"Title {self.random.randrange(2)}", "body": body}, source_id="#1")
        if what == "import":
            names = {"file": file, "import_path": name, "imported_names": ["one", "two"][one_of_two:]}
            return Event("code.import", names, source_file=file)
        if what == "section":
            lines = {"doc.section": {name: [[1, 3 + one_of_two, "0" * 12]]}}
            return Event("doc.file", {"file": f"{file}.md", "digest": "2" * 64, "lines": lines})
        if what == "file now":
            return Event("git.file", {"path": file, "now": (None, file)[one_of_two]}, source_id=file)
        commits = [event for event in self.events if event.kind == "git.commit"]
        event = self.random.choice(commits)  # as a reader tells it that knows more
        return replace(event, data={**_fields(event), "body": f"Body {one_of_two}.", "recorded_author": "Ada <a@b>"})


def retold(path: Path, other: Path, seed: int) -> Path:
    """Return an eventlog that holds the same live facts in another order, some of them after they were taken back.

    When a fact was read from the working tree is no part of it: that is the time of whichever commit was checked out.

    Args:
        path: The eventlog.
        other: Where to make the new one.
        seed: Another seed gives another order, and other events that do not hold.
    """
    chosen = random.Random(seed)
    kept = [
        Event(
            kind, data, _another_time(chosen) if _is_read_from_files(kind, data) else timestamp, source_id, source_file
        )
        for kind, timestamp, source_id, source_file, data in Eventlog(path).rows([LIVE_EVENTS])[LIVE_EVENTS.name]
    ]
    waiting = chosen.sample(kept, len(kept))
    build_eventlog(other, [])
    told: list[Event] = []
    written = 0
    while waiting:
        event = waiting.pop()
        told.append(event)
        if chosen.random() < 0.3:
            told.append(removal(event.kind.split(".")[0], len(told)))
            waiting.insert(chosen.randrange(len(waiting) + 1), event)
        if chosen.random() < 0.1:
            told += [commit(f"{len(told):040x}", *FILES, "gone.py"), removal("git", len(told) + 1)]
        if chosen.random() < 0.1:
            append(other, told[written:])
            written = len(told)
    append(other, told[written:])
    return other


def _is_read_from_files(kind: str, data: str) -> bool:
    """Return whether our own scrapers read this event from files; a function without digest is of an older tool."""
    return kind in ("git.file", "git.identity") or (
        kind.startswith(("code.", "doc.")) and (kind != "code.function" or '"digest"' in data)
    )


def _another_time(chosen: random.Random) -> str:
    return (FIRST_TIME + timedelta(days=chosen.randrange(99))).isoformat()


def _fields(event: Event) -> Mapping[str, object]:
    assert isinstance(event.data, Mapping)
    return event.data
