"""Writes a note into a repository, where `materialize` reads it. Git tracks it if its user wants that."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from patina_resources.errors import PatinaError, shown_path
from patina_resources.materialize.git.repository import Repository, find_repository
from patina_resources.materialize.notes.sessions import note_files
from patina_resources.materialize.notes.writing import NewNote, NoteKind, checked_text, note_file, note_name, note_path
from patina_resources.store.files import leads_out, write_new

MOST_OF_ONE_SECOND = 1_000


@dataclass(frozen=True)
class WrittenNote:
    """A note that was written.

    Attributes:
        path: Its file.
        left_out: Why `materialize` will not read it; "" as a rule.
    """

    path: Path
    left_out: str


def write_note(
    root: Path, globs: Sequence[str], text: str, kind: NoteKind, about: Sequence[str], moment: datetime
) -> WrittenNote:
    """Write a note to a new file of a project, and return where it is. No other file is changed.

    Args:
        root: The project's root.
        globs: Where session notes are, from the root.
        text: What it says.
        kind: What it is.
        about: Paths or PATH:LINE, from the root, that it is about.
        moment: When it is written, with a time zone.

    Raises:
        PatinaError: The text is empty or too long, a path leads to no file of the project, no glob takes a new file,
            or it cannot be written.
    """
    repository = find_repository(root)
    places = [_known_place(root, place) for place in about]
    note = NewNote(kind, checked_text(text), places, moment, _branch(repository))
    content = note_file(note).encode()
    for number in range(1, MOST_OF_ONE_SECOND):
        name = note_name(note) + (f"-{number}" if number > 1 else "")
        path = _free_path(root, globs, name)
        if write_new(path, content):
            return WrittenNote(path, _left_out(repository, root, globs, path))
    raise PatinaError(f"{root}: there are {MOST_OF_ONE_SECOND} notes of this second: try again")


def _free_path(root: Path, globs: Sequence[str], name: str) -> Path:
    found = note_path(globs, name)
    if found is None:
        raise PatinaError(
            f"{root / '.patina' / 'config.toml'}: [sessions] globs: none takes a new note: expected one such as "
            "`layer/sessions/*.md`"
        )
    path = root / found
    if leads_out(path, root) or ".git" in path.resolve().parts:
        raise PatinaError(f"{path}: leads out of the project: expected a folder of it, and no link")
    return path


def _known_place(root: Path, place: str) -> str:
    """Return a path as notes name it, from the root."""
    name, colon, line = place.rpartition(":")
    file = name if colon and line.isdecimal() else place
    path = root / file
    try:
        inside = path.resolve().relative_to(root.resolve())
        # A link may have a plain name, and lead to one that would be another line of the note.
        is_there = path.exists() and all(name.isprintable() and "`" not in name for name in (file, str(inside)))
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL
        is_there = False
    if not is_there:
        raise PatinaError(f"--about: {shown_path(place)}: there is no such file in {root}: expected a path from there")
    return os.fspath(inside) + (f":{line}" if file != place else "")


def _branch(repository: Repository) -> str | None:
    if not repository.succeeds("symbolic-ref", "--quiet", "HEAD"):
        return None
    return repository.output("symbolic-ref", "--short", "HEAD").decode("utf-8", "replace").strip()


def _left_out(repository: Repository, root: Path, globs: Sequence[str], path: Path) -> str:
    named = note_files(repository, root.resolve(), globs).named
    below = os.fsencode(path.relative_to(root))
    if below in named.paths:
        return ""
    return next((reason for reason in named.skipped if ": hidden" in reason or "ignored" in reason), "git ignores it")
