"""An eventlog to which random things happen: for tests that compare what is kept up to date with what is made anew."""

import random
from pathlib import Path

from eventlog_builder import Event, append, build_eventlog, call, commit, function, note, removal

FILES = ("a.py", "b.py", "c.py")
CHANGES = ("commit", "function", "call", "note", "take back", "take back", "rename", "undo", "odd")
KINDS = {"git.commit": "git", "code.function": "code", "code.call": "code", "session.decision": "session"}


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
            self.append(commit(f"{number:040d}", file, self.random.choice(FILES)))
        elif what == "function":
            self.append(function(file, f"f{self.random.randrange(4)}", ["x"][: self.random.randrange(2)]))
        elif what == "call":
            self.append(call(file, "first", f"f{self.random.randrange(4)}"))
        elif what == "note":
            self.append(note(f"a note of some length, number {number}"))
        elif what == "odd":  # takes back what does not exist, or itself
            self.append(removal("git", number + 1, number + 9, -1))
        elif what == "rename":
            change = {"path": f"new_{file}", "old_path": file, "change_type": "renamed"}
            self.append(Event("git.commit", {"sha": f"{number:040d}", "message": "Rename", "files": [change]}))
        else:
            seqs = [seq for seq, event in enumerate(self.events, 1) if not event.kind.endswith(".removed")]
            seq = self.random.choice(seqs)
            event = self.events[seq - 1]
            self.append(removal(KINDS.get(event.kind, "code"), seq))
            if what == "undo":
                self.append(event)
