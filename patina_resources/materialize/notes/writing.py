"""A note that somebody writes down now, as a session file that `materialize` reads. Text in, text out."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Literal

from patina_resources.errors import PatinaError

NoteKind = Literal["decision", "pattern", "goal", "observation"]
SECTIONS: dict[NoteKind, str] = {
    "decision": "Key Decisions",
    "pattern": "Patterns Observed",
    "goal": "Goals",
    "observation": "Activity Log",
}
MOST_CHARACTERS = 65_536
TITLE_CHARACTERS = 70
NAME_CHARACTERS = 40
_WILD = re.compile(r"[*?[]")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class NewNote:
    """A note.

    Attributes:
        kind: What it is.
        text: What it says: a line, or several paragraphs.
        about: Paths from the top of the project that it is about.
        moment: When it is written, with a time zone.
        branch: The git branch; None where there is none.
    """

    kind: NoteKind
    text: str
    about: Sequence[str]
    moment: datetime
    branch: str | None = None


def checked_text(text: str) -> str:
    """Return the text of a note without what surrounds it and without control characters.

    Raises:
        PatinaError: It is empty, or longer than notes are.
    """
    kept = "".join(sign for sign in text.replace("\r\n", "\n") if sign == "\n" or sign == "\t" or sign.isprintable())
    stripped = kept.strip()
    if not stripped:
        raise PatinaError('the note is empty: expected what you want to keep, such as `patina note "TEXT" --decision`')
    if len(stripped) > MOST_CHARACTERS:
        raise PatinaError(f"the note has {len(stripped)} characters: expected at most {MOST_CHARACTERS}")
    return stripped


def note_file(note: NewNote) -> str:
    """Return the content of a note's file: a session with one note in it."""
    title = " ".join(note.text.split())[:TITLE_CHARACTERS].rstrip()
    head = [f"# Session: {title}", "", f"**Started**: {_utc(note.moment, '%Y-%m-%dT%H:%M:%SZ')}"]
    if note.branch:
        head.append(f"**Git Branch**: {note.branch}")
    mark = "[ ] " if note.kind == "goal" else ""
    about = ["", f"About {', '.join(f'`{path}`' for path in note.about)}."] if note.about else []
    lines = [*note.text.split("\n"), *about]
    item = [f"- {mark}{lines[0]}", *(f"  {line}".rstrip() for line in lines[1:])]
    return "\n".join([*head, "", f"## {SECTIONS[note.kind]}", "", *item, ""])


def note_name(note: NewNote) -> str:
    """Return what a note's file is called, without its ending: its time, and its first words."""
    words: list[str] = []
    for word in _WORD.findall(note.text.lower()):
        if sum(map(len, words)) + len(words) + len(word) > NAME_CHARACTERS:
            break
        words.append(word)
    return "-".join([_utc(note.moment, "%Y%m%d-%H%M%S"), *words])


def note_path(globs: Sequence[str], name: str) -> str | None:
    """Return where a note of a name is read from: below the first glob that takes it; None where none does."""
    for glob in globs:
        *folders, last = PurePosixPath(glob).parts or ("",)
        kept = [folder for folder in folders if folder != "**"]
        if any(_WILD.search(folder) for folder in kept) or last == "**":
            continue
        file = last.replace("*", name, 1).replace("*", "")
        if not _WILD.search(file) and file.endswith(".md") and fnmatch.fnmatchcase(file, last) and name in file:
            return "/".join([*kept, file])
    return None


def _utc(moment: datetime, form: str) -> str:
    return moment.astimezone(UTC).strftime(form)
